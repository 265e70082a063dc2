"""Notifies hooks as soon as fresh seeds have confirmed that a config is better than the baseline."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.engine.base.context import Context
from autoloop.engine.rounds.best import best_run
from autoloop.engine.rounds.outcome import judged_runs
from autoloop.model import HookEvent, Run
from autoloop.text.plural import plural
from autoloop.text.values import signed
from autoloop.verdicts.confirmation import confirmations, given_up


def tell_winners(context: Context, ended: Sequence[Run]) -> None:
    """Notify hooks of confirmed configs. `ended`: the runs of the round that has just ended."""
    if not context.hooks or not any(run.confirms for run in ended):
        return
    best = best_run(context.store, context.loop_id, context.metrics)
    if best is None:
        return
    found = judged_runs(context, best.metric)
    refused = given_up(context.store.proposals(context.loop_id))
    for each in confirmations(found.runs, found.judge, best.metric, refused):
        if each.confirmed and each.comparison is not None:
            run = context.store.run(each.contender)
            metric, effect = context.metrics.short(best.metric), each.comparison.effect
            seeds = plural(min(each.comparison.runs), "fresh seed")
            text = f"{run.name} ({run.id}) is better than the baseline, confirmed on {seeds}: {metric} {signed(effect)}"
            next = f"autoloop-tui status --loop {context.loop.name}"
            context.tell(HookEvent.WINNER, run.id, text, next=next, round=ended[0].round, run=run)
