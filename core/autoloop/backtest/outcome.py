"""What would have come of a run: which of the live rules that fired would have acted, and what is proposed at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from autoloop.backtest.ended import Judged
from autoloop.backtest.replay import Facts, Fired, Replayed
from autoloop.rules import Rule
from autoloop.variants.check import CheckedVariant, check
from autoloop.variants.policy import VariantPolicy
from autoloop.variants.request import VariantRequest


class Ending(StrEnum):
    UNTOUCHED = "untouched"
    STOPPED = "stopped"
    RELAUNCHED = "relaunched"
    """Stopped, and begun anew with a rule's edits."""


@dataclass(frozen=True)
class Suggested:
    """What a rule for ended runs asks for, and the variant that comes of it; None if the run's config is not known."""

    request: VariantRequest
    variant: CheckedVariant | None


@dataclass(frozen=True)
class Outcome:
    """`by` is the live rule that ends the run at step `at`; `edits` those of its relaunch. `asked`: live rules that would
    have asked a user first, and `refused` those whose relaunch was not possible; after both the run goes on."""

    run: Replayed
    ending: Ending = Ending.UNTOUCHED
    by: Fired | None = None
    edits: tuple[str, ...] = ()
    asked: list[Fired] = field(default_factory=list)
    refused: list[Fired] = field(default_factory=list)
    suggested: list[Suggested] = field(default_factory=list)
    judged: Judged | None = None

    @property
    def facts(self) -> Facts:
        return self.run.facts

    @property
    def at(self) -> int | None:
        return self.by.step if self.by else None

    @property
    def saved(self) -> int:
        """Steps that it made after it would have been ended."""
        return max(0, self.facts.step - self.by.step) if self.by else 0

    @property
    def saved_seconds(self) -> float | None:
        """None if it is not known how long its steps took."""
        return None if self.facts.seconds is None else self.saved * self.facts.seconds


def outcome(replayed: Replayed, rules: Mapping[str, Rule], policy: VariantPolicy, judged: Judged | None = None) -> Outcome:
    """`rules`: the live rules by id. `policy`: by which variants of the run are checked; what has been run since must be no
    duplicate to it. `judged`: of the run that stands for its config, what the rules for ended runs asked for."""
    asked: list[Fired] = []
    refused: list[Fired] = []
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


def _turn(facts: Facts, rule: Rule, fired: Fired, policy: VariantPolicy) -> tuple[str, ...] | None:
    """The edits with which the rule relaunches the run, as `engine/rounds/live_proposals.py` chooses them; None if there
    are none that may be run."""
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


def _suggested(replayed: Replayed, judged: Judged | None, policy: VariantPolicy) -> list[Suggested]:
    requests, config = judged.judgement.requests if judged else [], replayed.facts.config
    return [Suggested(request, check(config, request, policy) if config else None) for request in requests]
