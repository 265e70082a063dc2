"""`disk`: the disk usage of runs, the checkpoints that [keep] frees, and restoring them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autoloop.model import Outcome, Run, RunState, Standing
from autoloop.store import Store

from tests.cli.conftest import Call
from tests.cli.past_loops import PastLoop, curve, open_store
from tests.cli.project import CommandProject

KEEP = '[keep]\ncheckpoints = "{}"\n'
PRESET = '[trainer]\ncommand = "{python} train.py {config} {output_dir}"\ncheckpoints = ["checkpoint-[0-9]*"]\n'


def checkpoints(run: Run, *steps: int) -> None:
    for step in steps:
        folder = Path(run.output_dir or "") / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "model").write_bytes(b"x" * 100_000)


def left(project: CommandProject) -> set[str]:
    """Return the checkpoints in the runs' folders, as `name/step`."""
    found = (project.folder / "outputs").rglob("checkpoint-*")
    return {f"{path.parent.name.split('_')[0]}/{path.name.removeprefix('checkpoint-')}" for path in found}


def settings(project: CommandProject, keep: str, more: str = "") -> None:
    (project.folder / "autoloop.toml").write_text(PRESET + KEEP.format(keep) + more)


@pytest.fixture
def loop(project: CommandProject) -> CommandProject:
    """Four configs whose losses end at 4, 1, 2 and 3, and a running one. The best has five seeds, one with checkpoints."""
    settings(project, "best 1 by eval_loss")
    with open_store(project.folder) as store:
        loop = PastLoop(store, preset="autoloop.toml")
        (project.folder / ".autoloop/loops/loop_1").mkdir(parents=True)
        (project.folder / ".autoloop/loops/loop_1/preset.toml").write_text(PRESET)
        for name, end in (("d", 4.0), ("a", 1.0), ("b", 2.0), ("c", 3.0)):
            checkpoints(loop.add(name, curve(5.0, end, end, end), group=name), 100, 200)
        for end in (0.99, 0.995, 1.005, 1.01):
            loop.add("seed", curve(5.0, end, end, end), group="a")
        checkpoints(loop.add("running", curve(9.0), state=RunState.RUNNING), 100)
    return project


ALL = {"a/100", "a/200", "b/100", "b/200", "c/100", "c/200", "d/100", "d/200", "running/100"}


