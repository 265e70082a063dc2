"""The result of an ended loop, in lines that all clients share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoloop.model import Loop, LoopState, Proposal, ProposalStatus, Run, RunState, Standing
from autoloop.store import Store
from autoloop.text.plural import plural
from autoloop.text.values import number

if TYPE_CHECKING:
    from autoloop.metrics import MetricBook


def result_lines(store: Store, loop: Loop, metrics: MetricBook) -> list[str]:
    """Return the result: the config that met --until, whether a config is better than the baseline and the cost, the best
    single run, and the progress of --then."""

    def name_of(each: Standing) -> str:
        from autoloop.metrics import config_label  # a local import, as below: `status` rarely needs it

        return config_label(store.run(each.run), each.runs)

    lines = []
    if loop.winner:
        seeds = loop.winner_seeds
        how = f"confirmed on {plural(seeds, 'fresh seed')}" if seeds else "not confirmed on fresh seeds"
        lines.append(f"met --until: {winner_label(store, loop.winner)}, {how}")
    if loop.outcome:
        from autoloop.verdicts.wording import outcome_lines

        lines += outcome_lines(loop.outcome, name_of, metrics.short(loop.outcome.metric))
    elif loop.end is not None and loop.best is None and _has_metrics(store, loop):
        lines.append(
            "no config is called better: no metric of these runs has a known better direction; set `lower` or `higher` "
            "under [metrics] in autoloop.toml"
        )
    elif loop.end is not None and loop.best is not None and (base := _lost_baseline(store, loop)):
        lines.append(
            f"no config is called better: the baseline, {base.name} ({base.id}), has no result ({base.state.value})"
        )
    if best := loop.best:
        run = store.run(best.run)
        lines.append(f"{best.word} last {metrics.short(best.metric)}: {number(best.value)}, {run.name} ({run.id})")
    return lines + ([then] if (then := then_line(store, loop)) else [])


def _lost_baseline(store: Store, loop: Loop) -> Run | None:
    """The first run of the loop, if no run of its config has finished; else None."""
    runs = store.runs(loop.id, 1)
    of_first = [run for run in runs if run.id == runs[0].id or (run.group and run.group == runs[0].group)]
    return None if not runs or any(run.state is RunState.FINISHED for run in of_first) else runs[0]


def _has_metrics(store: Store, loop: Loop) -> bool:
    newest = store.newest_in(loop.id, RunState.FINISHED, 1)
    return any(run.summary and run.summary.metrics for run in newest)


def winner_label(store: Store, winner: str) -> str:
    """The label of the config that met --until. `winner`: the first of its runs, whose mean was judged."""
    from autoloop.metrics import by_config, config_label

    run = store.run(winner)
    finished = [each for each in store.runs(run.loop, run.round) if each.state is RunState.FINISHED]
    return config_label(run, next((len(members) for members in by_config(finished) if run in members), 1))


def then_proposal(store: Store, loop: Loop) -> Proposal | None:
    """Return the proposal of the long training for `--then extend=…`; None in other loops and before there is a winner."""
    if loop.spec.extend_winner is None:
        return None
    made = store.proposals(loop.id, store.last_round(loop.id).number)
    return next((each for each in made if each.extend is not None), None)


def then_line(store: Store, loop: Loop) -> str | None:
    """Return the progress of `--then extend=…` as a line; None in a loop without it."""
    steps = loop.spec.extend_winner
    if steps is None:
        return None
    proposal = then_proposal(store, loop)
    if proposal is not None:
        return f"then: {_stands(store, proposal)}"
    if loop.outcome is not None and not loop.outcome.better and loop.end is not None:
        return "then: no run is extended, because no config has been shown to be better than the baseline"
    if loop.state is LoopState.FINISHED:
        return "then: no run is extended, because the runs do not show which config is better than the baseline"
    return f"then: extend the winner to {steps} steps"


def _stands(store: Store, proposal: Proposal) -> str:
    base = store.run(proposal.base_run)
    name, steps = f"{base.name} ({base.id})", f"{proposal.extend} steps"
    if proposal.run:
        run = store.run(proposal.run)
        reason = f": {run.reason}" if run.reason and run.state.ended else ""
        again = "" if run.id == base.id else f" again as {run.id}"
        return f"{name} is trained{again} to {steps}: {run.state.value}, step {run.step} of {run.total_steps}{reason}"
    if proposal.status is ProposalStatus.PENDING:
        return f"{name} waits for a decision on continuing to {steps}: proposal {proposal.id}"
    if proposal.status is ProposalStatus.REJECTED:
        return f"{name} is not continued to {steps}: rejected by {proposal.decided_by}"
    if proposal.status is ProposalStatus.BLOCKED:
        return f"{name} is not continued to {steps}: {proposal.blocked}"
    return f"{name} will be continued to {steps} shortly"
