"""Which checkpoints are found, which may go, and moving them to the trash and back."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Hashable, Iterator
from pathlib import Path

import msgspec
import pytest
from autoloop.keeping import (
    Candidate,
    Checkpoint,
    Choice,
    KeepPolicy,
    Ranking,
    Trash,
    Usage,
    choose,
    find_checkpoints,
    measure,
    parse_wish,
)
from autoloop.metrics import metric_book
from autoloop.model import Run, RunState, UserError
from autoloop.trainers import load_preset, parse_preset
from autoloop.verdicts import Judge

from tests.cli.past_loops import curve, summary_of


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("best 3 by eval_l1, last of running", KeepPolicy(3, "eval_l1")),
        ("best 1", KeepPolicy(1)),
        ("last of all", KeepPolicy(last=True)),
        (" best  2  by val/acc ,last of all", KeepPolicy(2, "val/acc", last=True)),
    ],
)
def test_what_is_to_be_kept_is_read_from_clauses(text: str, wish: KeepPolicy) -> None:
    assert parse_wish(text, "here") == wish


@pytest.mark.parametrize("text", ["", "best", "best three", "best 0", "best 1, best 2", "everything", "best 3 by a b"])
def test_another_clause_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^here: "):
        parse_wish(text, "here")


# ------------------------------------------------------------------------------------------------------------- finding


def put(folder: Path, *paths: str) -> None:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 10_000)


LEFT = {
    "lerobot": (["checkpoints/000300/model", "checkpoints/010000/model"], ["checkpoints/000300", "checkpoints/010000"]),
    "transformers": (
        ["checkpoint-50/model", "checkpoint-200/model", "model.safetensors"],
        ["checkpoint-50", "checkpoint-200"],
    ),
    "lightning": (
        ["lightning_logs/version_0/checkpoints/epoch=0-step=9.ckpt", "lightning_logs/version_0/metrics.csv"],
        ["lightning_logs/version_0/checkpoints/epoch=0-step=9.ckpt"],
    ),
    "nanogpt": (["ckpt.pt", "train.log"], ["ckpt.pt"]),
    "openpi": (["pi05_libero/base/9/params", "pi05_libero/base/100/params"], ["pi05_libero/base/9", "pi05_libero/base/100"]),
    "isaaclab": (
        ["2026-01-01_00-00-00/model_0.pt", "2026-01-01_00-00-00/params/agent.yaml"],
        ["2026-01-01_00-00-00/model_0.pt"],
    ),
}
"""By trainer: the files in a run's folder, and which of them are checkpoints, oldest first."""


@pytest.mark.parametrize("preset", LEFT)
def test_a_preset_says_what_its_trainer_s_checkpoints_are(preset: str, tmp_path: Path) -> None:
    left, checkpoints = LEFT[preset]
    put(tmp_path, *left)
    found = find_checkpoints(str(tmp_path), load_preset(preset).checkpoints)
    assert [os.path.relpath(each.path, tmp_path) for each in found] == checkpoints
    assert all(each.usage.size >= 10_000 for each in found)


def test_no_link_is_followed_and_one_that_leads_to_a_checkpoint_belongs_to_it(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "checkpoints/000100/model")
    put(tmp_path / "run", "checkpoints/000200/model")
    (tmp_path / "run/checkpoints/last").symlink_to("000200")
    (tmp_path / "run/checkpoints/000300").symlink_to(tmp_path / "elsewhere/checkpoints/000100")
    (tmp_path / "run/more").symlink_to(tmp_path / "elsewhere")
    (found,) = find_checkpoints(str(tmp_path / "run"), ["checkpoints/[0-9]*", "checkpoints/last", "**/checkpoints/*"])
    assert found.path == str(tmp_path / "run/checkpoints/000200")
    assert found.links == (str(tmp_path / "run/checkpoints/last"),)
    assert measure(tmp_path / "run/more").size < 10_000


@pytest.mark.parametrize("pattern", ["../*", "/etc/*", "*", "**", "a//b", "{output_dir}/x", ""])
def test_a_pattern_that_could_match_anything_is_refused(pattern: str) -> None:
    with pytest.raises(UserError, match="checkpoints holds"):
        parse_preset(f'command = "train {{config}}"\ncheckpoints = ["{pattern}"]', "preset.toml")


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    put(tmp_path, "a")
    once = measure(tmp_path)
    os.link(tmp_path / "a", tmp_path / "b")
    assert measure(tmp_path) == once == Usage(once.size, 1)


# ------------------------------------------------------------------------------------------------------------ choosing


def candidate(
    name: str, end: float | None, *, group: str = "", state: RunState = RunState.FINISHED, **more: object
) -> Candidate:
    """Return a run with two checkpoints whose loss ended at `end`."""
    run = Run(
        id=name,
        loop=1,
        round=1,
        position=0,
        name=name,
        config_path="",
        source_path="",
        config_hash=name,
        group=group,
        state=state,
        summary=None if end is None else summary_of(curve(end, end, end, metric="loss")),
    )
    return Candidate(run, "scope", [Checkpoint(f"/{name}/1", Usage(5, 1)), Checkpoint(f"/{name}/2", Usage(7, 1))], **more)  # type: ignore[arg-type]


