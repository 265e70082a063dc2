"""What a loop that has ended came to, in lines that all clients share."""

from __future__ import annotations

from autoloop.metrics import MetricBook, by_config, config_label
from autoloop.model import Loop, RunState, Standing
from autoloop.store import Store
from autoloop.text.values import number
from autoloop.verdicts.wording import outcome_lines


def result_lines(store: Store, loop: Loop, metrics: MetricBook) -> list[str]:
    """The config that meets --until, whether a config is better than the baseline and what it took, and the best single
    run."""

    def name_of(each: Standing) -> str:
        return config_label(store.run(each.run), each.runs)

    lines = [f"met --until: {winner_label(store, loop.winner)}"] if loop.winner else []
    if loop.outcome:
        lines += outcome_lines(loop.outcome, name_of, metrics.short(loop.outcome.metric))
    if best := loop.best:
        run = store.run(best.run)
        lines.append(f"{best.word} last {metrics.short(best.metric)}: {number(best.value)}, {run.name} ({run.id})")
    return lines


def winner_label(store: Store, winner: str) -> str:
    """The config that meets --until, by the first of its runs, whose mean was judged."""
    run = store.run(winner)
    finished = [each for each in store.runs(run.loop, run.round) if each.state is RunState.FINISHED]
    return config_label(run, next((len(members) for members in by_config(finished) if run in members), 1))
