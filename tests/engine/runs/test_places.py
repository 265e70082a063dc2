"""How the engine handles news from a place other than this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from autoloop.engine import Engine
from autoloop.explaining import Explainer
from autoloop.model import LOCAL, Attempt, ExitRecord, RunState
from autoloop.protocol import Stop
from autoloop.runners.runner import (
    Acceptance,
    AttemptExit,
    AttemptLoss,
    AttemptSpec,
    CommandStart,
    End,
    News,
    OngoingAttempt,
    PlaceWait,
)
from autoloop.runners.slurm import case
from autoloop.store import take_snapshot

from tests.engine.project import EngineProject


class Elsewhere:
    """A place whose news is supplied by the test; it starts nothing."""

    gpus = loads = None

    def __init__(self, end: End | None = None) -> None:
        self.trouble: str | None = None
        self.told: list[News] = []
        self.submitted: list[Attempt] = []
        self.stopped: list[tuple[str, bool]] = []
        self.reattached: list[str] = []
        self.end = end
        self._wake = os.eventfd(0, os.EFD_NONBLOCK)

    def submit(self, attempt: Attempt, spec: AttemptSpec, env: Mapping[str, str]) -> dict[str, Any] | None:
        self.submitted.append(attempt)
        assert attempt.id == spec.attempt_id
        assert "PATH" in env
        return None

    def tell(self, *news: News) -> None:
        self.told += news
        os.eventfd_write(self._wake, 1)

    def reattach(self, attempt: Attempt) -> OngoingAttempt | End:
        self.reattached.append(attempt.id)
        return self.end or OngoingAttempt(attempt.handle, "elsewhere")

    def stop(self, attempt: Attempt, *, kill: bool) -> None:
        self.stopped.append((attempt.id, kill))
        self.tell((attempt.id, AttemptExit(ExitRecord(signal=15, stopped_by="stop"))))

    def fileno(self) -> int:
        return self._wake

    def news(self) -> list[News]:
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        told, self.told = self.told, []
        return told

    def any_left(self) -> bool:
        return bool(self.submitted)

    def close(self) -> None:
        """Do nothing: the test may inspect it afterwards."""


def at(engine: Engine, place: Elsewhere) -> None:
    engine.execution.runners = {LOCAL: place}
    engine.execution._selector.register(place.fileno(), 1)  # noqa: SLF001


def test_a_run_waits_begins_and_ends_as_its_place_tells(project: EngineProject) -> None:
    loop, place = project.loop([project.config("a")]), Elsewhere()
    with project.driven(loop, lambda engine: at(engine, place)):
        run = project.until(lambda: place.submitted and project.runs(loop)[0])
        (attempt,) = place.submitted
        assert (run.state, run.waits) == (RunState.RUNNING, None)
        assert project.attempts()[0].started_at is None

        place.tell((attempt.id, Acceptance({"job": 7})), (attempt.id, PlaceWait("other jobs have priority")))
        project.until(lambda: project.runs(loop)[0].waits == "other jobs have priority")
        assert project.attempts()[0].handle == {"job": 7}

        place.trouble = "the place has not answered since noon"
        project.until(lambda: project.state(loop).unreachable)
        assert project.state(loop).unreachable == {LOCAL: place.trouble}
        place.trouble = None

        place.tell((attempt.id, CommandStart(1000.0, "n3")))
        run = project.until(lambda: (run := project.runs(loop)[0]).waits is None and run)
        assert run.started_at == project.attempts()[0].started_at == 1000.0
        assert project.attempts()[0].node == "n3"
        assert f"a ({run.id}) runs on n3" in project.story(loop)
        project.until(lambda: project.state(loop).unreachable == {})

        place.tell((attempt.id, PlaceWait("it exited with code 1; waiting for Slurm to say why")))
        project.until(lambda: project.runs(loop)[0].waits)
        told = Explainer(take_snapshot(project.store, loop.id), [], driven=True, now=1010.0).run(project.runs(loop)[0])
        (wait,) = (wait for wait in told.waits if wait.resource == LOCAL)
        assert (wait.why, wait.since) == ("it exited with code 1; waiting for Slurm to say why", None)
        longest = f"{case.FAILING:.0f} s have passed ({case.CLEARING / 60:.0f} minutes if a signal or others ended it)"
        assert wait.ends == f"{LOCAL} says why it ended, or {longest}"

        (Path(attempt.directory) / "log.txt").parent.mkdir(parents=True, exist_ok=True)
        (Path(attempt.directory) / "log.txt").write_text("End of training\n")
        place.tell((attempt.id, AttemptExit(ExitRecord(code=0, ended_at=1010.0))), ("another", PlaceWait("unknown here")))
        project.until(lambda: project.runs(loop)[0].state is RunState.FINISHED)


def test_what_was_never_started_is_queued_again_and_what_vanished_is_lost(project: EngineProject) -> None:
    loop, place = project.loop([project.config("a")]), Elsewhere()
    with project.driven(loop, lambda engine: at(engine, place)):
        project.until(lambda: place.submitted)
        Path(place.submitted[0].directory).mkdir(parents=True, exist_ok=True)
        place.tell((place.submitted[0].id, AttemptLoss("it never started", started=False)))
        project.until(lambda: len(place.submitted) == 2)
        place.tell((place.submitted[1].id, AttemptLoss("the machine n3 was lost")))
        run = project.until(lambda: (run := project.runs(loop)[0]).state is RunState.LOST and run)
        assert run.reason == "the machine n3 was lost"


def test_an_engine_takes_over_what_a_place_still_has(project: EngineProject) -> None:
    loop, first, second = project.loop([project.config("a")]), Elsewhere(), Elsewhere()
    with project.driven(loop, lambda engine: at(engine, first)):
        project.until(lambda: first.submitted)
        first.tell((first.submitted[0].id, PlaceWait("for its turn")))
        project.until(lambda: project.runs(loop)[0].waits)
    with project.driven(loop, lambda engine: at(engine, second)) as driven:
        project.until(lambda: second.reattached)
        assert project.runs(loop)[0].waits == "for its turn"
        driven.done(Stop())
        project.until(lambda: project.runs(loop)[0].state is RunState.QUEUED)
        assert second.stopped == [(first.submitted[0].id, False)]
        assert project.runs(loop)[0].waits is None
