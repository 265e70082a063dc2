"""From a key to an extended run: the new total of steps is asked for and judged while one types, then sent."""

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
"""Digits that are read as a number of steps; more make no sense."""


def extend_run(host: ConsoleHost, view: View, run: Run) -> None:
    """Ask to how many steps an ended run shall go on, and have it done; says why where it cannot go on."""
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
