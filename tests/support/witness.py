"""Notes that trainers write themselves, to a folder unknown to the product, compared with what the product reports.

If a config names such a folder as `witness`, the tests' trainer holds the lock of its run while it lives, and notes when it
began and when it finished its work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from autoloop.engine.runs.retries import NODES_LOST
from autoloop.model import Attempt, Loop, Run, RunState, TakenKind

from tests.engine.project import EngineProject


@dataclass(frozen=True)
class Note:
    at: float
    run: str
    attempt: str
    what: str


def notes(folder: Path) -> list[Note]:
    try:
        lines = (folder / "notes").read_text().splitlines()
    except FileNotFoundError:
        return []
    parts = [line.split(" ", 3) for line in lines]
    return [Note(float(at), run, attempt, what) for at, run, attempt, what in parts]


def truth_is_told(project: EngineProject, loop: Loop, folder: Path, asked: Collection[str], killed: Collection[str]) -> None:
    """Assert that nothing is lost, duplicated or misreported.

    `asked`: the runs that were asked to end; `killed`: the attempts whose trainers were killed.
    """
    attempts = {attempt.id: attempt for attempt in project.store.loop_attempts(loop.id)}
    noted = [note for note in notes(folder) if note.attempt in attempts]
    known = {attempt.id for attempt in project.attempts()}
    assert {note.attempt for note in notes(folder)} <= known

    # No run was worked on twice at the same time, and no attempt ran twice.
    assert not [note for note in noted if note.what == "began beside another"]
    assert not [note for note, times in Counter((n.attempt, n.what) for n in noted).items() if times > 1]
    ended = {note.attempt for note in noted if note.what == "ended"}
    for run in project.runs(loop):
        of_run = [attempt for attempt in attempts.values() if attempt.run == run.id]
        for attempt in of_run:
            # No attempt was repeated although it was known to be complete, and every attempt reported as complete is.
            if done(attempt):
                assert attempt.id in ended, (run, attempt)
                assert (attempt.id, attempt.result) == (of_run[-1].id, RunState.FINISHED), (run, attempt)
            if attempt.unstarted:
                assert attempt.id not in {note.attempt for note in noted}, (run, attempt)
        told_rightly(run, of_run, asked, killed)


def done(attempt: Attempt) -> bool:
    return attempt.exit is not None and attempt.exit.code == 0 and attempt.exit.stopped_by is None


def told_rightly(run: Run, attempts: list[Attempt], asked: Collection[str], killed: Collection[str]) -> None:
    """Assert that a run that has not finished has the right state: no trainer of these tests fails unless it is killed."""
    taken = Counter(attempt.taken.kind for attempt in attempts if attempt.taken)
    if run.state is RunState.STOPPED:
        assert run.id in asked or taken[TakenKind.CANCELLED], (run, attempts)
    elif run.state is RunState.FAILED:
        assert attempts[-1].id in killed, (run, attempts)
    elif run.state is not RunState.FINISHED:
        assert run.state is RunState.LOST, (run, attempts)
        assert taken[TakenKind.NODE_LOST] >= NODES_LOST, (run, attempts)
