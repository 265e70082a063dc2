"""The entry point of `autoloop-tui`.

Without arguments on a terminal, it opens the console and never loads the command line.
"""

from __future__ import annotations

import contextlib
import os
import sys


def main() -> None:
    """The console script. Exit codes are those of the command line; see `cli`."""
    _trust_the_project_last()
    if sys.argv[1:] == ["--version"]:
        from importlib.metadata import version

        print(version("autoloop-tui"))
        return
    from autoloop_tui.console import opening

    if len(sys.argv) > 1 or not opening.has_screen():
        from autoloop_tui.cli.main import main as command_line

        command_line()
        return
    from pathlib import Path

    from autoloop.model import UserError

    try:
        sys.exit(opening.console_or_welcome(Path.cwd()))
    except UserError as error:
        print(f"autoloop-tui: {error}", file=sys.stderr)
        sys.exit(2)


def _trust_the_project_last() -> None:
    """Move PYTHONPATH and the working folder of `python -m` to the end of the import path.

    They are meant for trainers: a `queue.py` there must not replace the standard library's, nor an `autoloop` ours. The
    finder of an editable install comes after the whole path, so `autoloop` is imported before these entries are added back.
    """
    try:
        given = {os.path.abspath(entry) for entry in ("", *os.environ.get("PYTHONPATH", "").split(os.pathsep))}
        last = [entry for entry in sys.path if os.path.abspath(entry) in given]
    except FileNotFoundError:  # the working folder no longer exists; the command reports it
        return
    sys.path[:] = [entry for entry in sys.path if entry not in last]
    with contextlib.suppress(ImportError):  # PYTHONPATH may be what provides it
        import autoloop  # noqa: F401
    sys.path += last


if __name__ == "__main__":
    main()
