"""Opening the console, the welcome screen and a plan on a terminal. To keep the first paint fast, nothing of the command
line is imported here."""

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
    """Return whether the process runs on a terminal that can display the console."""
    return _terminal() and why_no_screen() is None


def why_no_screen() -> str | None:
    """Return why the terminal cannot display the console, as a sentence; None if it can or there is no terminal."""
    term = os.environ.get("TERM", "")
    if not _terminal() or term not in ("", "dumb", "unknown"):
        return None
    what = f"TERM={term}" if term else "TERM is not set"
    return (
        f"This terminal cannot show the console ({what}); if it supports full-screen programs, set TERM, for "
        "example to xterm-256color."
    )


def _terminal() -> bool:
    """Return whether stdin, stdout and stderr are terminals. The console draws on stderr, so it counts as well."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.__stderr__))


def console_or_welcome(
    project: Path,
    loop: str | None = None,
    *,
    theme: str | None = None,
    ascii_only: bool | None = None,
    readonly: bool = False,
) -> int:
    """Open the console for a loop of the project, or the welcome screen if the project has no loop yet."""
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
    """Open the console for a loop on another machine. Raises UserError if the connection fails."""
    from autoloop_tui.console.remote.link import Link, RemoteProject, command
    from autoloop_tui.console.remote.mirror import Mirror

    where = RemoteProject(host, folder, *([program] if program else []))
    command(where, batch=False)  # reject an invalid host before anything is created
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
        # No crash file in the mirror, which is deleted with the console.
        return run_on_terminal(
            lambda: RemoteApp(RemoteFeed(link, mirror, loop), **options), Path(os.devnull), mouse=preferences.mouse
        )
    finally:
        link.close()
        mirror.close()


def serve_console(project: str | None) -> int:
    """Serve a console that another machine opened with `open_remote`."""
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
    """Run the console until it is quit; return its exit code. UserError is propagated, including NoLoopError."""
    # Collecting garbage while a hundred modules load finds nothing and takes a fifth of the time to the first paint.
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
    """Show a plan on the screen; return True if the user chooses to run it."""
    from autoloop_tui.console.full_screen import run_on_terminal
    from autoloop_tui.console.screens.plan import PlanApp

    app = PlanApp(plan.name, text, "It will train on the CPU." if plan.spec.device == "cpu" else "It will use GPU time.")
    run_on_terminal(lambda: app, app.project)
    return app.return_value is True
