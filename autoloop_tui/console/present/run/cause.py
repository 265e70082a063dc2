"""Why a run did not finish, or what a live rule asks about it. Pure."""

from __future__ import annotations

from autoloop.model import Run, RunState

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import look
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.proposals.queue import why


def cause(view: View, run: Run, decides: str, glyphs: Glyphs) -> tuple[str, str]:
    """Return the text and its look; empty if there is nothing to say. `decides`: the key of the screen that answers a
    rule."""
    attempt = view.snapshot.attempts.get(run.id)
    if asked := view.questions.get(run.id):
        does = "relaunch it with edits" if asked.edits else "stop it"
        text = f"live rule {asked.origin} asks to {does}: {asked.reason}"
        return f"{look('pending').mark(glyphs)} {text}; {decides} decides", "slot-warn"
    reason = why(run) or (attempt.cause if attempt else None)
    if not run.state.ended or run.state is RunState.FINISHED or not reason:
        return "", ""
    seen = look(run.state.value)
    failed = attempt is not None and run.state is not RunState.STOPPED
    details = attempt.diagnosis.details if attempt and attempt.diagnosis and failed else []
    told = [f"{seen.mark(glyphs)} {reason}", *reversed(details)]
    if successor := view.relaunched.get(run.id):
        told.append(f"relaunched as {successor.name} ({successor.id})")
    return glyphs.dot.join(told), seen.variable
