"""Real loops of the demo in which nothing but the seed changes: how many report an improvement.

A loop goes through the engine as a user starts it, with 8 runs in two rounds. With `confirm`, as loops are by default: the
baseline beside three variants, then fresh seeds of the best and the baseline. Without: 4 seeds of the baseline, then 4
variants that rules propose. Each variant is another seed. For a verdict to compare it at all, it also changes `save_freq`,
which is beyond the end of the training: another config by name, the same training in fact.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
from autoloop.configs import Config
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
    """One loop: its runs in their order, and whether the engine called a config better at its end."""

    number: int
    seed: int
    steps: int
    better: bool
    runs: list[Run]


class Wanted(msgspec.Struct, frozen=True):
    """The loops of one kind. `seed` is that of the first run of the first."""

    confirm: bool
    steps: int
    seed: int
    results: Path

    @property
    def file(self) -> Path:
        kind = "confirmed" if self.confirm else "seeds"
        return self.results / f"real_loops_{kind}_{self.seed}_{self.steps}.jsonl"


def train(wanted: Wanted, count: int, server: Path) -> None:
    """Carry out the loops that there are no results of; each is written once it has ended."""
    wanted.results.mkdir(parents=True, exist_ok=True)
    known = {loop.number for loop in found(wanted)}
    for number in range(count):
        if number in known:
            continue
        began = time.monotonic()
        loop = carry_out(wanted, number, server)
        with wanted.file.open("ab") as out:
            out.write(msgspec.json.encode(loop) + b"\n")
        print(f"  loop {number + 1}: {len(loop.runs)} runs in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def found(wanted: Wanted) -> list[Trained]:
    """The loops that have been carried out."""
    lines = wanted.file.read_bytes().splitlines() if wanted.file.exists() else []
    return [msgspec.json.decode(line, type=Trained) for line in lines]


def report(wanted: Wanted) -> None:
    loops = found(wanted)
    if not loops:
        return
    kind = "what looks better is confirmed on fresh seeds" if wanted.confirm else "4 seeds of the baseline, 4 variants"
    print(
        f"\nA/A: {len(loops)} real loops of {len(loops[0].runs)} runs of {wanted.steps} steps, only seeds changed; {kind}."
    )
    print("Loops that report an improvement:")
    print(f"  {'the engine at the end of the loop':48}  {rate(sum(loop.better for loop in loops), len(loops))}")
    book = default_book()
    for title, metrics in {"main metric": book.key_metrics[:1], "any key metric": book.key_metrics}.items():
        shown = sum(any(_better(book, loop.runs, metric) for metric in metrics) for loop in loops)
        print(f"  {f'a table of its runs, {title}':48}  {rate(shown, len(loops))}")
    greedy = sum(_greedy(book, loop.runs) for loop in loops)
    print(f"  {'whatever is better than the first run is kept':48}  {rate(greedy, len(loops))}")


def carry_out(wanted: Wanted, number: int, server: Path) -> Trained:
    seed = wanted.seed + 100_000 * number
    words = ["--rounds", "2", "--decide", "--concurrency", "2"]
    configs: dict[str, Config] = {"base": {**demo_project.BASELINE, "seed": seed}}
    if wanted.confirm:
        for place in range(1, SEEDS):
            config = {**demo_project.BASELINE, "seed": seed + place}
            configs[f"variant{place}"] = {**config, "save_freq": config["save_freq"] + place}
        words += ["--replicates", "auto", "--variants-per-run", "1"]
    else:
        words += [
            "--replicates",
            "0",
            "--variants-per-run",
            str(SEEDS),
            "--seeds",
            ",".join(str(seed + place) for place in range(SEEDS)),
        ]
    ended = run_loop(server, configs, wanted.steps, RULES, words)
    if len(ended.runs) != 2 * SEEDS or any(run.state is not RunState.FINISHED for run in ended.runs):
        raise SystemExit(f"loop {number + 1}: not all of its {2 * SEEDS} runs finished")
    return Trained(number, seed, wanted.steps, bool(ended.loop.outcome and ended.loop.outcome.better), ended.runs)


def _better(book: MetricBook, runs: list[Run], metric: str) -> bool:
    judge = Judge(runs, book)
    verdicts = (judge.between(run, runs[0], metric) for run in runs)
    return any(verdict is not None and verdict.call is Call.BETTER for verdict in verdicts)


def _greedy(book: MetricBook, runs: list[Run]) -> bool:
    metric = book.key_metrics[0]
    values = [run.summary.metrics[metric].last for run in runs if run.summary]
    return any(later < values[0] for later in values[1:])