def kept(wish: str, *candidates: Candidate, metric: bool = True) -> dict[str, Choice]:
    judge = Judge([each.run for each in candidates], metric_book({"lower": ["loss"]}, "here"))
    rankings: dict[Hashable, Ranking] = {"scope": Ranking(judge, "loss")} if metric else {}
    return {each.run.id: each for each in choose(candidates, parse_wish(wish, "here"), rankings)}


def seeds(name: str, *ends: float) -> list[Candidate]:
    """Return runs of one config, one per seed."""
    return [candidate(f"{name}{number}", end, group=name) for number, end in enumerate(ends, 1)]


def lost(choices: dict[str, Choice]) -> dict[str, int]:
    return {name: len(choice.go) for name, choice in choices.items()}


BEST = (1.00, 1.02, 0.98, 1.01, 0.99)
WORSE = tuple(end + 1 for end in BEST)


def test_a_config_that_is_shown_to_be_worse_keeps_nothing_or_its_last() -> None:
    runs = [*seeds("a", *BEST), *seeds("b", *WORSE)]
    choices = kept("best 1 by loss", *runs)
    assert [len(choices[f"b{number}"].go) for number in range(1, 6)] == [2] * 5
    assert choices["b1"].why == "worse than best 1 by loss"
    choices = kept("best 1 by loss, last of all", *runs)
    assert [each.path for each in choices["b1"].stay] == ["/b1/2"]


def test_of_a_best_config_the_run_in_the_middle_keeps_all_and_the_others_their_last() -> None:
    choices = kept("best 1 by loss", *seeds("a", *BEST), *seeds("b", *WORSE))
    assert {name: count for name, count in lost(choices).items() if name[0] == "a"} == {
        "a1": 0,  # 1.00, neither the lowest nor the highest
        "a2": 1,
        "a3": 1,
        "a4": 1,
        "a5": 1,
    }
    assert choices["a1"].why == "best 1 by loss"


def test_a_config_that_may_still_be_as_good_keeps_the_last_of_each_run() -> None:
    choices = kept("best 1 by loss", *seeds("a", *BEST), *seeds("b", 1.00, 1.05), candidate("single", 1.03))
    assert [len(choices[name].go) for name in ("b1", "b2", "single")] == [1, 1, 1]
    assert "not shown to be worse than best 1 (not enough runs" in choices["single"].why


def test_a_tie_that_is_known_to_be_one_is_let_go_beyond_the_number() -> None:
    many = [1.0 + 0.01 * (number % 5) for number in range(80)]
    choices = kept("best 1 by loss", *seeds("a", *many), *seeds("b", *(end + 0.0001 for end in many)))
    assert choices["b1"].why == "no difference shown to best 1 by loss"
    assert not choices["b1"].stay


def test_without_replicates_nothing_is_worse_and_each_run_keeps_its_last() -> None:
    choices = kept("best 1 by loss", *(candidate(name, end) for name, end in (("a", 3.0), ("b", 1.0), ("c", 2.0))))
    assert lost(choices) == {"a": 1, "b": 0, "c": 1}
    assert choices["a"].why == "its last: not shown to be worse than best 1 (within the run only)"


def test_one_lucky_seed_does_not_make_a_config_the_best() -> None:
    """Config g has the lowest value of all, 1.0, but a mean of 4; h has the mean 2."""
    choices = kept("best 1 by loss", *seeds("g", 1.0, 7.0), *seeds("h", 1.9, 2.1))
    assert [name for name, choice in choices.items() if not choice.go] == ["h2"]


def test_what_may_be_trained_on_keeps_its_last() -> None:
    runs = [*seeds("a", *BEST), *seeds("b", *WORSE)]
    needs = [dataclasses.replace(each, needs_last="its last: --then may continue it") for each in runs]
    assert lost(kept("best 1 by loss", *needs))["b1"] == 1


def test_what_runs_what_has_won_and_the_best_stay_whatever_is_wished() -> None:
    runs = [
        candidate("running", 9.0, state=RunState.RUNNING),
        candidate("queued", 9.0, state=RunState.QUEUED),
        candidate("winner", 9.0, protected="it is the winner"),
        candidate("best", 1.0),
        candidate("failed", 0.1, state=RunState.FAILED),
    ]
    choices = kept("last of running", *runs)
    assert {name for name, choice in choices.items() if not choice.stay} == {"failed"}
    assert choices["running"].why == "it is running"


def test_nothing_goes_where_the_best_is_not_known() -> None:
    assert not any(choice.go for choice in kept("best 1 by loss", candidate("a", None), candidate("b", None)).values())
    assert not any(choice.go for choice in kept("best 1", candidate("a", 1.0), metric=False).values())


# --------------------------------------------------------------------------------------------------------------- trash


@pytest.fixture
def trash(tmp_path: Path) -> Trash:
    (tmp_path / ".autoloop").mkdir()
    return Trash(tmp_path / ".autoloop")


