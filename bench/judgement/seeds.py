"""The table of seeds: one config of the demo with several seeds, each pair of them compared as if they were two configs."""

from __future__ import annotations

import itertools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from autoloop.configs import Config
from autoloop.demo import project as demo_project
from autoloop.metrics import default_book
from autoloop.model import Summary
from autoloop.verdicts import Value, decide, pooled

from bench.judgement.training import trained

CONFIG = "demo_tau2_lam015"
METRICS = ("eval_l1", "l1_loss", "ot_loss", "grad_norm", "ot_pi_sum")


def seeds(count: int, steps: int, seed: int, results: Path, workers: int) -> list[Summary]:
    """What `count` trainings of the config come to, with the seeds from `seed` on."""
    configs = [{**demo_project.demo_configs()[CONFIG], "seed": seed + place} for place in range(count)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        waited = [pool.submit(_summary, config, steps, results / "trainings") for config in configs]
        return [done.result() for done in waited]


def report(summaries: list[Summary], steps: int) -> None:
    print(
        f"\nThe demo's config {CONFIG}, {len(summaries)} seeds, {steps} steps, nothing else changed; pairs called different:"
    )
    print("  metric        last values, 2 x tail_mad    one run each, noise of the other seeds      sd [95 %]")
    for metric in METRICS:
        old, new, pairs = called_different(summaries, metric)
        noise = pooled([_values(summaries, metric)])
        if noise is None:
            continue
        low, high = noise.interval()
        print(f"  {metric:12}  {old:3} of {pairs:<20}   {new:3} of {pairs:<34}  {noise.sd:.3g} [{low:.3g}, {high:.3g}]")


def called_different(summaries: list[Summary], metric: str) -> tuple[int, int, int]:
    """Of the pairs of runs, how many 0.1.0 called different, how many a verdict does, and how many there are."""
    name = default_book().resolve_name(metric) or metric
    found = [summary.metrics[name] for summary in summaries]
    values = _values(summaries, metric)
    old = new = pairs = 0
    for a, b in itertools.combinations(range(len(found)), 2):
        pairs += 1
        old += abs(found[a].last - found[b].last) > 2 * max(found[a].tail_mad, found[b].tail_mad)
        others = pooled([[value for place, value in enumerate(values) if place not in (a, b)]])
        new += decide([values[a]], [values[b]], others, good="low").call.decided
    return old, new, pairs


def _values(summaries: list[Summary], metric: str) -> list[Value]:
    name = default_book().resolve_name(metric) or metric
    found = [summary.metrics[name] for summary in summaries]
    return [Value(each.tail_mean, each.last_step, str(place)) for place, each in enumerate(found)]


def _summary(config: Config, steps: int, folder: Path) -> Summary:
    return trained(config, steps, folder).summary()
