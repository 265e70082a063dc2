"""Which config stands first in each round and in the loop, and whether that has been shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from autoloop.model import Outcome, Run
from autoloop.verdicts import Call, Judge

from autoloop_tui.console.drawing.glyphs import Glyphs

LOOP_STAR, ROUND_STAR = "★", "☆"


class First(NamedTuple):
    """The best config among those new in a round, by the mean of its `runs`.

    `change`: of its mean against the baseline's; `shown`: it has been shown to be better than the baseline."""

    run: str
    value: float
    runs: int
    change: float | None
    shown: bool


class Winners(NamedTuple):
    """`loop`: the first run of the config that the loop has shown to be better than its baseline, by most; `rounds`: by
    number of a round."""

    loop: str | None
    rounds: Mapping[int, First]

    def star(self, run: str, glyphs: Glyphs) -> str:
        """The sign of the loop's winner, or of a round's, by the first of the config's runs that has finished."""
        if run == self.loop:
            return glyphs.of(LOOP_STAR, "*")
        won = any(each.run == run and each.shown for each in self.rounds.values())
        return glyphs.of(ROUND_STAR, ".") if won else ""


NONE = Winners(None, {})


def winners(outcome: Outcome | None, runs: Mapping[str, Run], judge: Judge | None = None) -> Winners:
    """`judge`: of the loop's `runs`; without it only what the outcome itself says has been shown."""
    if outcome is None:
        return NONE
    base = runs.get(outcome.baseline.run)
    loop = outcome.first.run if outcome.better else None

    def shown(run: str) -> bool:
        if run == loop:
            return True
        if outcome.confirms:
            return any(each.contender == run and each.confirmed for each in outcome.confirmations)
        mine = runs.get(run)
        verdict = judge.between(mine, base, outcome.metric) if judge and mine and base else None
        return verdict is not None and verdict.call is Call.BETTER

    found = {}
    for each in outcome.rounds:
        first = each.first
        change = None if first.run == outcome.baseline.run else first.value - outcome.baseline.value
        found[each.round] = First(first.run, first.value, first.runs, change, shown(first.run))
    return Winners(loop, found)
