"""`demo`: a small project that really trains, for three rounds."""

from __future__ import annotations

import os
import shlex
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import msgspec
from autoloop import whoami
from autoloop.engine.commands.permission import check_begin
from autoloop.model import UserError
from autoloop.settings import load_settings

from autoloop_tui.cli import run_flags
from autoloop_tui.cli.options import RunOptions, loop_spec
from autoloop_tui.cli.start_loop import start_loop
from autoloop_tui.console import opening


def demo(folder: Path = Path("autoloop-demo"), *, rounds: int = 3, approve: str | None = None) -> int:
    """Watch three rounds of a small real training on this machine's CPU.

    Parameters
    ----------
    folder
        Folder for the demo project; if it exists, a new folder is created beside it.
    rounds
        Number of rounds.
    approve
        Who approves proposals: auto, manual or after:30m; by default manual on a terminal, else auto.
    """
    from autoloop.demo import project

    packages = {"torch": "torch", "accelerate": "accelerate", "ot": "POT", "wandb": "wandb"}
    if missing := [package for module, package in packages.items() if find_spec(module) is None]:
        raise UserError(
            f"The demo trains a model and needs {', '.join(missing)}; install with `pip install {' '.join(missing)}` in "
            f"the environment of {sys.executable}."
        )
    if approve:
        run_flags.approval(approve)
    if rounds < 1:
        raise UserError(f"--rounds must be at least 1, not {rounds}.")
    sender = whoami.this_process()
    # A person needs no settings for the demo; an agent may start one if it may start loops.
    agents = load_settings(Path.cwd()).agents if sender.agent is not None else {}
    check_begin(agents, sender, 0, time.time())
    target = run_flags.fresh_folder(folder)
    configs = [path.resolve() for path in project.write_project(target)]
    target = target.resolve()
    print(f"The demo project is {target}; its four configs are in {target / 'configs'}.")
    print(f"Watch from another terminal: cd {shlex.quote(str(target))} && autoloop-tui status")
    os.chdir(target)
    options = RunOptions(
        cfgs=[str(path) for path in configs],
        steps=project.STEPS,
        log_freq=project.LOG_FREQ,
        eval_freq=project.EVAL_FREQ,
        concurrency=min(2, os.cpu_count() or 1),
        device="cpu",
        train_script=str(Path(project.__file__).with_name("train.py")),
        rounds=rounds,
        variants_per_run=1,
        decide=True,
        approve=approve or ("manual" if opening.has_screen() else "auto"),
        exec_=True,
        no_ui=not opening.has_screen(),
    )
    settings = msgspec.structs.replace(load_settings(target), agents=agents)
    return start_loop(loop_spec(options, target, settings), settings, options)
