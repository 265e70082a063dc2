"""Invariants of an ended loop, whatever happened to its engines, supervisors and trainers."""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

from autoloop import reports
from autoloop.model import Attempt, Loop, LoopState, ProposalStatus, RunState
from autoloop.settings import Settings

from tests.engine.processes import seen, span, states
from tests.engine.project import EngineProject


def promises_kept(project: EngineProject, loop: Loop, asked: Collection[str] = ()) -> None:
    """Assert what is true of every finished loop, even if runs failed, were stopped or were lost.

    `asked`: the runs that were asked to end, and may have been waiting for an attempt.
    """
    assert project.state(loop).state is LoopState.FINISHED, (project.state(loop).reason, project.story(loop))
    every_run_has_one_result(project, loop, asked)
    attempts = project.store.loop_attempts(loop.id)

    # No output directory was used twice: the trainer refuses an existing one.
    directories = [attempt.output_dir for attempt in attempts]
    assert len(set(directories)) == len(directories)
    for attempt in attempts:
        log = Path(attempt.directory) / "log.txt"
        assert not log.exists() or "FileExistsError" not in log.read_text(), attempt

    no_slot_was_shared(attempts)
    proposals_became_runs_once(project, loop)

    # No process is left.
    assert project.left_over() == []

    # The reports are complete, and writing them again gives the same files.
    folder = project.folder / "reports"
    reported = [run for run in project.runs(loop) if run.summary is not None and run.summary.metrics]
    assert {run.output_dir for run in reported} <= set(project.summary())
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(before) == {"autorun_summary.json", "report.md"}
    assert reports.write_summary(project.store, loop.id) is None
    assert reports.write_markdown(project.store, loop.id, Settings().loop_book(project.state(loop).spec)) is None
    assert {path.name: path.read_text() for path in folder.iterdir()} == before

    with closing(sqlite3.connect(project.store.places.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def every_run_has_one_result(project: EngineProject, loop: Loop, asked: Collection[str] = ()) -> None:
    """Assert that each run ends once, in the state of its last attempt, and that each end is reported once."""
    told = Counter(event.run for event in project.store.events(loop.id) if event.kind == "run ended")
    for run in project.runs(loop):
        attempts = project.store.attempts(run.id)
        assert run.state.ended, run
        assert run.slot is None
        assert run.attempts == len(attempts)
        assert all(attempt.result is not None and attempt.ended_at is not None for attempt in attempts)
        assert told[run.id] == len(attempts) or (told[run.id] > len(attempts) and run.id in asked)
        assert [attempt.result for attempt in attempts].count(RunState.FINISHED) == (run.state is RunState.FINISHED)
        if run.id not in asked or run.state is not RunState.STOPPED:
            assert attempts[-1].result == run.state.value
        if run.state is RunState.FINISHED:
            assert run.output_dir == attempts[-1].output_dir
            assert run.summary is not None
            assert run.summary.metrics["train/l1_loss"].last == 1.0
        else:
            assert run.reason


def no_slot_was_shared(attempts: list[Attempt]) -> None:
    spans: dict[int, list[tuple[float, float]]] = {}
    for attempt in attempts:
        if (Path(attempt.directory) / "start.json").exists():
            spans.setdefault(attempt.slot, []).append(span(attempt))
    for taken in spans.values():
        for earlier, later in itertools.pairwise(sorted(taken)):
            assert earlier[1] <= later[0]


def proposals_became_runs_once(project: EngineProject, loop: Loop) -> None:
    proposals, runs = project.proposals(loop), project.runs(loop)
    launched = {p.run: p for p in proposals if p.status is ProposalStatus.LAUNCHED}
    assert len(launched) == sum(p.status is ProposalStatus.LAUNCHED for p in proposals)
    assert set(launched) == {run.id for run in runs if run.round > 1}
    last = max(run.round for run in runs)
    for run in runs:
        if run.round > 1:
            assert (launched[run.id].id, launched[run.id].base_run) == (run.proposal, run.base_run)
        by_rule = [p for p in proposals if p.base_run == run.id and p.author.by_rules]
        judged = run.state is RunState.FINISHED and run.round < last
        assert len(by_rule) == judged, (run, by_rule)


def nothing_is_lost_or_done_twice(project: EngineProject, loop: Loop, count: int, slots: int) -> None:
    """Assert the result of a two-round loop in which all runs are good and only engines were killed."""
    ended = project.state(loop)
    assert ended.state is LoopState.FINISHED, (ended.reason, project.story(loop))
    first, second = project.runs(loop, 1), project.runs(loop, 2)
    assert (len(first), len(second)) == (count, count)
    assert states([*first, *second]) == [RunState.FINISHED] * count * 2
    attempts = project.store.loop_attempts(loop.id)

    # Each run has exactly one attempt that counts; all others never started or were lost.
    finished = Counter(attempt.run for attempt in attempts if attempt.result == "finished")
    assert finished == {run.id: 1 for run in [*first, *second]}
    assert all(attempt.result is not None and attempt.ended_at is not None for attempt in attempts)
    for run in [*first, *second]:
        assert run.summary is not None
        assert run.summary.metrics["train/l1_loss"].last == 1.0
        assert (run.attempts, run.slot) == (len(project.store.attempts(run.id)), None)

    assert {attempt.slot for attempt in attempts if (Path(attempt.directory) / "start.json").exists()} == set(range(slots))
    promises_kept(project, loop)

    # No proposal was lost or launched twice.
    proposals = project.proposals(loop)
    assert [proposal.status for proposal in proposals] == [ProposalStatus.LAUNCHED] * count
    assert {proposal.base_run for proposal in proposals} == {run.id for run in first}
    assert {proposal.run: proposal.base_run for proposal in proposals} == {run.id: run.base_run for run in second}
    assert [seen(run)["config"]["lr"] for run in second] == [2.0] * count
