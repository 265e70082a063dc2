"""`autoloop-tui` alone: the console on the newest loop, or a welcome where there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from autoloop.engine import LoopPlan


def register(app: App) -> None:
    app.default(console)


def has_screen() -> bool:
    """Whether a person sits at a terminal. The console draws on stderr, so that counts as well."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__))


def console(
    *,
    loop: str | None = None,
    theme: str | None = None,
    ascii_: Annotated[bool | None, Parameter(name="--ascii", negative="")] = None,
) -> int:
    """Open the console on a loop of this project. Quitting it stops nothing.

    Parameters
    ----------
    loop
        Which loop (name or number); the newest by default.
    theme
        A theme's name, for this time; `autoloop-tui themes` lists them.
    ascii_
        Draw with ASCII characters only.
    """
    from autoloop.store import NoLoopYet

    if not has_screen():
        from autoloop_tui.commands_loops import status

        return status(loop=loop)
    try:
        return open_console(Path.cwd(), loop, theme=theme, ascii_only=ascii_)
    except NoLoopYet:
        from autoloop_tui.screens.welcome import WelcomeApp

        WelcomeApp(Path.cwd()).run(mouse=False)
        return 0


def open_console(
    project: Path, loop: str | None = None, *, theme: str | None = None, ascii_only: bool | None = None
) -> int:
    """Run the console until it is quit; 0. NoLoopYet passes through."""
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
