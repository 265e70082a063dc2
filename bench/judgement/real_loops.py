"""Real loops of the demo in which nothing but the seed changes: how many report an improvement.

A loop goes through the engine as a user starts it: 4 seeds of the baseline, then 4 proposals of a rule book, each another
seed. For a verdict to compare them at all, each proposal also changes `save_freq`, which is beyond the end of the training:
another config by name, the same training in fact.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
from autoloop.demo import project as demo_project
from autoloop.metrics import MetricBook, default_book
from autoloop.model import Run, RunState
from autoloop.verdicts import Call, Judge

from bench.judgement.text import rate
from bench.judgement.warm import run_loop

SEEDS = 4
RULES = 'name = "seeds"\nversion = "1"\n' + "".join(
    f"""
[[rule]]
id = "seed-{place}"
when = "loss.n > 0"
reason = "Another seed"
changes = ["seed@add={1000 * place}", "save_freq@add={place}"]
"""
    for place in range(1, SEEDS + 1)
)


class Trained(msgspec.Struct, frozen=True):
    """One loop: its runs in their order, and what the engine stated at its end."""

    number: int
    seed: int
    steps: int
    better: bool
    runs: list[Run]


def train(count: int, steps: int, seed: int, results: Path, server: Path) -> None:
    """Carry out the loops that `results` lacks; each is written there once it has ended."""
    results.mkdir(parents=True, exist_ok=True)
    known = {loop.number for loop in found(steps, seed, results)}
    for number in range(count):
        if number in known:
            continue
        began = time.monotonic()
        loop = _train(number, seed + 100_000 * number, steps, server)
        with _file(steps, seed, results).open("ab") as out:
            out.write(msgspec.json.encode(loop) + b"\n")
        print(f"  loop {number + 1}: {len(loop.runs)} runs in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def found(steps: int, seed: int, results: Path) -> list[Trained]:
    """The loops that have been carried out."""
    file = _file(steps, seed, results)
    lines = file.read_bytes().splitlines() if file.exists() else []
    return [msgspec.json.decode(line, type=Trained) for line in lines]


def report(loops: list[Trained]) -> None:
    runs = sum(len(loop.runs) for loop in loops)
    print(
        f"\nA/A: {len(loops)} real loops of the demo, {runs} runs, only the seed changed; loops that report an improvement:"
    )
    print(f"  the engine at the end of the loop, main metric    {rate(sum(loop.better for loop in loops), len(loops))}")
    book = default_book()
    for title, metrics in {"main metric": book.key_metrics[:1], "any key metric": book.key_metrics}.items():
        alone = sum(any(_better(book, loop.runs, metric) for metric in metrics) for loop in loops)
        print(f"  {f'4 variants of one run each, {title}':48}  {rate(alone, len(loops))}")
        together = sum(any(_better(book, _together(loop.runs), metric) for metric in metrics) for loop in loops)
        print(f"  {f'one variant of 4 runs, {title}':48}  {rate(together, len(loops))}")
    greedy = sum(_greedy(book, loop.runs) for loop in loops)
    print(f"  greedy keep-if-better over the 8 runs             {rate(greedy, len(loops))}")


def _file(steps: int, seed: int, results: Path) -> Path:
    return results / f"real_loops_{seed}_{steps}.jsonl"


def _train(number: int, seed: int, steps: int, server: Path) -> Trained:
    words = ["--seeds", ",".join(str(seed + place) for place in range(SEEDS)), "--rounds", "2", "--decide"]
    words += ["--variants-per-run", str(SEEDS), "--concurrency", "2"]
    ended = run_loop(server, {"base": demo_project.BASELINE}, steps, RULES, words)
    if len(ended.runs) != 2 * SEEDS or any(run.state is not RunState.FINISHED for run in ended.runs):
        raise SystemExit(f"loop {number + 1}: not all of its {2 * SEEDS} runs finished")
    return Trained(number, seed, steps, bool(ended.loop.outcome and ended.loop.outcome.better), ended.runs)


def _together(runs: list[Run]) -> list[Run]:
    """The same runs as if those of the second round were of one config."""
    return [msgspec.structs.replace(run, group="variant") if run.round == 2 else run for run in runs]


def _better(book: MetricBook, runs: list[Run], metric: str) -> bool:
    judge = Judge(runs, book)
    variants = [run for run in runs if run.round == 2]
    verdicts = (judge.between(variant, runs[0], metric) for variant in variants)
    return any(verdict is not None and verdict.call is Call.BETTER for verdict in verdicts)


def _greedy(book: MetricBook, runs: list[Run]) -> bool:
    metric = book.key_metrics[0]
    values = [run.summary.metrics[metric].last for run in runs if run.summary]
    return any(later < values[0] for later in values[1:])
