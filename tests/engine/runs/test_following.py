"""All that a run writes is read while it trains, whether the kernel tells which file has changed or nothing at all."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from autoloop import file_watch
from autoloop.engine.runs import following
from autoloop.engine.runs.following import read_on
from autoloop.file_watch import FileWatch
from autoloop.metric_readers import Follower, follow
from autoloop.metric_readers.run_files import RunFiles
from watchfiles._rust_notify import RustNotify

from tests.metric_readers.builder import frame, new_row
from tests.support.waiting import eventually

ROWS = 400
RECORDS = [new_row({("train", "loss"): float(step)}, step) for step in range(ROWS)]
WHOLE = frame(RECORDS)


class Watched:
    """The follower of one folder, driven by a real watch as the engine does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.watch = FileWatch(self.said.append)
        self.watch.follow({"run": [folder]})
        self.follower = follow(folder)
        self.changes: list[file_watch.Changes] = []
        self.left = False

    def turn(self) -> None:
        due = self.watch.due()
        self.changes += due.values()
        if self.left or "run" in due:
            _, self.left = read_on(self.follower, None if self.left else due["run"])

    def until(self, condition: Callable[[], bool], what: str) -> None:
        def met() -> bool:
            self.turn()
            return condition()

        eventually(met, what)

    @property
    def read(self) -> list[float]:
        return read(self.follower)


def read(follower: Follower) -> list[float]:
    return list(follower.columns["train.loss"].values) if "train.loss" in follower.columns else []


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    watched.watch.close()


def wandb_file(folder: Path) -> Path:
    directory = folder / "wandb" / "offline-run-20260101_000000-abc"
    directory.mkdir(parents=True)
    return directory / "run-abc.wandb"


def write_in_pieces(path: Path, data: bytes) -> None:
    """As a trainer that flushes often: pieces end anywhere in a record, at any moment of the reader."""
    numbers = random.Random(0)
    with path.open("ab", buffering=0) as file:
        while data:
            size = numbers.randrange(1, 400)
            file.write(data[:size])
            data = data[size:]
            time.sleep(numbers.random() / 500)


