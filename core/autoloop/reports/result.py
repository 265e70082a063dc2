"""What a loop that has ended came to, in lines that all clients share."""

from __future__ import annotations

from autoloop.metrics import MetricBook
from autoloop.model import Loop
from autoloop.store import Store
from autoloop.text.values import number
from autoloop.verdicts.wording import outcome_lines


def result_lines(store: Store, loop: Loop, metrics: MetricBook) -> list[str]:
    """The run that meets --until, whether a config is better than the baseline and what it took, and the best single run."""

    def name_of(run: str) -> str:
        return f"{store.run(run).name} ({run})"

    lines = [f"met --until: {name_of(loop.winner)}"] if loop.winner else []
    if loop.outcome:
        lines += outcome_lines(loop.outcome, name_of, metrics.short(loop.outcome.metric))
    if best := loop.best:
        lines.append(f"{best.word} last {metrics.short(best.metric)}: {number(best.value)}, {name_of(best.run)}")
    return lines
