"""`doctor`: what a run needs is checked, and nothing is started. `run --exec` makes the same checks first."""

from __future__ import annotations

from pathlib import Path

from autoloop.settings import load_settings

from autoloop_tui.cli import checking
from autoloop_tui.cli.options import NO_FLAGS, Flags, loop_spec
from autoloop_tui.cli.output import findings, printing


def doctor(*, options: Flags = NO_FLAGS) -> int:
    """Check everything that a run needs, without starting one; exit code 1 if something is wrong.

    The training environment, every config as the trainer's own classes read it, the rules, the GPUs, the disk, W&B.
    Takes every flag of `run`, so that its command can be checked as it stands; --exec starts nothing here.
    """
    cwd = Path.cwd()
    settings = load_settings(cwd)
    found = findings.without_secrets(checking.check_spec(loop_spec(options, cwd, settings), settings))
    print(findings.as_json(found) if options.json else findings.as_text(found, printing.across()))
    return 1 if any(each.level == "error" for each in found) else 0
