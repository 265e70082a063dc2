"""The W&B runs of a folder are listed again only if there may be something new."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
from autoloop.metric_readers import find, run_files
from autoloop.metric_readers.find import WandbFolder, wandb_runs
from autoloop.metric_readers.run_files import RunFiles


class Clock:
    """A replacement for `time`."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(find, "time", fake)
    return fake


def test_whatever_comes_is_found_and_nothing_is_listed_without_a_change(tmp_path: Path, clock: Clock) -> None:
    folder, root = WandbFolder(tmp_path), tmp_path / "wandb"
    assert folder.look() == []
    run = root / "offline-run-20261122_080000-a"
    steps: list[Callable[[], object]] = [
        lambda: run.mkdir(parents=True),
        lambda: (run / "run-a.wandb").touch(),
        lambda: (run / "files").mkdir(),
        lambda: (run / "files" / "wandb-summary.json").touch(),
        lambda: (root / "run-20261122_090000-a").mkdir(),
        lambda: (root / "run-20261122_090000-a" / "run-a.wandb").touch(),
        lambda: (root / "autoloop-tap-b.jsonl").touch(),
        lambda: (run / "run-a.wandb").unlink(),
    ]
    for step in steps:
        step()
        found = folder.look()
        assert found == wandb_runs(tmp_path)
        clock.now += 3
        settled = folder.look()
        assert settled == found
        assert folder.look() is settled
    assert [files.run_id for files in found] == ["a", "b"]


def test_a_file_that_leaves_no_new_time_stamp_is_found(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file server whose time stamps are whole seconds and whose clock is an hour behind."""
    monkeypatch.setattr(find, "stamp_of", lambda path: (1, 1_700_000_000) if path.exists() else ())
    run = tmp_path / "wandb" / "offline-run-20261122_080000-a"
    run.mkdir(parents=True)
    folder = WandbFolder(tmp_path)
    assert folder.look() == []
    clock.now += 0.5
    (run / "run-a.wandb").touch()
    clock.now += 3
    assert [files.run_id for files in folder.look()] == ["a"]


def test_so_is_one_of_another_logger(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_files, "time", clock)
    monkeypatch.setattr(run_files, "stamp_of", lambda path: (1, 1_700_000_000) if path.exists() else ())
    files = RunFiles(tmp_path)
    assert files.look()["csv"] == []
    clock.now += 0.5
    (tmp_path / "metrics.csv").write_text("step,loss\n1,0.5\n")
    clock.now += 3
    assert files.look()["csv"] == [tmp_path / "metrics.csv"]
    found = files.look()
    assert files.look() is found  # a folder unchanged for long enough is not listed again


def test_folders_that_cannot_be_listed_for_a_while_are_looked_through_later(tmp_path: Path, clock: Clock) -> None:
    run = tmp_path / "wandb" / "offline-run-20261122_080000-a"
    run.mkdir(parents=True)
    (run / "run-a.wandb").touch()
    folder = WandbFolder(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        for _ in range(3):
            assert folder.look() == []
            clock.now += 3
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            os.listdir(run)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [files.run_id for files in folder.look()] == ["a"]
