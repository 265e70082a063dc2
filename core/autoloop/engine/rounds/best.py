"""The run of a loop that stands best, and whether that is more than luck."""

from __future__ import annotations

from autoloop.metrics import LOOKED_AT, MetricBook, for_runs
from autoloop.model import BestRun, Run, RunState
from autoloop.store import Store
from autoloop.text.values import number
from autoloop.verdicts import Judge, Verdict
from autoloop.verdicts.wording import sentence


def best_run(store: Store, loop: int, book: MetricBook) -> BestRun | None:
    """The finished run with the best last value of the first key metric that any has and whose better direction is known.

    Reads a round at a time, since a loop may have more runs than memory should hold at once; none if there is no such
    metric.
    """
    newest = store.newest_in(loop, RunState.FINISHED, LOOKED_AT)
    directions = {key: book.direction(key) for key in for_runs(book, newest[::-1]).key_metrics}
    best: dict[str, BestRun] = {}
    for round_ in store.rounds(loop) if any(directions.values()) else ():
        for run in store.runs(loop, round_.number):
            metrics = run.summary.metrics if run.state is RunState.FINISHED and run.summary else {}
            for key, direction in directions.items():
                if direction and key in metrics:
                    found = BestRun(metric=key, highest=direction == "high", value=metrics[key].last, run=run.id)
                    if key not in best or found.beats(best[key]):
                        best[key] = found
    return next((best[key] for key in directions if key in best), None)


def against_baseline(store: Store, best: BestRun, book: MetricBook) -> tuple[Run, Verdict] | None:
    """The loop's first run, and whether the config of the best is better than its; None where they are the same config.

    Replicates of both count, of all loops. That it is the best of all the loop's runs makes its value a lucky one, which
    the verdict takes into account.
    """
    run = store.run(best.run)
    base = store.first_run(run.loop)
    known = [run, base, *store.replicates_of(run.group), *store.replicates_of(base.group)]
    judge = Judge({each.id: each for each in known}.values(), book, among=store.number_of_runs(run.loop))
    verdict = judge.between(run, base, best.metric)
    return None if verdict is None else (base, verdict)


def best_text(store: Store, best: BestRun, book: MetricBook) -> str:
    """`lowest last eval_l1: 0.3319, b (ab12cd34), one run; against base (9f3a0c11): …`."""
    run = store.run(best.run)
    runs = max(1, len({each.config_hash for each in store.replicates_of(run.group)}))
    text = f"{best.word} last {book.short(best.metric)}: {number(best.value)}, {run.name} ({run.id})"
    text += ", one run" if runs == 1 else f", the {best.word} of its config's {runs} runs"
    if found := against_baseline(store, best, book):
        base, verdict = found
        text += f"; against {base.name} ({base.id}): {sentence(verdict)}"
    return text
