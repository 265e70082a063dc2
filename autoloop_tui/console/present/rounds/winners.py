"""The best config of each round and of the loop, and whether it has been shown to be better. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from autoloop.model import Outcome, Run
from autoloop.verdicts import Call, Judge

from autoloop_tui.console.drawing.glyphs import Glyphs

LOOP_STAR, ROUND_STAR = "★", "☆"


class Winner(NamedTuple):
    """The best new config of a round, by the mean of its `runs`.

    `change`: its mean minus the baseline's; `shown`: it has been shown to be better than the baseline.
    """

    run: str
    value: float
    runs: int
    change: float | None
    shown: bool


class Winners(NamedTuple):
    """`loop`: the first run of the config that is better than the baseline by the largest shown difference; `rounds`: by
    round number."""

    loop: str | None
    rounds: Mapping[int, Winner]

    def star(self, run: str, glyphs: Glyphs) -> str:
        """Return the symbol of the winner of the loop or of a round, for the first finished run of that config."""
        if run == self.loop:
            return glyphs.of(LOOP_STAR, "*")
        won = any(each.run == run and each.shown for each in self.rounds.values())
        return glyphs.of(ROUND_STAR, ".") if won else ""


NONE = Winners(None, {})


def winners(outcome: Outcome | None, runs: Mapping[str, Run], judge: Judge | None = None) -> Winners:
    """Return the winners. `judge`: of the loop's `runs`; without it, only what the outcome records counts as shown."""
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
        found[each.round] = Winner(first.run, first.value, first.runs, change, shown(first.run))
    return Winners(loop, found)
