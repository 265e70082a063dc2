"""`run`: plan a loop, and with --exec run it."""

from __future__ import annotations

from pathlib import Path

from autoloop.model import UserError
from autoloop.settings import load_settings

from autoloop_tui.cli.options import NO_FLAGS, Flags, loop_spec
from autoloop_tui.cli.start_loop import start_loop


def run(*, options: Flags = NO_FLAGS) -> int:
    """Plan a loop of rounds; with --exec, run it. Without --exec the plan is printed and nothing is written."""
    if options.json and options.exec_ and not options.detach:
        raise UserError("--json prints a plan, or the loop started with --detach; omit --json, or add --detach.")
    cwd = Path.cwd()
    settings = load_settings(cwd)
    return start_loop(loop_spec(options, cwd, settings), settings, options, as_json=options.json)
