"""What must be true of a loop of two rounds once it has ended, whatever happened to its engines."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

from autoloop import reports
from autoloop.metrics import default_book
from autoloop.model import Loop, LoopState, ProposalStatus, RunState

from tests.engine.processes import seen, span, states
from tests.engine.project import Project


def nothing_is_lost_or_done_twice(project: Project, loop: Loop, count: int, slots: int) -> None:
    ended = project.state(loop)
    assert ended.state is LoopState.FINISHED, (ended.reason, project.story(loop))
    first, second = project.runs(loop, 1), project.runs(loop, 2)
    assert (len(first), len(second)) == (count, count)
    assert states([*first, *second]) == [RunState.FINISHED] * count * 2
    attempts = project.store.loop_attempts(loop.id)

    # Each run has exactly one counted result; any further attempt never started or was lost.
    finished = Counter(attempt.run for attempt in attempts if attempt.result == "finished")
    assert finished == {run.id: 1 for run in [*first, *second]}
    assert all(attempt.result is not None and attempt.ended_at is not None for attempt in attempts)
    for run in [*first, *second]:
        assert run.summary is not None
        assert run.summary.metrics["train/l1_loss"].last == 1.0
        assert (run.attempts, run.slot) == (len(project.store.attempts(run.id)), None)

    # No output directory was used twice.
    directories = [attempt.output_dir for attempt in attempts]
    assert len(set(directories)) == len(directories)

    # No slot was shared.
    spans: dict[int, list[tuple[float, float]]] = {}
    for attempt in attempts:
        if (Path(attempt.directory) / "start.json").exists():
            spans.setdefault(attempt.slot, []).append(span(attempt))
    assert set(spans) == set(range(slots))
    for taken in spans.values():
        for earlier, later in itertools.pairwise(sorted(taken)):
            assert earlier[1] <= later[0]

    # No proposal was lost or launched twice.
    proposals = project.proposals(loop)
    assert [proposal.status for proposal in proposals] == [ProposalStatus.LAUNCHED] * count
    assert {proposal.base_run for proposal in proposals} == {run.id for run in first}
    assert {proposal.run: proposal.base_run for proposal in proposals} == {run.id: run.base_run for run in second}
    assert [seen(run)["config"]["lr"] for run in second] == [2.0] * count

    # No process is left.
    assert project.left_over() == []

    # The reports are complete, and come out the same when made anew.
    folder = project.folder / "reports"
    assert {run.output_dir for run in [*first, *second]} <= set(project.summary())
    before = (folder / "report.md").read_text()
    assert reports.write_markdown(project.store, loop.id, default_book()) is None
    assert (folder / "report.md").read_text() == before
    assert not list(folder.glob("*.unreadable-*"))