def document(call: Call, *words: str) -> Any:
    said = call("disk", *words, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_usage_is_shown_by_loop_and_run(loop: CommandProject, call: Call) -> None:
    (found,) = document(call)["loops"]
    assert found["loop"] == "loop_1"
    assert found["size"] > found["checkpoints_size"] >= 9 * 100_000
    held = {run["name"]: run["checkpoints"] for run in found["runs"]}
    assert held == {"a": 2, "b": 2, "c": 2, "d": 2, "running": 1, "seed": 0}
    said = call("disk").out
    assert "loop_1" in said
    assert "2: 205 kB" in said
    assert "are free on this disk" in said


def test_a_dry_run_shows_what_would_go_and_moves_nothing(loop: CommandProject, call: Call) -> None:
    found = document(call, "--free")
    assert found["size"] >= 6 * 100_000
    assert {run["name"]: (len(run["go"]), run["why"]) for run in found["runs"]} == {
        "a": (0, "best 1 by eval_loss"),
        "b": (2, "worse than best 1 by eval_loss"),
        "c": (2, "worse than best 1 by eval_loss"),
        "d": (2, "worse than best 1 by eval_loss"),
        "running": (0, "it is running"),
        "seed": (0, "its last: another seed of best 1 by eval_loss"),
    }
    assert found["note"] is None
    assert "6 checkpoints would go to the trash: 614 kB" in call("disk", "--free").out
    assert left(loop) == ALL


def test_what_goes_waits_in_the_trash_and_comes_back(loop: CommandProject, call: Call) -> None:
    said = call("disk", "--free", "--exec")
    assert said.code == 0, said.err
    assert "Moved 6 checkpoints (614 kB) to the trash" in said.out
    assert left(loop) == {"a/100", "a/200", "running/100"}
    assert document(call)["trash"] >= 6 * 100_000
    assert "No checkpoint can go to the trash." in call("disk", "--free", "--exec").out
    assert "Put back 6 checkpoints (614 kB)." in call("disk", "--undo").out
    assert left(loop) == ALL
    assert document(call)["trash"] == 0


def test_programs_get_what_was_done_as_json(loop: CommandProject, call: Call) -> None:
    moved = document(call, "--free", "--exec")
    assert moved["moved"] == moved["trash"] >= 6 * 100_000
    assert document(call, "--undo") == {"schema": "freed/1", "put_back": moved["moved"], "problems": []}
    call("disk", "--free", "--exec")
    assert document(call, "--empty") == {"schema": "freed/1", "deleted": moved["moved"], "problems": []}


def test_the_trash_is_emptied_when_its_days_are_over_or_at_once(loop: CommandProject, call: Call) -> None:
    call("disk", "--free", "--exec")
    assert document(call, "--free", "--exec")["deleted"] == 0
    settings(loop, "best 1 by eval_loss", "trash_days = 0\n")
    assert document(call, "--free", "--exec")["deleted"] >= 6 * 100_000
    assert call("disk", "--undo").code == 2
    settings(loop, "last of all")
    checkpoints(next(iter(runs(loop))), 300, 400)
    call("disk", "--free", "--exec")
    assert "Deleted" in call("disk", "--empty").out
    assert document(call)["trash"] == 0


def runs(project: CommandProject) -> list[Run]:
    with project.open_store() as store:
        return store.runs(1)


def change(project: CommandProject, name: str, **fields: Any) -> None:
    with Store.open(project.folder) as store:
        run = next(run for run in store.runs(1) if run.name == name)
        store.put_run(msgspec.structs.replace(run, **fields))


def test_a_loop_s_winner_keeps_its_checkpoints(loop: CommandProject, call: Call) -> None:
    with Store.open(loop.folder) as store:
        winner = next(run.id for run in store.runs(1) if run.name == "d")
        store.put_loop(msgspec.structs.replace(store.loop(1), winner=winner))
    call("disk", "--free", "--exec")
    assert left(loop) == {"a/100", "a/200", "d/100", "d/200", "running/100"}


def test_the_run_that_a_loop_s_outcome_puts_first_keeps_its_checkpoints(loop: CommandProject, call: Call) -> None:
    with Store.open(loop.folder) as store:
        standing = Standing(run=next(run.id for run in store.runs(1) if run.name == "c"), value=3.0, runs=1)
        found = Outcome(metric="eval_loss", statistic="tail mean", highest=False, baseline=standing, first=standing)
        store.put_loop(msgspec.structs.replace(store.loop(1), outcome=found))
    call("disk", "--free", "--exec")
    assert left(loop) == {"a/100", "a/200", "c/100", "c/200", "running/100"}


def test_last_of_all_leaves_each_run_the_one_to_continue_from(loop: CommandProject, call: Call) -> None:
    settings(loop, "last of all")
    call("disk", "--free", "--exec")
    assert left(loop) == {"a/100", "a/200", "b/200", "c/200", "d/200", "running/100"}


def test_the_best_are_those_of_each_loop_or_of_the_project(loop: CommandProject, call: Call) -> None:
    with open_store(loop.folder) as store:
        other = PastLoop(store, 2, preset=str(loop.folder / "autoloop.toml"))
        for name, end in (("e", 0.5), ("f", 0.7), ("g", 9.0)):
            checkpoints(other.add(name, curve(5.0, end, end, end)), 100)
        lowest = next(run for run in store.runs(1) if run.summary and run.summary.metrics["eval_loss"].last == 0.99)
        checkpoints(lowest, 100)

    def stay(over: str) -> set[str]:
        settings(loop, "best 2 by eval_loss", f'over = "{over}"\n')
        return {run["name"] for run in document(call, "--free")["runs"] if run["stay"]}

    # In loop 2, no config has two seeds, so g is not known to be worse.
    assert stay("loop") == {"a", "b", "seed", "e", "f", "g", "running"}
    assert "loop_2: within the run only" in document(call, "--free")["note"]
    assert "within the run only" in call("disk", "--free").out
    # The best run of each loop always keeps its checkpoints.
    assert stay("project") == {"e", "f", "seed", "running"}


def test_a_run_outside_the_project_is_touched_only_if_its_folder_is_named(
    loop: CommandProject, call: Call, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    (loop.folder / "outputs").rename(scratch)
    (loop.folder / "outputs").symlink_to(scratch)
    assert all("outside" in run["why"] for run in document(call, "--free")["runs"] if run["name"] in "bcd")
    call("disk", "--free", "--exec")
    assert len(list(scratch.rglob("checkpoint-*"))) == 9
    assert call("disk", "--free", "--exec", "--outside", str(scratch)).code == 0
    assert len(list(scratch.rglob("checkpoint-*"))) == 3
    assert call("disk", "--undo").code == 0
    assert len(list(scratch.rglob("checkpoint-*"))) == 9


def test_a_run_that_goes_on_again_is_not_touched(loop: CommandProject, call: Call) -> None:
    change(loop, "b", state=RunState.QUEUED, resume=True)
    call("disk", "--free", "--exec")
    assert left(loop) == {"a/100", "a/200", "b/100", "b/200", "running/100"}


@pytest.mark.parametrize(
    ("keep", "words", "sentence"),
    [
        (None, ["--free"], "does not say what to keep"),
        ("best 3 by nothing", ["--free"], "no run has the metric nothing"),
        ("best", ["--free"], '"best" is not a valid clause'),
        ("best 1 by eval_loss", ["--exec"], "separate actions"),
        ("best 1 by eval_loss", ["--free", "--undo"], "separate actions"),
        ("best 1 by eval_loss", ["--free", "--outside", "nowhere"], "There is no folder nowhere"),
        ("best 1 by eval_loss", ["--undo"], "The trash is empty"),
    ],
)
def test_a_slip_is_one_sentence(loop: CommandProject, call: Call, keep: str | None, words: list[str], sentence: str) -> None:
    if keep is None:
        (loop.folder / "autoloop.toml").write_text(PRESET)
    else:
        settings(loop, keep)
    said = call("disk", *words)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert left(loop) == ALL


def test_a_preset_that_knows_no_checkpoints_says_what_to_write(loop: CommandProject, call: Call) -> None:
    os.unlink(loop.folder / ".autoloop/loops/loop_1/preset.toml")
    (loop.folder / "autoloop.toml").write_text('[trainer]\ncommand = "train {config}"\n' + KEEP.format("best 1"))
    said = call("disk", "--free")
    assert said.code == 2
    assert 'checkpoints = ["checkpoint-*"]' in said.err