def test_what_was_thrown_away_can_be_put_back(tmp_path: Path, trash: Trash) -> None:
    put(tmp_path, "run/checkpoint-1/model", "run/ckpt.pt")
    batch, problems = trash.move(
        [(str(tmp_path / "run/checkpoint-1"), "r", 10_000), (str(tmp_path / "run/ckpt.pt"), "r", 10_000)]
    )
    assert problems == []
    assert os.listdir(tmp_path / "run") == []
    assert (batch.size, trash.usage().files) == (20_000, 2)
    back, problems = trash.put_back()
    assert (len(back), problems) == (2, [])
    assert (tmp_path / "run/checkpoint-1/model").read_bytes() == b"x" * 10_000
    assert trash.batches() == []
    assert os.listdir(trash.folder) == []
    with pytest.raises(UserError, match="The trash is empty"):
        trash.put_back()


def test_what_has_come_into_its_place_is_not_overwritten(tmp_path: Path, trash: Trash) -> None:
    put(tmp_path, "run/a", "run/b")
    trash.move([(str(tmp_path / "run/a"), "r", 1), (str(tmp_path / "run/b"), "r", 1)])
    (tmp_path / "run/a").write_text("new")
    back, (problem,) = trash.put_back()
    assert [os.path.basename(item.place) for item in back] == ["b"]
    assert "exists again" in problem
    assert (tmp_path / "run/a").read_text() == "new"
    (batch,) = trash.batches()
    assert [os.path.basename(item.place) for item in batch.items] == ["a"]


def test_batches_are_put_back_one_by_one_the_newest_first(tmp_path: Path, trash: Trash) -> None:
    put(tmp_path, "run/a", "run/b")
    trash.move([(str(tmp_path / "run/a"), "r", 1)])
    trash.move([(str(tmp_path / "run/b"), "r", 1)])
    trash.put_back()
    assert os.listdir(tmp_path / "run") == ["b"]


def test_only_what_is_old_enough_is_deleted(tmp_path: Path, trash: Trash) -> None:
    put(tmp_path, "run/old/model", "run/new")
    old, _ = trash.move([(str(tmp_path / "run/old"), "r", 10_000)])
    trash.move([(str(tmp_path / "run/new"), "r", 10_000)])
    written = trash.folder / f"{old.name}.json"
    document = msgspec.json.decode(written.read_bytes())
    written.write_bytes(msgspec.json.encode(document | {"at": document["at"] - 8 * 86400}))
    assert trash.empty(7.0) == (10_000, [])
    (left,) = trash.batches()
    assert [os.path.basename(item.place) for item in left.items] == ["new"]
    assert trash.empty() == (10_000, [])
    assert trash.batches() == []


def test_a_link_is_moved_as_a_link_and_what_it_leads_to_stays(tmp_path: Path, trash: Trash) -> None:
    put(tmp_path, "elsewhere/model")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/last").symlink_to(tmp_path / "elsewhere")
    trash.move([(str(tmp_path / "run/last"), "r", 0)])
    trash.empty()
    assert (tmp_path / "elsewhere/model").exists()
    assert os.listdir(tmp_path / "run") == []


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to write to")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def test_what_lies_on_another_disk_waits_there_and_is_not_copied(trash: Trash, other_disk: Path) -> None:
    put(other_disk, "run/checkpoint-1/model")
    inode = (other_disk / "run/checkpoint-1/model").stat().st_ino
    batch, problems = trash.move([(str(other_disk / "run/checkpoint-1"), "r", 10_000)])
    assert problems == []
    assert os.listdir(other_disk / "run") == [".autoloop-trash"]
    assert (Path(batch.items[0].kept) / "model").stat().st_ino == inode
    assert find_checkpoints(str(other_disk / "run"), ["checkpoint-*", "**/checkpoint-*"]) == []
    trash.put_back()
    assert os.listdir(other_disk / "run") == ["checkpoint-1"]


def test_a_project_that_was_moved_still_finds_what_it_threw_away(tmp_path: Path) -> None:
    put(tmp_path / "here", "run/a")
    (tmp_path / "here/.autoloop").mkdir()
    Trash(tmp_path / "here/.autoloop").move([(str(tmp_path / "here/run/a"), "r", 1)])
    (tmp_path / "here").rename(tmp_path / "there")
    Trash(tmp_path / "there/.autoloop").put_back()
    assert os.listdir(tmp_path / "there/run") == ["a"]


def test_a_command_that_was_killed_before_it_moved_anything_leaves_nothing_lost(tmp_path: Path, trash: Trash) -> None:
    """The batch is recorded first; what was not moved is still in its place."""
    put(tmp_path, "run/a", "run/b")
    trash.move([(str(tmp_path / "run/a"), "r", 1), (str(tmp_path / "run/b"), "r", 1)])
    (batch,) = trash.batches()
    os.rename(batch.items[1].kept, batch.items[1].place)
    back, problems = trash.put_back()
    assert ([os.path.basename(item.place) for item in back], problems) == (["a"], [])
    assert sorted(os.listdir(tmp_path / "run")) == ["a", "b"]
