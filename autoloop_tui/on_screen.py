"""Opening the console, the welcome and a plan on a terminal. Imports nothing of the command line: the first paint
counts."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autoloop.engine import LoopPlan


def has_screen() -> bool:
    """Whether a person sits at a terminal. The console draws on stderr, so that counts as well."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__))


def console_or_welcome(
    project: Path, loop: str | None = None, *, theme: str | None = None, ascii_only: bool | None = None
) -> int:
    """The console on a loop of the project, or what to type where it has none yet."""
    from autoloop.store import NoLoopYet

    try:
        return open_console(project, loop, theme=theme, ascii_only=ascii_only)
    except NoLoopYet:
        from autoloop_tui.screens.welcome import WelcomeApp

        WelcomeApp(project).run(mouse=False)
        return 0


def open_console(
    project: Path, loop: str | None = None, *, theme: str | None = None, ascii_only: bool | None = None
) -> int:
    """Run the console until it is quit; 0. NoLoopYet passes through."""
    # Collections while a hundred modules load find nothing and take a fifth of the time to the first paint.
    gc.disable()
    from autoloop_tui.app import ConsoleApp
    from autoloop_tui.preferences import Preferences

    preferences = Preferences.load(os.environ, project)
    if theme:
        preferences.theme = theme
    app = ConsoleApp(project, loop, preferences=preferences, ascii_only=ascii_only)
    app.run(mouse=preferences.mouse)
    return app.return_code or 0


def confirm_plan(plan: LoopPlan, text: str) -> bool:
    """Show a plan on the screen; True when a person says that it shall run."""
    from autoloop_tui.screens.plan import PlanApp

    return PlanApp(plan.name, text).run() is True
