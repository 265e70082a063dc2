"""`autoloop-tui` without a command: the console on the newest loop, or a welcome screen if there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from autoloop.model import UserError
from autoloop.text.suggest import did_you_mean
from cyclopts import Parameter

from autoloop_tui.console import opening


def console(
    *,
    loop: str | None = None,
    theme: str | None = None,
    readonly: bool = False,
    ascii_: Annotated[bool | None, Parameter(name="--ascii", negative="")] = None,
    host: str | None = None,
    project: str | None = None,
    program: str | None = None,
) -> int:
    """Open the console on a loop of this project. Quitting it stops nothing.

    Parameters
    ----------
    loop
        Which loop (name or number); the newest by default.
    theme
        Theme for this session; `autoloop-tui themes` lists them.
    readonly
        Read-only: no key sends a command to the engine.
    ascii_
        Draw with ASCII characters only.
    host
        Show a loop on this SSH host; the console runs here.
    project
        With --host: the project folder on the host; by default the home folder.
    program
        With --host: the path of autoloop-tui on the host, if it is not on PATH.
    """
    if host is None and (project or program):
        raise UserError(
            f"--{'project' if project else 'program'} only works with --host; without it, change to the project's folder."
        )
    if theme is not None:
        from autoloop_tui.console.theming.theme_files import load_themes

        names = load_themes(Path.cwd()).themes
        if theme not in names:
            meant = did_you_mean(theme, names, "`autoloop-tui themes` lists them.")
            raise UserError(f"There is no theme {theme}; {meant}")
    if host is not None:
        if not opening.has_screen():
            raise UserError(
                opening.why_no_screen() or f"--host needs a terminal; `ssh {host} autoloop-tui status` prints the same."
            )
        return opening.open_remote(host, project, loop, program=program, theme=theme, ascii_only=ascii_, readonly=readonly)
    if not opening.has_screen():
        from autoloop_tui.cli.commands.inspect import status

        if reason := opening.why_no_screen():
            print(f"autoloop-tui: {reason}", file=sys.stderr)
        return status(loop=loop)
    return opening.console_or_welcome(Path.cwd(), loop, theme=theme, ascii_only=ascii_, readonly=readonly)


def serve_console(*, project: str | None = None) -> int:
    """Serve a remote console over standard input and output. `autoloop-tui --host` starts this through SSH.

    Parameters
    ----------
    project
        The project folder; by default the working folder.
    """
    return opening.serve_console(project)
