"""`run`: plan a loop, and with --exec make it real."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from autoloop.model import UserError
from autoloop.settings import load_settings
from cyclopts import Parameter

from autoloop_tui.cli.options import NONE_GIVEN, Flags, loop_spec
from autoloop_tui.cli.start_loop import plan_or_run


def run(
    *,
    options: Flags = NONE_GIVEN,
    accepted: Annotated[Callable[[], None] | None, Parameter(parse=False)] = None,
) -> int:
    """Plan a loop of rounds; with --exec, run it. Without --exec the plan is printed and nothing is written.

    Parameters
    ----------
    accepted
        Not a flag: called when everything has been checked and before anything is made.
    """
    if options.json and options.exec_ and not options.detach:
        raise UserError("--json prints the plan, or what --detach started; leave it away, or add --detach.")
    cwd = Path.cwd()
    settings = load_settings(cwd)
    return plan_or_run(
        loop_spec(options, cwd, settings),
        settings,
        execute=options.exec_,
        no_ui=options.no_ui,
        detach=options.detach,
        as_json=options.json,
        accepted=accepted,
    )
