"""From a run that looks better to a confirmed config: which config runs again, with how many seeds, and when it is decided.

Whole loops are simulated as the engine runs them: rounds of new variants, with the contender and the baseline on fresh
seeds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from autoloop.metrics import default_book
from autoloop.model import Confirmation, Run
from autoloop.verdicts import Judge
from autoloop.verdicts.confirmation import confirmations, next_contender, next_number, pairs_wanted, share

from bench.judgement.simulated import NOISES, normal
from tests.verdicts.test_judge import L1, run

Draw = Callable[[random.Random], float]


class Simulated:
    """A loop with random results: a baseline and `rounds` of four variants. The first variant of each round is better by
    `effect` (the metric is a loss)."""

    def __init__(self, rng: random.Random, effect: float = 0.0, *, draw: Draw = normal, drift: float = 0.0) -> None:
        self.rng, self.effect, self.draw, self.drift = rng, effect, draw, drift
        self.runs: list[Run] = []
        self.seed = 100

    def train(self, round_: int, config: str, mean: float, seed: int, confirms: str | None = None) -> None:
        place = len(self.runs)
        value = mean + self.draw(self.rng) + self.drift * round_
        given: dict[str, Any] = {"round": round_, "position": place, "confirms": confirms, "config_hash": f"{config}-{seed}"}
        self.runs.append(run(f"r{place}", value, config, str(seed), **given))

    def end(self, rounds: int = 6, calibrated: int = 0) -> list[Confirmation]:
        for seed in range(calibrated):
            self.train(1, "base", 0.0, 900 + seed)
        means = {"base": 0.0}
        self.train(1, "base", 0.0, 1)
        variants = 4
        for round_ in range(1, rounds + 1):
            for number in range(variants):
                config = f"v{round_}.{number}"
                means[config] = -self.effect if number == 0 else 0.0
                self.train(round_, config, means[config], 1)
            variants = self.confirm(round_, means, last=round_ + 1 >= rounds) if round_ < rounds else 0
        return self.told()

    def told(self) -> list[Confirmation]:
        return confirmations(self.runs, Judge(self.runs, default_book()), L1, {})

    def confirm(self, round_: int, means: dict[str, float], *, last: bool) -> int:
        """Train the fresh seeds of the next round, and return how many variants run beside them."""
        judge, tried = Judge(self.runs, default_book()), self.told()
        contender = next_contender(self.runs, judge, L1, tried)
        if contender is None:
            return 4
        before = sum(each.round == round_ for each in self.runs)
        division = share(4, before, 2, None, last)
        known = next((each for each in tried if each.contender == contender.id), None)
        place = tried.index(known) + 1 if known else next_number(self.runs)
        explored = judge.explored(contender, judge.first(self.runs[0]) or contender, L1).effect
        pairs = division.pairs if last else pairs_wanted(judge, L1, explored, known, place, division.pairs)
        for _ in range(pairs):
            self.seed += 1
            self.train(round_ + 1, contender.group, means[contender.group], self.seed, contender.id)
            self.train(round_ + 1, "base", 0.0, self.seed, contender.id)
        return division.variants(2 * pairs)


@pytest.mark.parametrize("noise", NOISES)
def test_of_loops_in_which_nothing_is_better_few_confirm_anything(noise: str) -> None:
    draw, drift = NOISES[noise]
    rng = random.Random(11)
    wrong = sum(any(each.confirmed for each in Simulated(rng, draw=draw, drift=drift).end()) for _ in range(120))
    assert wrong <= 6  # 5 %


@pytest.mark.parametrize(("effect", "calibrated", "least"), [(2.0, 5, 32), (3.0, 0, 32)])
def test_what_is_better_by_a_few_spreads_is_confirmed(effect: float, calibrated: int, least: int) -> None:
    rng = random.Random(12)
    loops = [Simulated(rng, effect) for _ in range(40)]
    assert sum(any(each.confirmed for each in loop.end(rounds=8, calibrated=calibrated)) for loop in loops) >= least
