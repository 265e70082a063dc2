"""Texts on runs and proposals that the reports share. They are plain text: each report does its own escaping."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from autoloop.model import Note, Proposal, ProposalStatus, Run
from autoloop.text.number_column import NumberColumn
from autoloop.text.values import NOTHING, number


def metric_column(runs: Sequence[Run], key: str) -> NumberColumn:
    """The number format of a column with the last values of a metric."""
    found = [run.summary.metrics[key].last for run in runs if run.summary and key in run.summary.metrics]
    return NumberColumn.of(found)


def metric_text(run: Run, base: Run | None, key: str, column: NumberColumn) -> str:
    """The last value, and in brackets its relative change from the base run's."""
    mine = run.summary.metrics.get(key) if run.summary else None
    if mine is None:
        return NOTHING
    theirs = base.summary.metrics.get(key) if base and base.summary else None
    if theirs is None:
        return column.text(mine.last).strip()
    if theirs.last == 0 or abs(mine.last / theirs.last) >= 100:
        return f"{column.text(mine.last).strip()} (from {number(theirs.last)})"
    return f"{column.text(mine.last).strip()} ({(mine.last - theirs.last) / abs(theirs.last):+.1%})"


def decision_text(proposal: Proposal) -> str:
    """`rejected by ada: diverged before`, `approved by policy, run in round 2`."""
    ran = proposal.status is ProposalStatus.LAUNCHED and proposal.for_round
    text = "approved" if ran else "stopped" if proposal.status is ProposalStatus.DONE else proposal.status.value
    if proposal.decided_by and not (proposal.live and proposal.decided_by.by_rules):
        text += f" by {proposal.decided_by}"
    if ran:
        text += f", run in round {proposal.round + 1}"
    elif proposal.run:
        text += f", run {proposal.run}"
    if proposal.blocked or proposal.note:
        text += f": {proposal.blocked or proposal.note}"
    return text


def note_text(note: Note, names: Mapping[str, str]) -> str:
    """`run base (h5ktqxph), agent:codex, 2026-01-02 09:30: it diverges`; `names`: run names by id."""
    named = f"run {names[note.about]} ({note.about})" if note.about in names else note.where
    return f"{named}, {note.author}, {day(note.at)}: {note.text}"


def day(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
