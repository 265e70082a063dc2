"""Which checkpoints are kept and which may go, and why. No I/O: runs and what they left in, choices out."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from autoloop.keeping.checkpoints import Checkpoint
from autoloop.keeping.wish import Wish
from autoloop.metrics import Direction
from autoloop.model import Run, RunState


@dataclass(frozen=True)
class Candidate:
    """A run and its checkpoints, the oldest first. `scope`: equal for the runs among which the best are chosen.
    `protected`: why nothing of it may go, whatever is wished."""

    run: Run
    scope: Hashable
    checkpoints: Sequence[Checkpoint]
    protected: str | None = None


class Choice(NamedTuple):
    """What becomes of one run: the checkpoints that `go`, those that stay, and why these stay."""

    run: Run
    go: list[Checkpoint]
    stay: list[Checkpoint]
    why: str


def choose(candidates: Sequence[Candidate], wish: Wish, metrics: Mapping[Hashable, tuple[str, Direction]]) -> list[Choice]:
    """`metrics`: by scope, the canonical name of the metric by which its best runs are chosen and which direction is better.
    Of a scope without one, or of which no finished run has it, nothing goes: its best are not known."""
    best: dict[str, str] = {}
    unknown: set[Hashable] = set()
    by_scope: dict[Hashable, list[Run]] = defaultdict(list)
    for each in candidates:
        by_scope[each.scope].append(each.run)
    for scope, runs in by_scope.items():
        ranked = _ranked(runs, *metrics[scope]) if scope in metrics else []
        unknown |= set() if ranked else {scope}
        # Whatever is wished, the best of all stays.
        kept = enumerate(ranked[: max(1, wish.best)], 1)
        best |= {run.id: f"best {place} by {wish.metric or metrics[scope][0]}" for place, run in kept}
    return [_choice(each, wish, best, unknown) for each in candidates]


def _choice(each: Candidate, wish: Wish, best: Mapping[str, str], unknown: Collection[Hashable]) -> Choice:
    checkpoints = list(each.checkpoints)
    why = best.get(each.run.id) or each.protected
    if not each.run.state.ended:
        why = f"it is {each.run.state.value}"
    elif why is None and each.scope in unknown:
        why = "which of its runs is the best is not known"
    if why is not None:
        return Choice(each.run, [], checkpoints, why)
    kept = checkpoints[-1:] if wish.last else []
    return Choice(each.run, checkpoints[: len(checkpoints) - len(kept)], kept, "its last" if kept else "")


def _ranked(runs: Sequence[Run], metric: str, good: Direction) -> list[Run]:
    """The best run of each config, the best config first: by the mean over the finished runs that differ in nothing but the
    seed, so that one lucky seed does not decide. A run's value is the mean of the last fifth of its points."""
    groups: dict[str, list[tuple[float, Run]]] = defaultdict(list)
    for run in runs:
        reached = run.summary.metrics.get(metric) if run.summary else None
        if run.state is RunState.FINISHED and run.summary and reached is not None:
            value = -reached.tail_mean if good == "high" else reached.tail_mean
            finite = metric not in run.summary.not_finite
            groups[run.group or run.config_hash or run.id].append((value if finite else math.inf, run))
    means = {group: math.fsum(value for value, _ in members) / len(members) for group, members in groups.items()}
    ordered = sorted(groups, key=lambda group: means[group])
    return [min(groups[group], key=lambda member: member[0])[1] for group in ordered]
