"""Rows with the notes of people and agents on the item shown. Pure."""

from __future__ import annotations

import time
from collections.abc import Sequence

from autoloop.model import Note, NoteTarget, Run

from autoloop_tui.console.drawing.cutting import wrapped
from autoloop_tui.console.drawing.pieces import Piece


def note_text(note: Note, *, named: bool = False) -> str:
    """Return `agent:codex, 01-02 14:30: it diverges`; `named`: include what the note is about."""
    when = time.strftime("%m-%d %H:%M", time.localtime(note.at))
    about = f" on {note.where}" if named and note.about else ""
    return f"{note.author}{about}, {when}: {note.text}"


def notes_on(notes: Sequence[Note], target: NoteTarget, about: str) -> list[Note]:
    """Return the notes on an item, newest first."""
    return [note for note in reversed(notes) if note.target is target and note.about == about]


def notes_of_run(notes: Sequence[Note], run: Run) -> list[Note]:
    """Return the notes on a run and on its round, newest first."""
    round_ = str(run.round)
    return [
        note
        for note in reversed(notes)
        if (note.target is NoteTarget.RUN and note.about == run.id)
        or (note.target is NoteTarget.ROUND and note.about == round_)
    ]


def note_rows(notes: Sequence[Note], width: int, *, most: int | None = None) -> list[list[Piece]]:
    """Return indented rows below a heading; at most `most` rows."""
    rows: list[list[Piece]] = [[("notes", "bold key")]] if notes else []
    for note in notes:
        for at, line in enumerate(wrapped(note_text(note, named=note.target is NoteTarget.ROUND), width - 4)):
            rows.append([("  " if at == 0 else "    ", ""), (line, "")])
    return rows[:most]
