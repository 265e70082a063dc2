"""Requests that can be carried out without an engine, because no run depends on them."""

from __future__ import annotations

from autoloop.engine.commands.agents import hold_agents
from autoloop.engine.commands.notes import write_note
from autoloop.engine.commands.permission import check_early
from autoloop.model import Loop, Sender
from autoloop.protocol import Agents, Note
from autoloop.store import Store


def carry_out_directly(store: Store, loop: Loop, asked: Note | Agents, sender: Sender) -> str:
    """Write a note, or hold or release the agents, for a loop without an engine. Raises UserError if that is refused."""
    check_early(store, loop, sender, asked)
    with store.transaction():
        number = store.send(loop.id, asked, sender)
        now = store.loop(loop.id)
        if isinstance(asked, Note):
            said = write_note(store, now, asked, sender, number)
        else:
            said = hold_agents(store, now, asked.held, sender)
        store.answer(number, True, said)
    return said
