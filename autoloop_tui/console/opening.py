"""Opening the console, the welcome and a plan on a terminal. Imports nothing of the command line: the first paint
counts."""

from __future__ import annotations

import gc
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoloop.engine import LoopPlan


def has_screen() -> bool:
    """Whether a person sits at a terminal that can be drawn on."""
    return _terminal() and why_no_screen() is None


def why_no_screen() -> str | None:
    """Why the terminal at which a person sits cannot show the console, in a sentence."""
    term = os.environ.get("TERM", "")
    if not _terminal() or term not in ("", "dumb", "unknown"):
        return None
    what = f"TERM={term}" if term else "TERM is not set"
    return (
        f"This terminal cannot show the console ({what}); if it supports full-screen programs, set TERM, for "
        "example to xterm-256color."
    )


def _terminal() -> bool:
    """The console draws on stderr, so that counts as well."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__))


def console_or_welcome(
    project: Path,
    loop: str | None = None,
    *,
    theme: str | None = None,
    ascii_only: bool | None = None,
    readonly: bool = False,
) -> int:
    """The console on a loop of the project, or what to type where it has none yet."""
    from autoloop.store import NoLoopError

    try:
        return open_console(project, loop, theme=theme, ascii_only=ascii_only, readonly=readonly)
    except NoLoopError:
        from autoloop_tui.console.full_screen import run_on_terminal
        from autoloop_tui.console.screens.welcome import WelcomeApp

        app = WelcomeApp(project)
        code = run_on_terminal(lambda: app, project, mouse=False)
        if app.chosen:
            from autoloop import isolated

            argv = isolated.command("autoloop_tui", *app.chosen)
            os.execv(argv[0], argv)
        return code


def open_remote(
    host: str,
    folder: str | None = None,
    loop: str | None = None,
    *,
    program: str | None = None,
    theme: str | None = None,
    ascii_only: bool | None = None,
    readonly: bool = False,
) -> int:
    """The console on a loop of another machine. UserError where there is no connection."""
    from autoloop_tui.console.remote.link import Link, Where, command
    from autoloop_tui.console.remote.mirror import Mirror

    where = Where(host, folder, *([program] if program else []))
    command(where, batch=False)  # refused before anything is made
    mirror = Mirror()
    link = Link(where, loop, mirror)
    try:
        print(f"Connecting to {host} …", file=sys.stderr)
        link.wait()
        from autoloop_tui.console.full_screen import run_on_terminal
        from autoloop_tui.console.preferences import Preferences
        from autoloop_tui.console.remote.feed import RemoteFeed
        from autoloop_tui.console.remote_app import RemoteApp

        preferences = Preferences.load(os.environ)
        if theme:
            preferences.theme = theme
        options: dict[str, Any] = {"preferences": preferences, "ascii_only": ascii_only, "readonly": readonly}
        # A crash is no file of the mirror, which goes with the console.
        return run_on_terminal(
            lambda: RemoteApp(RemoteFeed(link, mirror, loop), **options), Path(os.devnull), mouse=preferences.mouse
        )
    finally:
        link.close()
        mirror.close()


def serve_console(project: str | None) -> int:
    """The other end of `open_remote`."""
    from autoloop_tui.console.remote.serving import serve

    return serve(Path(project or "").expanduser().resolve())


def open_console(
    project: Path,
    loop: str | None = None,
    *,
    theme: str | None = None,
    ascii_only: bool | None = None,
    readonly: bool = False,
    replay_speed: float | None = None,
) -> int:
    """Run the console until it is quit; its exit code. UserError passes through, so NoLoopYet does."""
    # Collections while a hundred modules load find nothing and take a fifth of the time to the first paint.
    gc.disable()
    from autoloop_tui.console.app import ConsoleApp
    from autoloop_tui.console.full_screen import run_on_terminal
    from autoloop_tui.console.preferences import Preferences

    preferences = Preferences.load(os.environ)
    if theme:
        preferences.theme = theme
    if replay_speed is not None:
        from autoloop_tui.console.replay_app import ReplayApp
        from autoloop_tui.console.replaying import ReplayFeed

        feed = partial(ReplayFeed, project, loop, speed=replay_speed)
        replay = partial(ReplayApp, project, preferences=preferences, ascii_only=ascii_only)
        return run_on_terminal(lambda: replay(feed()), project, mouse=preferences.mouse)
    made = partial(ConsoleApp, project, loop, preferences=preferences, ascii_only=ascii_only, readonly=readonly)
    return run_on_terminal(made, project, mouse=preferences.mouse)


def confirm_plan(plan: LoopPlan, text: str) -> bool:
    """Show a plan on the screen; True when a person says that it shall run."""
    from autoloop_tui.console.full_screen import run_on_terminal
    from autoloop_tui.console.screens.plan import PlanApp

    app = PlanApp(plan.name, text)
    run_on_terminal(lambda: app, app.project)
    return app.return_value is True
