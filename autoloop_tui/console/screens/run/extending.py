"""Extending a run: ask for the new total number of steps, check it while it is being typed, and send the request."""

from __future__ import annotations

from autoloop.engine.planning.frozen import preset_of
from autoloop.engine.runs.resume import refusal
from autoloop.model import LoopState, Run, UserError
from autoloop.protocol import Extend

from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.screens.base import ConsoleHost
from autoloop_tui.console.screens.dialogs import Ask

LONGEST = 12
"""Maximum number of digits of a number of steps."""


def extend_run(host: ConsoleHost, view: View, run: Run) -> None:
    """Ask for the new total of steps of an ended run and extend it; show why if it cannot be extended."""
    try:
        preset = preset_of(host.feed.store.places, view.loop)
    except UserError as error:
        host.show_message(str(error), ok=False)
        return
    if problem := refusal(preset, run):
        host.show_message(problem, ok=False)
        return

    def check(text: str) -> str | None:
        text = text.strip()
        if not text.isdecimal():
            return "Type the new total number of steps, as a whole number."
        return refusal(preset, run, int(text[:LONGEST]))

    def explain(text: str) -> str:
        return f"{int(text) - run.step} more steps"

    def answered(text: str | None) -> None:
        if text is not None:
            host.ask_waking(Extend(run=run.id, steps=int(text.strip()[:LONGEST])))

    why = f"It has made {run.step} steps and continues from its last checkpoint, in the same output directory."
    if view.loop.state is LoopState.STOPPED:
        why += " The loop was stopped; it continues with its queue."
    what = f"Extend {plain(run.name)} ({run.id}) to how many steps in total?"
    host.push_screen(Ask(what, why, value=str(2 * run.step), needed=True, check=check, explain=explain), answered)
