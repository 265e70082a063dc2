"""The outcome of a replayed run: which live rules would have acted, and the proposals after its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from autoloop.backtest.ended import ConfigJudgement
from autoloop.backtest.replay import Facts, Firing, ReplayResult
from autoloop.rules import Rule
from autoloop.variants.check import CheckedVariant, check
from autoloop.variants.policy import VariantPolicy
from autoloop.variants.request import VariantRequest


class Ending(StrEnum):
    UNTOUCHED = "untouched"
    STOPPED = "stopped"
    RELAUNCHED = "relaunched"
    """Stopped, and started again with a rule's edits."""


@dataclass(frozen=True)
class SuggestedVariant:
    """A request of a rule for ended runs, and the resulting variant; None if the run's config is unknown."""

    request: VariantRequest
    variant: CheckedVariant | None


@dataclass(frozen=True)
class Outcome:
    """`by`: the live rule that ends the run at step `at`; `edits`: those of its relaunch. `asked`: live rules that would
    have asked a user first; `refused`: those that could not relaunch the run. In both cases the run continues."""

    run: ReplayResult
    ending: Ending = Ending.UNTOUCHED
    by: Firing | None = None
    edits: tuple[str, ...] = ()
    asked: list[Firing] = field(default_factory=list)
    refused: list[Firing] = field(default_factory=list)
    suggested: list[SuggestedVariant] = field(default_factory=list)
    judged: ConfigJudgement | None = None

    @property
    def facts(self) -> Facts:
        return self.run.facts

    @property
    def at(self) -> int | None:
        return self.by.step if self.by else None

    @property
    def saved(self) -> int:
        """The number of steps that it made after the rule would have ended it."""
        return max(0, self.facts.step - self.by.step) if self.by else 0

    @property
    def saved_seconds(self) -> float | None:
        """The time of the saved steps in seconds; None if the time per step is unknown."""
        return None if self.facts.seconds is None else self.saved * self.facts.seconds


def outcome(
    replayed: ReplayResult, rules: Mapping[str, Rule], policy: VariantPolicy, judged: ConfigJudgement | None = None
) -> Outcome:
    """The outcome of a run. `rules`: the live rules by id. `policy`: checks the run's variants; it must not reject trainings
    that ran later as duplicates. `judged`: for the run that represents its config, the judgement of the rules for ended
    runs."""
    asked: list[Firing] = []
    refused: list[Firing] = []
    suggested = _suggested(replayed, judged, policy)
    for fired in replayed.fired:
        watch = rules[fired.rule].watch
        assert watch is not None
        edits = _turn(replayed.facts, rules[fired.rule], fired, policy) if watch.turns else ()
        if edits is None:
            refused.append(fired)
        elif watch.ask:
            asked.append(fired)
        else:
            ending = Ending.RELAUNCHED if edits else Ending.STOPPED
            return Outcome(replayed, ending, fired, edits, asked, refused, suggested, judged)
    return Outcome(replayed, asked=asked, refused=refused, suggested=suggested, judged=judged)


def _turn(facts: Facts, rule: Rule, fired: Firing, policy: VariantPolicy) -> tuple[str, ...] | None:
    """The edits with which the rule relaunches the run, chosen as in `engine/rounds/live_proposals.py`; None if no edits are
    allowed."""
    watch = rule.watch
    assert watch is not None
    begin = facts.relaunched.get(rule.id, 0)
    if begin >= watch.relaunches:
        return None
    for offset in range(len(watch.turns)):
        edits = watch.turns[(begin + offset) % len(watch.turns)]
        if not facts.config or not check(facts.config, rule.request(fired.evidence, edits), policy).blocked:
            return edits
    return None


def _suggested(replayed: ReplayResult, judged: ConfigJudgement | None, policy: VariantPolicy) -> list[SuggestedVariant]:
    requests, config = judged.judgement.requests if judged else [], replayed.facts.config
    return [SuggestedVariant(request, check(config, request, policy) if config else None) for request in requests]
