"""Starts the next round, or holds it."""

from __future__ import annotations

import msgspec

from autoloop.engine.commands.command import CommandContext
from autoloop.model import ProposalStatus, RoundState, UserError
from autoloop.protocol import Hold, Start


def start(command: CommandContext, request: Start) -> str:
    """Start the next round with the approved proposals; those still pending are not run."""
    context = command.context
    current = context.store.last_round(context.loop_id)
    if current.state is not RoundState.DECIDING:
        raise UserError(
            f"Round {current.number} is {current.state.value}; the next round can start once it has been judged."
        )
    proposals = command.proposals.for_next_round(current.number)
    if not any(proposal.status is ProposalStatus.APPROVED for proposal in proposals):
        raise UserError(f"Nothing is approved for round {current.number + 1}; approve a proposal first.")
    context.store.put_round(msgspec.structs.replace(current, start_asked=True))
    context.update_loop(held=False)
    return "the next round starts with the approved proposals"


def hold(command: CommandContext, request: Hold) -> str:
    """Hold the next round, even if its start was requested, or release it."""
    context = command.context
    current = context.store.last_round(context.loop_id)
    if request.held and current.start_asked:
        context.store.put_round(msgspec.structs.replace(current, start_asked=False))
    context.update_loop(held=request.held)
    return "the next round is held until `start`" if request.held else "the next round starts automatically again"
