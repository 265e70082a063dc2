"""Engines, supervisors and trainers get signals at random times, in loops of 3 rounds with 8 runs."""

from __future__ import annotations

import random
import signal
from collections import Counter
from contextlib import closing

import pytest
from autoloop.protocol import Approve, Propose, Stop

from tests.engine.project import EngineProject
from tests.engine.promises import promises_kept
from tests.faults.killing import Target, plan

pytestmark = pytest.mark.faults

KILL = (signal.SIGKILL,)


Numbers = tuple[int, ...]


def survive(
    project: EngineProject, chance: random.Random, number: int, targets: tuple[str, ...], signals: Numbers, *, console: bool
) -> None:
    """Run loops one after another until every fault has been delivered; check all invariants after each."""
    planned = plan(chance, number, targets, signals)
    print(f"  {len(planned)} faults: {', '.join(map(str, planned[:6]))}{' …' if len(planned) > 6 else ''}")
    loops = 0
    while planned:
        with closing(Target(project, chance, console=console)) as target:
            target.hit_by(planned)
            target.finish()
            promises_kept(project, target.loop)
            if target.console:
                commands_done_once(project, target)
            loops += 1
    attempts = Counter(a.result for loop in project.store.loops() for a in project.store.loop_attempts(loop.id))
    print(f"  delivered {number} over {loops} loops; attempts: {dict(attempts)}; console: {console}")


def commands_done_once(project: EngineProject, target: Target) -> None:
    """Assert that each command of the console took effect once if answered so, and not at all if refused or still open."""
    assert target.console is not None
    made = Counter(p.edits[0] for p in project.proposals(target.loop) if p.author.name == "console")
    wanted: Counter[str] = Counter()
    for number, request in target.console.sent.items():
        command = project.store.command(number)
        assert command.answer is None or "bug in Auto Loop" not in command.answer, command
        if isinstance(request, Propose) and command.ok:
            wanted[request.variants[0].edits[0]] += 1
        if isinstance(request, Approve | Stop):
            assert not command.ok
    assert made == wanted


@pytest.mark.seeds(10)
def test_engines_killed_at_any_instant(project: EngineProject, seed: int) -> None:
    survive(project, random.Random(f"{seed} engines"), 30, ("engine",), KILL, console=seed % 2 == 0)


@pytest.mark.seeds(2)
def test_supervisors_killed_at_any_instant(project: EngineProject, seed: int) -> None:
    survive(project, random.Random(f"{seed} supervisors"), 30, ("supervisor",), KILL, console=seed % 2 == 0)


@pytest.mark.seeds(2)
def test_engine_and_supervisor_killed_together(project: EngineProject, seed: int) -> None:
    survive(project, random.Random(f"{seed} both"), 30, ("engine and supervisor",), KILL, console=seed % 2 == 0)


@pytest.mark.seeds(2)
def test_trainers_killed_at_any_instant(project: EngineProject, seed: int) -> None:
    survive(project, random.Random(f"{seed} trainers"), 30, ("trainer",), KILL, console=seed % 2 == 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGSTOP], ids=lambda n: n.name)
@pytest.mark.parametrize("target", ["engine", "supervisor", "trainer"])
@pytest.mark.seeds(1)
def test_other_signals(project: EngineProject, target: str, number: int, seed: int) -> None:
    survive(project, random.Random(f"{seed} {target} {number}"), 15, (target,), (number,), console=True)


@pytest.mark.seeds(4)
def test_everything_at_once(project: EngineProject, seed: int) -> None:
    signals = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP, signal.SIGHUP)
    targets = ("engine", "engine", "supervisor", "trainer", "engine and supervisor")
    survive(project, random.Random(f"{seed} all"), 60, targets, signals, console=seed % 2 == 0)
