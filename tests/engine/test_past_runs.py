"""The past runs that an engine keeps for verdicts match the store, whatever happens between two reads."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from autoloop.engine.base.past_runs import PastRuns
from autoloop.metrics import default_book
from autoloop.metrics.summary import summarise
from autoloop.model import Loop, Run, RunState, Series
from autoloop.store import Store, StoreUnavailableError

from tests.engine.project import EngineProject


@pytest.fixture
def loop(project: EngineProject) -> Loop:
    return project.loop([project.config("a"), project.config("b")])


def finish(store: Store, run: Run, **metrics: float) -> Run:
    rows = {name: Series(steps=array("q", [0]), values=array("d", [value])) for name, value in metrics.items()}
    summary = summarise(rows, default_book())
    finished = msgspec.structs.replace(run, state=RunState.FINISHED, summary=summary)
    store.put_run(finished)
    return finished


def test_runs_that_changed_are_read_again_with_the_metrics_that_were_asked_for(project: EngineProject, loop: Loop) -> None:
    past = PastRuns(project.store, loop.id)
    assert [run.state for run in past.by(["loss"])] == [RunState.QUEUED] * 2
    finish(project.store, project.store.runs(loop.id)[1], loss=0.5, other=1.0)
    first, second = past.by(["loss"])
    assert (first.state, second.state) == (RunState.QUEUED, RunState.FINISHED)
    assert second.summary is not None
    assert set(second.summary.metrics) == {"train/loss"}
    (_, second) = past.by(["other"])
    assert second.summary is not None
    assert set(second.summary.metrics) == {"train/loss", "other"}


def test_a_read_that_fails_is_done_again(project: EngineProject, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    past = PastRuns(project.store, loop.id)
    whole = project.store.each_changed

    def torn(*asked: Any) -> tuple[int, Iterator[tuple[int, Run]]]:
        last, rows = whole(*asked)

        def one() -> Iterator[tuple[int, Run]]:
            yield next(rows)
            raise StoreUnavailableError("the disk is away")

        return last, one()

    with monkeypatch.context() as patch:
        patch.setattr(project.store, "each_changed", torn)
        with pytest.raises(StoreUnavailableError):
            past.by([])
    assert len(past.by([])) == 2


def test_a_change_that_was_undone_is_forgotten(project: EngineProject, loop: Loop) -> None:
    store, past = project.store, PastRuns(project.store, loop.id)
    first, second = store.runs(loop.id)
    with suppress(KeyboardInterrupt), store.transaction():
        finish(store, first, loss=0.5)
        assert past.by(["loss"])[0].state is RunState.FINISHED
        raise KeyboardInterrupt
    finish(store, second, loss=0.7)
    assert [run.state for run in past.by(["loss"])] == [RunState.QUEUED, RunState.FINISHED]
