"""Why a loop ends or stops after a round has been judged, with the texts."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.engine.base.context import Context
from autoloop.metrics import ConfigSummary
from autoloop.model import ApprovalMode, LoopEnd, LoopEndKind, Proposal, ProposalStatus, Round, Run


def met_until(context: Context, winner: ConfigSummary) -> LoopEnd:
    """The end of a loop whose winner meets --until. Records the winner."""
    spec, first = context.spec, winner.run
    text = f"{winner.name} meets --until {spec.until}"
    if first.confirms is not None:
        first = context.store.run(first.confirms)
        seeds = len(winner.runs)
        context.update_loop(winner=first.id, winner_seeds=seeds)
        text = f"{first.name} ({first.id}) meets --until {spec.until}, confirmed on {seeds} fresh seeds"
    else:
        context.update_loop(winner=first.id, winner_seeds=0)
        if len(winner.runs) == 1:
            text += " in one run"
    return LoopEnd(kind=LoopEndKind.WINNER, text=text)


def rounds_done(context: Context, round_: Round, finished: Sequence[Run], once: Sequence[ConfigSummary]) -> LoopEnd:
    """The end of a loop after its last round. `once`: configs that meet --until in runs not confirmed on fresh seeds."""
    until = context.spec.until
    text = f"all {round_.number} rounds done" if round_.number > 1 else "its round has finished"
    if not finished:
        text += f"; no run of round {round_.number} finished"
    if until is not None and once:
        text += f"; {once[0].name} met --until {until} in one run and was not confirmed on fresh seeds"
    elif until is not None and any(run.confirms for run in context.store.runs(context.loop_id)):
        text += f"; no config met --until {until} on fresh seeds"
    elif until is not None:
        text += f"; no run met --until {until}"
    return LoopEnd(kind=LoopEndKind.ROUNDS_DONE, text=text)


def nothing_judged(context: Context, round_: Round, finished: Sequence[Run]) -> LoopEnd:
    """The end of a loop with a round in which rules cannot judge any run."""
    if not finished:
        text = "no run of the round finished, so nothing can be judged; `autoloop-tui retry RUN` queues a run again"
        return LoopEnd(kind=LoopEndKind.NO_RUN_FINISHED, text=text)
    first = context.store.run(finished[0].id)
    text = (
        f"no finished run of round {round_.number} could be judged; the first: {first.name} is {first.reason}; "
        "`autoloop-tui resume --rules FILE` judges them with other rules"
    )
    return LoopEnd(kind=LoopEndKind.NOT_JUDGED, text=text)


def nothing_to_run(context: Context, round_: Round, proposals: Sequence[Proposal]) -> LoopEnd | None:
    """The end of a loop without a next round: there are no proposals, or all are blocked and no user is asked to edit them.
    None otherwise."""
    spec = context.spec
    if not proposals:
        text = "The rules proposed nothing for the next round; stopping."
        if spec.search:
            whose = "rules and search" if spec.decide else "the search"
            text = f"no proposals: {whose} found nothing else to try"
        return LoopEnd(kind=LoopEndKind.NO_PROPOSALS, text=text)
    if spec.approve.mode is not ApprovalMode.MANUAL and all(p.status is ProposalStatus.BLOCKED for p in proposals):
        text = f"every proposal for round {round_.number + 1} is blocked; the first: {proposals[0].blocked}"
        return LoopEnd(kind=LoopEndKind.ALL_BLOCKED, text=text)
    return None
