"""Count the outcomes: what each rule would have done, what that saves and what it would have cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NotRequired, TypedDict

from autoloop.backtest.intervals import Rate, RateDocument
from autoloop.backtest.outcome import Ending, Outcome
from autoloop.backtest.ranks import Ranks


class RuleTallyDocument(TypedDict):
    """The number of runs on which a rule fired; the optional fields depend on its scope."""

    scope: Literal["end", "live"]
    fired: int
    blocked: NotRequired[int]
    already_run: NotRequired[int]
    stopped: NotRequired[int]
    relaunched: NotRequired[int]
    asked: NotRequired[int]
    refused: NotRequired[int]
    steps: NotRequired[list[int]]


class TotalsDocument(TypedDict):
    runs: int
    finished: int
    stopped: int
    relaunched: int
    steps: int
    steps_saved: int
    hours_saved: float
    runs_without_times: int
    """Ended runs with an unknown time per step."""
    stopped_among_best: RateDocument | None
    best_stopped: RateDocument | None
    rules: dict[str, RuleTallyDocument]


@dataclass
class RuleTally:
    """Counts for one rule: the runs on which it fired. For a live rule: the runs that it stopped, relaunched, asked about or
    could not relaunch, and the steps at which it fired. For a rule for ended runs: the blocked proposals, and those that
    repeat a past training (`known`)."""

    live: bool
    fired: int = 0
    stopped: int = 0
    relaunched: int = 0
    asked: int = 0
    refused: int = 0
    blocked: int = 0
    known: int = 0
    steps: list[int] = field(default_factory=list)

    def to_json(self) -> RuleTallyDocument:
        if not self.live:
            return {"scope": "end", "fired": self.fired, "blocked": self.blocked, "already_run": self.known}
        return {
            "scope": "live",
            "fired": self.fired,
            "stopped": self.stopped,
            "relaunched": self.relaunched,
            "asked": self.asked,
            "refused": self.refused,
            "steps": sorted(self.steps),
        }


@dataclass
class Tally:
    """Counts over all outcomes. `lost`: how many of the ranked runs that would have been ended were among the best.
    `best_lost`: how many of the best would have been ended. Both are None without ranks."""

    runs: int
    finished: int
    rules: dict[str, RuleTally]
    stopped: int = 0
    relaunched: int = 0
    steps: int = 0
    saved: int = 0
    seconds: float = 0.0
    untimed: int = 0
    """Ended runs with an unknown time per step."""
    lost: Rate | None = None
    best_lost: Rate | None = None

    def to_json(self) -> TotalsDocument:
        return {
            "runs": self.runs,
            "finished": self.finished,
            "stopped": self.stopped,
            "relaunched": self.relaunched,
            "steps": self.steps,
            "steps_saved": self.saved,
            "hours_saved": self.seconds / 3600,
            "runs_without_times": self.untimed,
            "stopped_among_best": self.lost.to_json() if self.lost else None,
            "best_stopped": self.best_lost.to_json() if self.best_lost else None,
            "rules": {name: rule.to_json() for name, rule in self.rules.items()},
        }


def tally(outcomes: Sequence[Outcome], rules: dict[str, bool], ranks: Ranks | None, known: set[str]) -> Tally:
    """Count the outcomes. `rules`: whether each rule is live, in display order. `known`: the config hashes of past
    trainings."""
    total = Tally(len(outcomes), sum(each.facts.finished for each in outcomes), {})
    total.rules = {name: RuleTally(live) for name, live in rules.items()}
    for each in outcomes:
        _count_rules(total, each, known)
        total.steps += each.facts.step
        if each.by is None:
            continue
        total.stopped += each.ending is Ending.STOPPED
        total.relaunched += each.ending is Ending.RELAUNCHED
        total.saved += each.saved
        total.seconds += each.saved_seconds or 0.0
        total.untimed += each.saved_seconds is None
    if ranks is not None:
        ended = {each.facts.id for each in outcomes if each.by is not None}
        placed = ended & ranks.place.keys()
        total.lost = Rate(len(placed & ranks.best), len(placed))
        total.best_lost = Rate(len(placed & ranks.best), len(ranks.best))
    return total


def _count_rules(total: Tally, each: Outcome, known: set[str]) -> None:
    for fired in each.asked:
        total.rules[fired.rule].asked += 1
    for fired in each.refused:
        total.rules[fired.rule].refused += 1
    for fired in [*each.asked, *each.refused, *([each.by] if each.by else [])]:
        total.rules[fired.rule].fired += 1
        total.rules[fired.rule].steps.append(fired.step)
    if each.by is not None:
        mine = total.rules[each.by.rule]
        mine.stopped += each.ending is Ending.STOPPED
        mine.relaunched += each.ending is Ending.RELAUNCHED
    for suggested in each.suggested:
        rule = total.rules.setdefault(suggested.request.rule or "decide", RuleTally(live=False))
        rule.fired += 1
        if suggested.variant is not None:
            rule.blocked += suggested.variant.blocked is not None
            rule.known += suggested.variant.blocked is None and suggested.variant.hash in known
