"""Why a run did not finish, what a live rule asks about it, or which metric shows divergence. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from autoloop.model import Run, RunState, Series

from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.paint import look, plain
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.divergence import divergence
from autoloop_tui.console.present.proposals.queue import why


def cause(view: View, run: Run, columns: Mapping[str, Series], decides: str, glyphs: Glyphs) -> tuple[str, str]:
    """Return the text and its look; empty if there is nothing to say. `columns`: its metrics so far; `decides`: the key of
    the screen that answers a rule."""
    attempt = view.snapshot.attempts.get(run.id)
    if asked := view.questions.get(run.id):
        does = "relaunch it with edits" if asked.edits else "stop it"
        text = f"live rule {asked.origin} asks to {does}: {asked.reason}"
        return f"{look('pending').mark(glyphs)} {text}; {decides} decides", "slot-warn"
    reason = why(run) or (attempt.cause if attempt else None)
    if not run.state.ended or run.state is RunState.FINISHED or not reason:
        bad = divergence(columns, view.metrics)
        said = f"{plain(view.metrics.short(bad.metric))} not finite since step {bad.since}" if bad else ""
        return (f"{look('warning').mark(glyphs)} {said}", "slot-failed") if said else ("", "")
    seen = look(run.state.value)
    failed = attempt is not None and run.state is not RunState.STOPPED
    details = attempt.diagnosis.details if attempt and attempt.diagnosis and failed else []
    told = [f"{seen.mark(glyphs)} {reason}", *reversed(details)]
    if successor := view.relaunched.get(run.id):
        told.append(f"relaunched as {successor.name} ({successor.id})")
    return glyphs.dot.join(told), seen.variable
