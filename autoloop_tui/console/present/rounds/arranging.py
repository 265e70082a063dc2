"""The arrangement of runs in the table: replicates below their config, variants below their base. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec
from autoloop.metrics.seeds import config_name, mean_summary
from autoloop.model import Run, RunState

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.present.rounds.rows import RunRow


class Place(NamedTuple):
    """A row, and the tree lines before its name. `member`: it is a replicate of the config above it."""

    row: RunRow
    stem: str = ""
    member: bool = False


def by_config(rows: Iterable[RunRow]) -> list[RunRow]:
    """Return the rows in order, with those of a round that differ only in the seed merged into one at the first's place."""
    groups: dict[object, list[RunRow]] = {}
    for row in rows:
        run = row.run
        groups.setdefault((run.loop, run.round, run.group) if run.group else run.id, []).append(row)
    found: list[RunRow] = []
    for group in groups.values():
        several = len({row.run.config_hash for row in group}) > 1  # otherwise they are repetitions of the same training
        found += [config_row(group)] if several else group
    return found


def config_row(members: Sequence[RunRow]) -> RunRow:
    """Return one row for replicates: the origin is that of the first, the results are means."""
    first, runs = members[0], [row.run for row in members]
    finished = [run.summary for run in runs if run.state is RunState.FINISHED and run.summary]
    started = [run.started_at for run in runs if run.started_at is not None]
    ended = [run.ended_at for run in runs if run.ended_at is not None]
    run = msgspec.structs.replace(
        first.run,
        name=config_name(first.run),
        state=_state(runs),
        step=min(each.step for each in runs),
        attempts=max(each.attempts for each in runs),
        summary=mean_summary(finished) if finished else None,
        started_at=min(started, default=None),
        ended_at=max(ended) if len(ended) == len(runs) else None,
        reason=next((each.reason for each in runs if each.state in (RunState.FAILED, RunState.LOST)), None),
    )
    return RunRow(run, first.loop, first.base, first.proposal, first.origin, tuple(members))


def _state(runs: Sequence[Run]) -> RunState:
    states = {run.state for run in runs}
    order = (RunState.RUNNING, RunState.STOPPING, RunState.QUEUED, RunState.FINISHED, RunState.FAILED)
    return next((state for state in order if state in states), runs[0].state)


def unfolded(rows: Iterable[RunRow], open_: Collection[str], glyphs: Glyphs) -> list[Place]:
    """Return the places of the rows; each config in `open_` (by key) is followed by its runs."""
    found = []
    for row in rows:
        found.append(Place(row))
        if row.key in open_:
            found += [Place(member, f"{glyphs.of('└', '`')} ", member=True) for member in row.members]
    return found


def tree(rows: Iterable[RunRow], open_: Collection[str], glyphs: Glyphs) -> list[Place]:
    """Return each row below its base if that is among the rows, oldest first; replicates of an open config come before its
    variants. `rows`: those of a round in order of creation."""
    rows = sorted(rows, key=lambda row: (row.run.loop, row.run.round))
    of_run = {member.run.id: row for row in rows for member in (row.members or (row,))}
    below: dict[str, list[RunRow]] = {}
    roots = []
    for row in rows:
        parent = of_run.get(row.run.base_run or "")
        if parent is None or parent is row:
            roots.append(row)
        else:
            below.setdefault(parent.key, []).append(row)
    branch, last, down = (glyphs.of(*pair) for pair in (("├ ", "|-"), ("└ ", "`-"), ("│ ", "| ")))
    found: list[Place] = []
    waiting = [(Place(row), "") for row in reversed(roots)]
    while waiting:
        place, under = waiting.pop()
        row = place.row
        found.append(place)
        members = row.members if row.key in open_ else ()
        children = [*members, *below.pop(row.key, ())]
        for at in range(len(children) - 1, -1, -1):
            ends = at == len(children) - 1
            child = Place(children[at], under + (last if ends else branch), member=at < len(members))
            waiting.append((child, under + ("  " if ends else down)))
    shown = {id(place.row) for place in found}  # rows in a cycle of bases are in no tree
    return found + [Place(row) for row in rows if id(row) not in shown]
