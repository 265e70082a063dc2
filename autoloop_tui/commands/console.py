"""`autoloop-tui` alone: the console on the newest loop, or a welcome where there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from autoloop_tui import on_screen


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
    if not on_screen.has_screen():
        from autoloop_tui.commands.loops import status

        if reason := on_screen.why_no_screen():
            print(f"autoloop-tui: {reason}", file=sys.stderr)
        return status(loop=loop)
    return on_screen.console_or_welcome(Path.cwd(), loop, theme=theme, ascii_only=ascii_)
