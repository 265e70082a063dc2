"""Loops on other machines, with faults of everything around them according to a plan drawn from a seed.

Each kind of place has a subclass. Each fault is a method that returns whether it found something to hit, and that arranges
for its damage to be repaired later.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from autoloop.model import Run, RunState
from autoloop.protocol import Kill, Request, Stop
from autoloop.runners import procfs

from tests.engine.project import EngineProject
from tests.engine.promises import promises_kept
from tests.faults.killing import Target
from tests.support.project import marked
from tests.support.senders import person
from tests.support.waiting import PATIENCE
from tests.support.witness import truth_is_told

IMPATIENT = (str(Path(__file__).with_name("impatient_engine.py")),)
"""An engine that waits less long for a silent Slurm."""

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Blow:
    """One fault after a pause. `which` selects the target and `lasts` the duration, both from 0 to 1."""

    kind: str
    pause: float
    which: float
    lasts: float


def blows(chance: random.Random, number: int, kinds: Mapping[str, int], *, longest: float = 1.5) -> list[Blow]:
    """Draw faults before anything runs. `kinds`: relative frequencies; `longest`: the longest pause in seconds."""
    drawn = chance.choices(list(kinds), list(kinds.values()), k=number)
    return [Blow(kind, chance.uniform(0, chance.choice((0.1, longest))), chance.random(), chance.random()) for kind in drawn]


class Storm(Target):
    """One loop, and the faults that hit it."""

    KINDS: ClassVar[dict[str, int]] = {"engine_killed": 4, "run_stopped": 1, "run_killed": 1, "trainer_killed": 2}
    LONGEST = 4.0

    def __init__(self, project: EngineProject, chance: random.Random, witness: Path) -> None:
        self.witness = witness
        super().__init__(project, chance)
        self.asked: set[str] = set()
        """The runs that were asked to stop."""
        self.killed: set[str] = set()
        """The attempts whose trainers were killed."""
        self.hit: Counter[str] = Counter()
        self._mends: list[tuple[float, Callable[[], object]]] = []

    def behaviour(self, chance: random.Random) -> dict[str, Any]:
        return {**super().behaviour(chance), "witness": str(self.witness)}

    # ------------------------------------------------------------------------------------------------------- the course

    def rage(self, planned: list[Blow]) -> None:
        """Deliver faults, taking them from the front of the list, until there are none left or the loop has finished."""
        deadline = time.monotonic() + 4 * PATIENCE
        while planned and not self.over:
            assert time.monotonic() < deadline, self.project.story(self.loop)[-8:]
            self._pass(planned[0].pause)
            if self._strike(planned[0]):
                self.hit[planned.pop(0).kind] += 1

    def calm(self) -> None:
        """Repair everything and let the loop end; then every invariant must be true."""
        while self._mends:
            self._mends.pop(0)[1]()
        self.finish()
        promises_kept(self.project, self.loop, self.asked)
        truth_is_told(self.project, self.loop, self.witness, self.asked, self.killed)

    def _strike(self, blow: Blow) -> bool:
        hit: bool = getattr(self, blow.kind)(blow)
        return hit

    def _pass(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            self.awake()
            due = [mend for mend in self._mends if mend[0] <= time.monotonic()]
            for mend in due:
                self._mends.remove(mend)
                mend[1]()
            if time.monotonic() >= until:
                return
            time.sleep(0.02)

    def later(self, seconds: float, mend: Callable[[], object]) -> None:
        self._mends.append((time.monotonic() + seconds, mend))
        self._mends.sort(key=lambda each: each[0])

    # ------------------------------------------------------------------------------------------------ faults of any place

    def engine_killed(self, blow: Blow) -> bool:
        engine = self.awake()
        seen = procfs.process(engine.pid)
        if seen is None or not procfs.send(engine.pid, seen.start_time, signal.SIGKILL):
            return False
        engine.wait(PATIENCE)
        return True

    def run_stopped(self, blow: Blow) -> bool:
        return self._ask(blow, lambda run: Stop(run=run.id))

    def run_killed(self, blow: Blow) -> bool:
        return self._ask(blow, lambda run: Kill(run=run.id))

    def _ask(self, blow: Blow, request: Callable[[Run], Request]) -> bool:
        states = (RunState.QUEUED, RunState.RUNNING)
        if not (run := self.one(blow, [run for run in self.project.runs(self.loop) if run.state in states])):
            return False
        self.asked.add(run.id)
        self.project.store.send(self.loop.id, request(run), person("ada"))
        return True

    def trainer_killed(self, blow: Blow) -> bool:
        found = self.one(blow, sorted(marked(self.project.store.loop_attempts(self.loop.id)), key=lambda each: each[0]))
        if found is None:
            return False
        pid, attempt = found
        self.killed.add(attempt.id)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    @staticmethod
    def one(blow: Blow, things: list[Thing]) -> Thing | None:
        return things[int(blow.which * len(things))] if things else None
