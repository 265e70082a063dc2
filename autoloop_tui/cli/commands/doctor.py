"""`doctor`: check everything that a run needs, without starting one. `run --exec` makes the same checks first."""

from __future__ import annotations

import os
from pathlib import Path

from autoloop.files import read_text
from autoloop.model import LoopSpec
from autoloop.settings import FILE, load_settings
from autoloop.toml import parse_toml
from autoloop.trainers import load_preset

from autoloop_tui.cli import checking
from autoloop_tui.cli.options import NO_FLAGS, Flags, loop_spec
from autoloop_tui.cli.output import findings, printing


def doctor(*, options: Flags = NO_FLAGS) -> int:
    """Check everything a run needs, without starting one; exit code 1 if something is wrong.

    Checks the training environment, every config (parsed by the trainer's own classes), the rules, the GPUs, the disk and
    W&B. Takes the same flags as `run`, so you can check a command unchanged; --exec is ignored.
    """
    cwd = Path.cwd()
    settings = load_settings(cwd)
    spec = loop_spec(options, cwd, settings)
    check = checking.check_spec if _says_how_to_train(spec, options, cwd) else checking.check_undecided
    found = findings.without_secrets(check(spec, settings))
    print(findings.as_json(found) if options.json else findings.as_text(found, printing.across()))
    return 1 if any(each.level == "error" for each in found) else 0


def _says_how_to_train(spec: LoopSpec, options: Flags, cwd: Path) -> bool:
    """Return whether flags or settings define the training, or this is the repository of the default preset."""
    if options.preset or options.train_script or (cwd / load_preset(spec.preset).script).is_file():
        return True
    if not os.path.lexists(cwd / FILE):
        return False
    told = parse_toml(read_text(cwd / FILE, "settings file"), FILE)
    return bool(told.keys() & {"preset", "trainer", "train_script"})
