"""Notes of users and agents on a loop, its rounds, runs and proposals. Nothing depends on them, so they need no engine."""

from __future__ import annotations

import time

from autoloop import protocol
from autoloop.engine.commands.command import CommandContext
from autoloop.logs import one_line
from autoloop.model import EventKind, Loop, Note, NoteTarget, Sender, UserError
from autoloop.secrets import mask
from autoloop.store import Store

MOST_NOTES = 2000
"""Maximum notes per loop; no one would read more."""


def note(command: CommandContext, request: protocol.Note) -> str:
    context = command.context
    return write_note(context.store, context.loop, request, command.sender, command.number)


def write_note(store: Store, loop: Loop, asked: protocol.Note, sender: Sender, number: int) -> str:
    """Store a note. An identical note of the same author is not stored again, so a retry has no effect."""
    about, run = _what(store, loop, asked)
    text = mask(one_line(asked.text))
    if not text:
        raise UserError("The note is empty.")
    known = store.notes(loop.id)
    note = Note(
        id=store.next_id("notes"),
        loop=loop.id,
        target=asked.target,
        about=about,
        text=text,
        author=sender.actor,
        at=time.time(),
        command=number,
    )
    if any((each.target, each.about, each.text, each.author) == (note.target, about, text, note.author) for each in known):
        return f"the note on {note.where} already exists"
    if len(known) >= MOST_NOTES:
        raise UserError(f"{loop.name} already has {MOST_NOTES} notes, which is the limit.")
    store.put_note(note)
    store.add_event(loop.id, EventKind.NOTE, f"{note.author} notes on {note.where}: {text}", run)
    return f"noted on {note.where}"


def _what(store: Store, loop: Loop, asked: protocol.Note) -> tuple[str, str | None]:
    """The subject of a note in its stored form, and the run concerned, if any. Raises UserError if the loop has no such
    subject."""
    target, about = asked.target, asked.about.strip()
    if target is NoteTarget.LOOP:
        return "", None
    if target is NoteTarget.RUN:
        run = store.find_run(loop, about)
        return run.id, run.id
    bases = {str(each.id): each.base_run for each in store.proposals(loop.id)}
    known = bases if target is NoteTarget.PROPOSAL else {str(each.number): None for each in store.rounds(loop.id)}
    if about not in known:
        raise UserError(f'{loop.name} has no {target.value} "{about}"; name it by its number.')
    return about, known[about]
