"""`autorun_summary.json`: in the format that users' scripts read, merged and never lost."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from autoloop.model import Run, Summary
from autoloop.reports import write_runs, write_summary
from autoloop.reports.summary_json import merge
from autoloop.store import Store

from tests.reports.loops import add_loop, add_run, summary
from tests.support.waiting import PATIENCE


def read(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def write_run(store: Store, run: Run) -> str | None:
    return write_runs(store, run.loop, [run])


def test_an_entry_has_the_original_s_shape(store: Store, folder: Path) -> None:
    loop = add_loop(store, folder)
    run = add_run(store, "a", summary=summary(train__l1_loss=0.5))
    assert write_run(store, run) is None
    entry = read(Path(loop.spec.summary_out))["/out/loop_1/0_a"]
    assert set(entry) == {"train/l1_loss", "steps"}
    assert entry["steps"] == 2
    original = {"first": 2.0, "last": 0.5, "best": 0.5, "best_step": 2, "delta": -1.5, "pct": -75.0}
    assert original.items() <= entry["train/l1_loss"].items()


def test_runs_are_added_to_what_is_there_and_others_entries_stay_as_they_were(store: Store, folder: Path) -> None:
    path = Path(add_loop(store, folder).spec.summary_out)
    path.parent.mkdir(parents=True)
    others = {"outputs/train/loop_1/0_old": {"train/loss": {"first": 1, "odd": [None, "ü"]}, "steps": 7}, "note": 5}
    path.write_text(json.dumps(others))
    for name in "ab":
        assert write_run(store, add_run(store, name)) is None
    assert list(read(path)) == [*others, "/out/loop_1/0_a", "/out/loop_1/0_b"]
    assert others.items() <= read(path).items()


def test_a_run_written_again_replaces_its_own_entry_only(store: Store, folder: Path) -> None:
    path = Path(add_loop(store, folder).spec.summary_out)
    write_run(store, add_run(store, "a"))
    write_run(store, add_run(store, "b"))
    write_run(store, add_run(store, "a", summary=summary(train__l1_loss=0.1)))
    assert [entry["train/l1_loss"]["last"] for entry in read(path).values()] == [0.1, 0.5]


def test_nothing_is_written_for_a_run_that_never_started(store: Store, folder: Path) -> None:
    loop = add_loop(store, folder)
    assert write_run(store, add_run(store, "a", summary=None, output_dir=None)) is None
    assert write_summary(store, loop.id) is None
    assert not Path(loop.spec.summary_out).exists()


def test_a_run_without_metrics_has_an_entry_with_its_steps(store: Store, folder: Path) -> None:
    path = Path(add_loop(store, folder).spec.summary_out)
    write_run(store, add_run(store, "a", summary=Summary(steps=3)))
    assert read(path) == {"/out/loop_1/0_a": {"steps": 3}}


def test_the_whole_file_can_be_made_anew_from_the_store(store: Store, folder: Path) -> None:
    loop = add_loop(store, folder)
    path = Path(loop.spec.summary_out)
    for name in "abc":
        write_run(store, add_run(store, name))
    before = path.read_text()
    path.unlink()
    assert write_summary(store, loop.id) is None
    assert path.read_text() == before


@pytest.mark.parametrize(
    "content", [b"", b'{"torn": {"train/lo', b"[1, 2]", b"null", b"\xff\xfe\x00", b"[" * 100_000], ids=range(6)
)
def test_a_file_that_cannot_be_understood_is_set_aside_and_named(store: Store, folder: Path, content: bytes) -> None:
    path = Path(add_loop(store, folder).spec.summary_out)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    said = write_run(store, add_run(store, "a"))
    (aside,) = [other for other in path.parent.iterdir() if other != path]
    assert said is not None
    assert aside.name in said
    assert str(path) in said
    assert aside.read_bytes() == content
    assert list(read(path)) == ["/out/loop_1/0_a"]


def test_a_second_unreadable_file_does_not_overwrite_the_first_that_was_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    for content in ("first", "second", "third"):
        path.write_text(content)
        assert merge(path, {"x": {}})
    kept = [other.read_text() for other in tmp_path.iterdir() if other != path]
    assert sorted(kept) == ["first", "second", "third"]


@pytest.mark.parametrize("odd", ["NaN", "-Infinity", '"\\ud800"', "1" * 4000])
def test_what_others_wrote_is_kept_even_where_it_is_odd(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "summary.json"
    path.write_text(f'{{"old": {{"last": {odd}}}}}')
    before = json.dumps(json.loads(path.read_text())["old"])
    assert merge(path, {"new": {"steps": 1}}) is None
    assert json.dumps(read(path)["old"]) == before
    assert read(path)["new"] == {"steps": 1}


def test_a_target_that_cannot_be_written_is_said_and_not_raised(store: Store, folder: Path, tmp_path: Path) -> None:
    path = Path(add_loop(store, folder).spec.summary_out)
    run = add_run(store, "a")
    folder.write_text("a file where a folder should be")
    said = write_run(store, run)
    assert said is not None
    assert str(path) in said
    assert "\n" not in said
    folder.unlink()
    path.mkdir(parents=True)  # a folder in place of the file
    assert str(path) in (write_run(store, run) or "")
    assert [other.name for other in path.parent.iterdir()] == [path.name]


def test_readers_never_meet_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    merge(path, {f"run {number}": {"steps": number, "text": "x" * 1000} for number in range(200)})
    reader = path.open(encoding="utf-8")
    first = reader.read(100)
    merge(path, {"more": {}})
    with reader:
        assert len(json.loads(first + reader.read())) == 200
    assert len(read(path)) == 201
    assert list(tmp_path.iterdir()) == [path]


def add_entries(path: Path, who: str) -> None:
    for number in range(40):
        merge(path, {f"{who}{number}": {"steps": number}})


def test_entries_larger_than_what_is_held_at_once_are_added_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    entries: dict[str, dict[str, Any]] = {
        f'run {number} \u00fc"': {"text": "x" * (30_000 + 7 * number)} for number in range(12)
    }
    for key, entry in entries.items():
        assert merge(path, {key: entry}) is None
    assert list(read(path).items()) == list(entries.items())
    for key in list(entries)[::5]:
        entries[key] = {"steps": 1}
        assert merge(path, {key: entries[key]}) is None
    assert list(read(path).items()) == list(entries.items())


def test_two_loops_that_write_at_once_lose_no_entry(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=add_entries, args=(path, who)) for who in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(PATIENCE)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(read(path)) == 120


def test_a_summary_behind_a_link_is_replaced_where_it_is_and_keeps_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "real.json"
    target.parent.mkdir()
    target.write_text("{}")
    target.chmod(0o640)
    link = tmp_path / "autorun_summary.json"
    link.symlink_to(target)
    assert merge(link, {"a": 1}) is None
    assert link.is_symlink()
    assert json.loads(target.read_text()) == {"a": 1}
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in target.parent.iterdir()] == ["real.json"]
