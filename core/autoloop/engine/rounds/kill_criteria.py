"""Kill criteria: conditions under which the run of a proposal is stopped, given by its author and approved with it.

A kill criterion works like the condition of a live rule, but only for the runs of its proposal, and independently of the
loop's rules.
"""

from __future__ import annotations

from autoloop.engine.base.context import Context
from autoloop.metrics import MetricBook, found_as
from autoloop.model import Proposal, Run, UserError
from autoloop.rules import LiveSchedule, Rule, compile_expression
from autoloop.text.suggest import did_you_mean

KILL_CRITERION = "kill criterion"
"""Stands in for a rule's id in evidence and events."""


def checked_criterion(text: str, base: Run, metrics: MetricBook) -> str | None:
    """The condition in its stored form, or None if it is empty. Raises UserError if a variant of `base` cannot be judged by
    it."""
    if not text.strip():
        return None
    try:
        condition = compile_expression(text, metrics, live=True)
    except UserError as error:
        raise UserError(f"The kill criterion is invalid: {error}.") from None
    logged = base.summary.metrics if base.summary else {}
    unknown = next((name for name in sorted(condition.metrics) if found_as(name, metrics, logged) not in logged), None)
    if logged and unknown is not None:
        names = [metrics.short(name) for name in logged]
        hint = did_you_mean(metrics.short(unknown), names, f"it has {', '.join(names[:8])}.")
        raise UserError(f"The kill criterion is invalid: {base.name} has not logged {metrics.short(unknown)}; {hint}")
    return condition.text


def criterion_of(context: Context, run: Run) -> Rule | None:
    """The kill criterion of a run's proposal, as a rule; None if it has none. For a run relaunched by live rules, that of
    the original run's proposal."""
    proposal = _origin(context, run)
    if proposal is None or proposal.kill_criterion is None:
        return None
    when = compile_expression(proposal.kill_criterion, context.metrics, live=True)
    reason = f"the kill criterion of proposal {proposal.id}: {proposal.kill_criterion}"
    return Rule(id=KILL_CRITERION, when=when, reason=reason, changes=(), watch=LiveSchedule())


def _origin(context: Context, run: Run) -> Proposal | None:
    while run.proposal is not None:
        proposal = context.store.proposal(run.proposal)
        if proposal.live is None:
            return proposal
        run = context.store.run(proposal.base_run)
    return None
