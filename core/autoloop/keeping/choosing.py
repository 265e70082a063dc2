"""Choose which checkpoints to keep and which to remove, with the reasons. No I/O.

Verdicts decide, not single values: a config beyond the best N loses all its checkpoints only if it has been shown to be
worse than the N-th, or if no difference between the two has been shown, so that it is no better than those kept. Until then,
each of its runs keeps its last checkpoint. Without replicates nothing can be shown, and each finished run keeps its last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from autoloop.keeping.checkpoints import Checkpoint
from autoloop.keeping.wish import KeepPolicy
from autoloop.model import Call, Run, RunState
from autoloop.verdicts import Judge, NoiseGap
from autoloop.verdicts.wording import WITHIN_RUN, short


@dataclass(frozen=True)
class Candidate:
    """A run and its checkpoints, oldest first. `scope`: equal for the runs among which the best are chosen. `protected`: why
    all its checkpoints must stay, regardless of the wish. `needs_last`: why its last checkpoint must stay."""

    run: Run
    scope: Hashable
    checkpoints: Sequence[Checkpoint]
    protected: str | None = None
    needs_last: str | None = None


class Choice(NamedTuple):
    """The decision on one run: the checkpoints to remove (`go`), those to keep (`stay`), and why."""

    run: Run
    go: list[Checkpoint]
    stay: list[Checkpoint]
    why: str


@dataclass(frozen=True)
class Ranking:
    """How the configs of a scope are ranked. `judge`: for their runs; `metric`: canonical name."""

    judge: Judge
    metric: str

    @property
    def lacking(self) -> NoiseGap | None:
        """Why the noise between seeds is unknown, so that no config is known to be better than another; None if it is
        known."""
        return self.judge.lacking(self.metric) if self.judge.noise(self.metric) is None else None


class Keep(Enum):
    ALL = "all"
    LAST = "last"
    NONE = "none"


Place = tuple[Keep, str]
"""How many checkpoints of a run to keep, and why."""


def choose(candidates: Sequence[Candidate], wish: KeepPolicy, rankings: Mapping[Hashable, Ranking]) -> list[Choice]:
    """Decide for each candidate. `rankings`: by scope. In a scope without a ranking, or without a finished run that has the
    metric, all checkpoints stay, because the best runs are unknown."""
    places: dict[str, Place] = {}
    by_scope: dict[Hashable, list[Run]] = defaultdict(list)
    for each in candidates:
        by_scope[each.scope].append(each.run)
    for scope, runs in by_scope.items():
        ranked = _places(runs, wish, rankings[scope]) if scope in rankings else {}
        places |= ranked or {run.id: (Keep.ALL, "which of its runs is the best is unknown") for run in runs}
    return [_choice(each, wish, places.get(each.run.id, (Keep.NONE, _unranked(each.run)))) for each in candidates]


def _unranked(run: Run) -> str:
    return "it has no value of the metric" if run.state is RunState.FINISHED else f"it has {run.state.value}"


def _choice(each: Candidate, wish: KeepPolicy, place: Place) -> Choice:
    checkpoints = list(each.checkpoints)
    keep, why = place
    if keep is not Keep.ALL and each.protected:
        keep, why = Keep.ALL, each.protected
    if not each.run.state.ended:
        keep, why = Keep.ALL, f"it is {each.run.state.value}"
    if keep is Keep.NONE and (each.needs_last or wish.last):
        keep, why = Keep.LAST, each.needs_last or "its last"
    if keep is Keep.ALL:
        return Choice(each.run, [], checkpoints, why)
    stay = checkpoints[-1:] if keep is Keep.LAST else []
    return Choice(each.run, checkpoints[: len(checkpoints) - len(stay)], stay, why)


def _places(runs: Sequence[Run], wish: KeepPolicy, ranking: Ranking) -> dict[str, Place]:
    """The places of the finished runs that have the metric. The best config always stays, regardless of the wish."""
    judge, metric, number = ranking.judge, ranking.metric, max(1, wish.best)
    by_id = {run.id: run for run in runs}
    standings = [each for each in judge.standings(metric).values() if each.run in by_id]
    ordered = sorted(standings, key=lambda each: each.value, reverse=judge.book.direction(metric) == "high")
    name = wish.metric or metric
    places: dict[str, Place] = {}
    for place, standing in enumerate(ordered, 1):
        first = by_id[standing.run]
        members = _members(first, runs, metric)
        if place <= number:
            middle = members[len(members) // 2]
            places |= {run.id: (Keep.LAST, f"its last: another seed of best {place} by {name}") for run in members}
            places[middle.id] = (Keep.ALL, f"best {place} by {name}")
            continue
        verdict = judge.between(first, by_id[ordered[number - 1].run], metric)
        if verdict is not None and verdict.call in (Call.WORSE, Call.NO_DIFFERENCE):
            why = "worse than" if verdict.call is Call.WORSE else "no difference shown to"
            place_: Place = (Keep.NONE, f"{why} best {number} by {name}")
        else:
            place_ = (
                Keep.LAST,
                f"its last: not shown to be worse than best {number} ({short(verdict) if verdict else '–'})",
            )
        places |= {run.id: place_ for run in members}
    return places


def _members(first: Run, runs: Sequence[Run], metric: str) -> list[Run]:
    """The finished runs of a config that have the metric, in ascending order of their values."""
    key = first.group or first.config_hash
    found = [
        (reached.tail_mean, run.id, run)
        for run in runs
        if run.state is RunState.FINISHED
        and (run.group or run.config_hash) == key
        and run.summary
        and (reached := run.summary.metrics.get(metric))
    ]
    return [run for _, _, run in sorted(found, key=lambda each: each[:2])]


def note_of(within: Mapping[str, NoiseGap]) -> str | None:
    """A note on the scopes with unknown noise, and its consequence; None if there are none. `within`: the reasons by the
    scope's name."""
    if not within:
        return None
    scopes: dict[NoiseGap, list[str]] = defaultdict(list)
    for name, why in within.items():
        scopes[why].append(name)
    whys = "; ".join(f"{', '.join(names)}: {WITHIN_RUN}, since {why}" for why, names in scopes.items())
    advice = "see whether the seed reaches the trainer (`try`)" if [*scopes] == [NoiseGap.SPREAD] else MORE_SEEDS
    return (
        f"{whys}. So no config there is known to be worse than another, and each finished run keeps its last checkpoint; "
        f"{advice}."
    )


MORE_SEEDS = "`run --seeds 3` or `calibrate` lets more go"
