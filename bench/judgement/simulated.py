"""How often verdicts are wrong, and how many runs they need, with simulated noise."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from autoloop.verdicts import ALPHA, Call, Value, decide, pooled
from autoloop.verdicts.boundary import Boundary
from autoloop.verdicts.distributions import normal_quantile

from bench.judgement.simulated_loops import METRIC, METRICS, SimulatedLoop
from bench.judgement.text import rate

CALIBRATION = 5
"""Seeds of the baseline from which the noise is known before a comparison begins."""


@dataclass
class Trainer:
    """Stands for a training: draws one value per run. `drift` is added from run to run, as on a machine that changes."""

    rng: random.Random
    draw: Callable[[random.Random], float]
    drift: float = 0.0
    runs: int = 0

    def run(self, mean: float = 0.0) -> Value:
        self.runs += 1
        return Value(mean + self.draw(self.rng) + self.drift * self.runs, 1, str(self.runs))


def normal(rng: random.Random) -> float:
    return rng.gauss(0, 1)


def heavy(rng: random.Random) -> float:
    """Student's t with 3 degrees of freedom, scaled to a standard deviation of 1."""
    return rng.gauss(0, 1) / math.sqrt(rng.gammavariate(1.5, 2 / 3)) / math.sqrt(3)


NOISES = {"normal": (normal, 0.0), "heavy tails (t, 3)": (heavy, 0.0), "drifting 0.1 sd per run": (normal, 0.1)}


def greedy_reports_improvement(trainer: Trainer, runs: int = 20) -> bool:
    """What every published loop does: whatever is better than the best so far is kept."""
    first = trainer.run().value
    return any(trainer.run().value > first for _ in range(runs - 1))


def compared(trainer: Trainer, effect: float) -> tuple[Call, int]:
    """Pairs of runs until it is decided, after a calibration of the baseline; the runs of the calibration do not count."""
    calibration = [trainer.run() for _ in range(CALIBRATION)]
    ours: list[Value] = []
    theirs: list[Value] = []
    while True:
        ours.append(trainer.run(effect))
        theirs.append(trainer.run())
        call = decide(ours, theirs, pooled([calibration, ours, theirs]), good="high").call
        if call is not Call.NOT_ENOUGH:
            return call, len(ours) + len(theirs)


def fixed_runs(effect: float, found: float) -> float:
    """The runs that a test with one look needs, of both configs together, to find a share of effects of that many sd."""
    return 4 * ((normal_quantile(1 - ALPHA) + normal_quantile(found)) / effect) ** 2


ALIKE = (0.0, 0.8)
"""Correlations between the key metrics of a run."""


def loops(count: int, seed: int) -> None:
    print(f"\nA/A: {count} loops of 20 runs, every variant equal to the baseline; loops that report an improvement:")
    for name, (draw, drift) in NOISES.items():
        rng = random.Random(seed)
        greedy = sum(greedy_reports_improvement(Trainer(rng, draw, drift)) for _ in range(count))
        print(f"  {name}; whatever is better than the first run is kept: {greedy / count:.1%}")
        for alike in ALIKE:
            rng = random.Random(seed)
            ended = [SimulatedLoop(rng, draw, drift, alike=alike).run() for _ in range(count)]
            main = sum(METRIC in loop.shown for loop in ended)
            print(f"    {len(METRICS)} metrics, correlation {alike}")
            print(f"      confirmed at the end        {rate(sum(bool(loop.confirmed) for loop in ended), count)}")
            print(f"      a table, main metric        {rate(main, count)}")
            print(f"      a table, any metric         {rate(sum(bool(loop.shown) for loop in ended), count)}")
            either = sum(bool(loop.confirmed or loop.shown) for loop in ended)
            print(f"      any of these                {rate(either, count)}")
            loops = [SimulatedLoop(rng, draw, drift, alike=alike) for _ in range(count)]
            single = sum(bool(loop.run_without_confirming().shown) for loop in loops)
            print(f"      4 seeds, 12 single variants {rate(single, count)}", flush=True)


def power(count: int, seed: int) -> None:
    print(f"\nOne comparison, looked at after every pair of runs, noise known from {CALIBRATION} seeds; {count} times each.")
    print("Fixed: runs that a test with one look needs for the same share of true effects found at the same error rate.")
    print("  effect  called better            worse    none shown   runs   fixed   share")
    rng = random.Random(seed)
    for effect in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0):
        found = [compared(Trainer(rng, normal), effect) for _ in range(count)]
        calls, runs = [call for call, _ in found], sum(n for _, n in found) / count
        better, worse, none = (calls.count(call) for call in (Call.BETTER, Call.WORSE, Call.NO_DIFFERENCE))
        line = f"  {effect:3.1f} sd  {rate(better, count)}  {worse / count:6.1%}      {none / count:6.1%}  {runs:5.1f}"
        if effect:
            needed = fixed_runs(effect, min(better, count - 0.5) / count)
            line += f"   {needed:5.1f}   {runs / needed:5.2f}"
        print(line)
    design = 4 * Boundary(ALPHA).fixed
    print(f"  (the fixed test that the boundary is designed after needs {design:.0f} runs at 1 sd)")
