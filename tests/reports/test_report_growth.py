"""The amount that the Markdown report reads grows with the runs, not with runs times rounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.metrics import MetricBooks
from autoloop.model import Run
from autoloop.reports import render
from autoloop.store import Store

from bench.past_loop import past_loop

PER_ROUND = 4


def reads(project: Path, rounds: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """Return how often each run of a loop with this many rounds is read for its report."""
    project.mkdir()
    read: list[Run] = []
    asked = Store.runs

    def runs(store: Store, loop: int, round_: int | None = None) -> list[Run]:
        found = asked(store, loop, round_)
        read.extend(found)
        return found

    with past_loop(project, rounds, PER_ROUND) as store, monkeypatch.context() as patched:
        patched.setattr(Store, "runs", runs)
        assert f"### Round {rounds}" in render(store, 1, MetricBooks().of([]))
    return len(read) / (rounds * PER_ROUND)


def test_a_run_is_read_as_often_in_a_long_loop_as_in_a_short_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few, many = (reads(tmp_path / str(rounds), rounds, monkeypatch) for rounds in (5, 30))
    assert many <= few + 1
    assert many <= 3