def silent(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on only what the kernel tells is read."""
    monkeypatch.setattr(file_watch, "SWEEP", 1e6)
    quiet: list[float] = []

    def still() -> bool:
        due = watched.watch.due()
        quiet[:] = [] if due else [*quiet, time.monotonic()]
        return bool(quiet) and quiet[-1] - quiet[0] > 2 * file_watch.BLIND

    watched.until(still, "the watch of the folder")


def test_all_that_is_written_at_any_moment_is_read_by_what_the_kernel_tells_alone(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wandb_file(watched.folder)
    path.write_bytes(WHOLE[:200])
    silent(watched, monkeypatch)
    watched.changes.clear()
    writer = threading.Thread(target=write_in_pieces, args=(path, WHOLE[200:]))
    writer.start()
    watched.until(lambda: len(watched.read) == ROWS, "the last row")
    writer.join()
    assert watched.read == [float(step) for step in range(ROWS)]
    assert frozenset([str(path)]) in watched.changes
    # Another logger's file and a second segment come while only files that grow are looked at.
    (watched.folder / "metrics.csv").write_text("step,val_loss\n1,0.5\n")
    watched.until(lambda: "val_loss" in watched.follower.columns, "the new file")
    with (watched.folder / "metrics.csv").open("a") as file:
        file.write("2,0.25\n")
    watched.until(lambda: len(watched.follower.columns["val_loss"]) == 2, "a row of the new file")
    again = path.parent.with_name("run-20260101_000500-abc") / path.name
    again.parent.mkdir()
    again.write_bytes(frame([new_row({("train", "loss"): -1.0}, ROWS)]))

    def written_again() -> bool:  # it goes on writing: a folder that was just made may not be watched yet
        again.touch()
        return watched.read[-1] == -1.0

    watched.until(written_again, "the second segment")


def test_rows_between_looking_at_a_file_and_reading_it_are_read_now_or_when_they_are_told(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wandb_file(watched.folder)
    path.write_bytes(frame(RECORDS[:10]))
    silent(watched, monkeypatch)
    from autoloop.metric_readers.tail import Tail

    rest = iter(frame(RECORDS[: count + 1])[len(frame(RECORDS[:count])) :] for count in range(10, 25))
    real = Tail.look

    def look(tail: Tail) -> bool:
        found = real(tail)
        if tail.path == path and (piece := next(rest, None)) is not None:
            with path.open("ab", buffering=0) as file:
                file.write(piece)
        return found

    monkeypatch.setattr(Tail, "look", look)
    with path.open("ab", buffering=0) as file:
        file.write(next(rest))
    watched.until(lambda: len(watched.read) == 25, "the last row")
    assert watched.read == [float(step) for step in range(25)]


def test_a_history_that_is_longer_than_one_turn_reads_is_read_on(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wandb_file(watched.folder)
    path.write_bytes(frame(RECORDS[:1]))
    silent(watched, monkeypatch)
    monkeypatch.setattr(following, "READING", 0.0)
    many = frame([new_row({("train", "loss"): float(step)}, step) for step in range(20_000)])
    assert len(many) > 4 * following.SIP
    with path.open("ab", buffering=0) as file:
        file.write(many[path.stat().st_size :])
    watched.until(lambda: len(watched.read) == 20_000, "the last row")


def test_files_that_cannot_be_a_source_cause_no_search_and_hide_none(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = wandb_file(watched.folder)
    path.write_bytes(frame(RECORDS[:10]))
    names = ["wandb/x/files/output.log", "wandb/x/logs/debug.log", "model.ckpt", "checkpoints/9/model.ckpt"]
    others = [watched.folder / name.replace("x", path.parent.name, 1) for name in names]
    undecided, hidden, link = (watched.folder / name for name in ("rows.csv", "rows.data", "late.csv"))
    for each in others:
        each.parent.mkdir(parents=True, exist_ok=True)
    for each in (*others, undecided):
        each.touch()
    silent(watched, monkeypatch)
    searches: list[RunFiles] = []
    real = RunFiles.look

    def look(files: RunFiles) -> dict[str, list[Path]]:
        searches.append(files)
        return real(files)

    monkeypatch.setattr(RunFiles, "look", look)

    def write(*paths: Path) -> None:
        for each in paths:
            with each.open("a") as file:
                file.write("x\n")

    def not_searched(*written: Path) -> bool:
        """Whether no search follows a report on writing, as it should be once the folders have been the same for a while."""
        searches.clear()
        watched.changes.clear()
        write(*written)
        named = {str(each) for each in written}
        watched.until(lambda: named <= {name for changes in watched.changes for name in changes or ()}, "the report")
        return not searches

    for each in others:
        eventually(partial(not_searched, each), f"no search for {each}")
    size, many = path.stat().st_size, frame(RECORDS)
    with path.open("ab") as file:
        file.write(many[size:])
    write(*others)
    watched.until(lambda: len(watched.read) == ROWS, "the rows")
    undecided.write_text("step,val_loss\n1,0.5\n")
    watched.until(lambda: "val_loss" in watched.follower.columns, "a file that turns out to have metrics")
    hidden.write_text("step,far_loss\n1,0.5\n")
    link.symlink_to(hidden.name)
    watched.until(lambda: "far_loss" in watched.follower.columns, "the link")
    eventually(lambda: not_searched(path), "no search")

    def written_under_its_own_name() -> bool:
        with hidden.open("a") as file:
            file.write("2,0.25\n")
        watched.turn()
        return len(watched.follower.columns["far_loss"]) > 1

    eventually(written_under_its_own_name, "a row under the name of the file that a link names")


class Deaf:
    """Asks the kernel and drops all that it tells, as an overloaded queue does."""

    def __init__(self, *options: Any) -> None:
        self.real = RustNotify(*options)

    def __enter__(self) -> None:
        self.real.__enter__()

    def __exit__(self, *why: Any) -> None:
        self.real.__exit__(*why)

    def watch(self, *options: Any) -> Any:
        changes = self.real.watch(*options)
        return set() if isinstance(changes, set) else changes


def test_what_the_kernel_drops_is_read_at_the_next_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watchfiles._rust_notify.RustNotify", Deaf)
    monkeypatch.setattr(file_watch, "SWEEP", 0.5)
    watched = Watched(tmp_path)
    path = wandb_file(tmp_path)
    path.write_bytes(WHOLE[:200])
    watched.until(lambda: bool(watched.read), "the first rows")
    writer = threading.Thread(target=write_in_pieces, args=(path, WHOLE[200:]))
    writer.start()
    watched.until(lambda: len(watched.read) == ROWS, "the last row")
    writer.join()
    watched.watch.close()
    assert watched.read == [float(step) for step in range(ROWS)]
    assert set(watched.changes) == {None}
