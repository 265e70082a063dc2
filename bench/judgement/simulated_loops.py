"""Whole loops with simulated noise: explore, confirm on fresh seeds, decide, by the functions that the engine calls."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from autoloop.metrics import default_book
from autoloop.model import Call, MetricSummary, Run, RunState, Summary
from autoloop.verdicts import Judge
from autoloop.verdicts.confirmation import confirmations, next_contender, next_number, pairs_wanted, share

BOOK = default_book()
METRICS = BOOK.key_metrics
METRIC = METRICS[0]


@dataclass(frozen=True)
class Ended:
    """`effects`: of each config, in spreads between seeds, the baseline first. `confirmed`: those that the loop calls better
    at its end, by their numbers; `shown`: the metrics in which a table of its rounds called one better."""

    effects: list[float]
    confirmed: list[int]
    shown: set[str]


@dataclass
class SimulatedLoop:
    """A loop in which each new config is better than the baseline by `effect()` spreads between seeds, in all its metrics.

    `alike`: the correlation between the metrics of a run. `drift`: by how much a run is better than the one before; the
    runs of a round share the machine as it is then.
    """

    rng: random.Random
    draw: Callable[[random.Random], float]
    drift: float = 0.0
    effect: Callable[[], float] = lambda: 0.0
    alike: float = 0.0
    effects: list[float] = field(default_factory=lambda: [0.0])
    runs: list[Run] = field(default_factory=list)

    def run(self, rounds: int = 5, size: int = 4) -> Ended:
        """To the end, with `size` runs in each round."""
        self._start(1, [0, *(self._config() for _ in range(size - 1))])
        shown = self._shown()
        for number in range(2, rounds + 1):
            self._next(number, size, last=number == rounds)
            shown |= self._shown()
        tried = confirmations(self.runs, self._judge(), METRIC, {})
        config = {run.id: int(run.group) for run in self.runs}
        return Ended(self.effects, [config[each.contender] for each in tried if each.confirmed], shown)

    def run_without_confirming(self, rounds: int = 4, size: int = 4) -> Ended:
        """To the end: `size` seeds of the baseline, then `size` variants in each round, one run each."""
        self._start(1, [0] * size)
        shown: set[str] = set()
        for number in range(2, rounds + 1):
            self._start(number, [self._config() for _ in range(size)])
            shown |= self._shown()
        return Ended(self.effects, [], shown)

    def _next(self, number: int, size: int, last: bool) -> None:
        """The next round, divided as engine/rounds/replicates.py does it."""
        judge = self._judge()
        tried = confirmations(self.runs, judge, METRIC, {})
        contender, base = next_contender(self.runs, judge, METRIC, tried), judge.first(self.runs[0])
        if contender is None or base is None:
            self._start(number, [self._config() for _ in range(size)])
            return
        known = next((each for each in tried if each.contender == contender.id), None)
        place = tried.index(known) + 1 if known else next_number(self.runs)
        part = share(size, size, size, None, last)
        pairs = part.pairs
        if not part.last or known is not None:
            pairs = pairs_wanted(judge, METRIC, judge.explored(contender, base, METRIC).effect, known, place, pairs)
        fresh = [int(contender.group), 0] * pairs
        variants = [self._config() for _ in range(min(size, part.variants(len(fresh))))]
        self._start(number, [*fresh, *variants], contender.id, len(fresh))

    def _config(self) -> int:
        self.effects.append(self.effect())
        return len(self.effects) - 1

    def _start(self, number: int, configs: list[int], confirms: str | None = None, fresh: int = 0) -> None:
        """Runs of these configs, of which the first `fresh` confirm, in pairs with one seed each."""
        so_far = len(self.runs)
        for place, config in enumerate(configs):
            better = self.effects[config] + self.drift * so_far
            name = f"{so_far + place}"
            self.runs.append(
                Run(
                    id=name,
                    loop=1,
                    round=number,
                    position=so_far + place,
                    name=name,
                    config_path="",
                    source_path="",
                    config_hash=name,
                    group=str(config),
                    seed=f"{number}-{place // 2}" if place < fresh else "1",
                    state=RunState.FINISHED,
                    confirms=confirms if place < fresh else None,
                    summary=Summary(metrics=self._metrics(better), steps=1),
                )
            )

    def _judge(self) -> Judge:
        return Judge(self.runs, BOOK)

    def _metrics(self, better: float) -> dict[str, MetricSummary]:
        common, own = math.sqrt(self.alike), math.sqrt(1 - self.alike)
        shared = self.draw(self.rng) if common else 0.0
        values = {metric: better + common * shared + own * self.draw(self.rng) for metric in METRICS}
        return {metric: _summary(value if BOOK.direction(metric) == "high" else -value) for metric, value in values.items()}

    def _shown(self) -> set[str]:
        judge = self._judge()
        verdicts = {metric: [judge.between(run, self.runs[0], metric) for run in self.runs] for metric in METRICS}
        return {metric for metric, found in verdicts.items() if any(each and each.call is Call.BETTER for each in found)}


def _summary(value: float) -> MetricSummary:
    return MetricSummary(
        first=value,
        last=value,
        best=value,
        best_step=1,
        delta=0.0,
        pct=0.0,
        n=1,
        min=value,
        max=value,
        tail_mean=value,
        tail_mad=0.0,
        first_step=1,
        last_step=1,
    )
