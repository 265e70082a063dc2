"""The state of a proposal as shown in its row; for one that has run, its result. Pure."""

from __future__ import annotations

from autoloop.model import Call, Proposal
from autoloop.verdicts import Fate, Result
from autoloop.verdicts.wording import result_texts

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import cells, look, plain
from autoloop_tui.console.drawing.pieces import Piece


def state_piece(proposal: Proposal, result: Result | None, width: int, *, glyphs: Glyphs) -> Piece:
    """Return the first wording that fits into `width` (at least 10) cells, so that no number is truncated."""
    if result is None:
        seen = look(proposal.status.value)
        return seen.text(glyphs, short=cells(seen.text(glyphs)) > width), seen.variable
    mark, names = result_look(result, glyphs)
    texts = [f"{mark} {plain(text)}" for text in result_texts(result)]
    return next((text for text in texts if cells(text) <= width), texts[-1]), names


def result_look(result: Result, glyphs: Glyphs) -> tuple[str, str]:
    """Return symbol and colour; among finished runs, only differences shown over seeds are coloured."""
    if result.fate is not Fate.RAN:
        seen = look(result.fate.value)
        return seen.mark(glyphs), seen.variable
    call = result.verdict.call if result.verdict else Call.NOT_ENOUGH
    if call is Call.NO_DIFFERENCE:
        return glyphs.about, "dim"
    if call is Call.BETTER:
        return look("finished").mark(glyphs), "slot-finished"
    if call is Call.WORSE:
        return look("failed").mark(glyphs), "slot-warn"
    return look("idle").mark(glyphs), "" if call.decided else "dim"
