"""`note`: add a note to a loop, round, run or proposal."""

from __future__ import annotations

from autoloop.model import LONGEST_NOTE, NoteTarget, UserError
from autoloop.protocol import Note

from autoloop_tui import client
from autoloop_tui.cli.output import printing
from autoloop_tui.cli.parameters import LoopName


def note(target: str, /, *words: str, loop: LoopName = None) -> int:
    """Add a note to a loop, round, run or proposal. It is shown there, with author and time, and in both reports.

    Parameters
    ----------
    target
        A run's id or name; or `loop`; or `round` or `proposal`, followed by its number.
    words
        The text.
    """
    kind, about, text = NoteTarget.RUN, target, " ".join(words).strip()
    if target == "loop":
        kind, about = NoteTarget.LOOP, ""
    elif target in ("round", "proposal"):
        kind, about, text = NoteTarget(target), words[0] if words else "", " ".join(words[1:]).strip()
        if not about.isdecimal():
            raise UserError(f'Name the {target} by its number: `autoloop-tui note {target} 2 "…"`.')
    if not text:
        raise UserError(f'Give the text of the note after "{" ".join([target, *words])}".')
    if len(text) > LONGEST_NOTE:
        raise UserError(f"A note has at most {LONGEST_NOTE} characters; this one has {len(text)}.")
    with client.opened(loop) as (store, found):
        return printing.print_answer(client.ask_or_do(store, found, Note(text=text, target=kind, about=about)))
