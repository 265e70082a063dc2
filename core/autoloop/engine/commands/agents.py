"""Holds all agents: while a user investigates, they can read but not send requests."""

from __future__ import annotations

import time

import msgspec

from autoloop.engine.commands.command import CommandContext
from autoloop.model import AgentsHeld, EventKind, Loop, Sender, UserError
from autoloop.protocol import Agents
from autoloop.store import Store


def agents(command: CommandContext, request: Agents) -> str:
    return hold_agents(command.context.store, command.context.loop, request.held, command.sender)


def hold_agents(store: Store, loop: Loop, held: bool, sender: Sender) -> str:
    """Hold or release the agents of a loop. Part of the caller's transaction."""
    if held and loop.agents_held:
        return f"agents are held already ({loop.agents_held.words})"
    if not held and not loop.agents_held:
        raise UserError("Agents are not held.")
    by = AgentsHeld(by=sender.words, at=time.time()) if held else None
    store.put_loop(msgspec.structs.replace(loop, agents_held=by))
    said = "all agents are held: they can read but not send requests" if held else "agents may send requests again"
    store.add_event(loop.id, EventKind.NOTE, f"{said} (by {sender.words})")
    return said
