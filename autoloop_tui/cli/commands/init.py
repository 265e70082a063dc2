"""`init`: from the current training command to `autoloop.toml` and a base config."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

from autoloop import gpus as gpu_report
from autoloop.adoption import Adoption, World, adopt, read_command
from autoloop.files import write_atomically
from autoloop.model import UserError
from autoloop.settings import FILE
from autoloop.trainers.installed import version_of
from cyclopts import Parameter

from autoloop_tui.cli.output import printing


def init(
    *command: Annotated[str, Parameter(help="The training command, after --, as words or one quoted string.")],
    force: Annotated[bool, Parameter(help="Replace autoloop.toml if it exists.")] = False,
) -> int:
    """Write autoloop.toml for your training command: `autoloop-tui init -- python train.py --lr 1e-3`.

    Recognises the config file, output folder, steps, seed and device, and common launchers and trainers. Without a config
    file, the values in the command become base.json, the file that edits change. Prints what it recognised and assumed, and
    on a terminal asks about the rest. Starts nothing, except that it has a Hydra application print its config.
    """
    cwd = Path.cwd()
    if os.path.lexists(cwd / FILE) and not force:
        raise UserError(f"{FILE} already exists and was not changed; --force (before --) replaces it.")
    asks = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    typed = list(command)
    if not typed and asks:
        typed = [_ask("Your training command, as you type it:")]
    if not typed or not any(word.strip() for word in typed):
        raise UserError("Give your training command after --, as in `autoloop-tui init -- python train.py --lr 1e-3`.")
    read = read_command(typed, cwd, os.environ)
    found = adopt(read, _world(cwd, asks=asks))
    if found.base:  # written first: without it, the settings would name a missing file
        write_atomically(cwd / found.base[0], found.base[1])
    write_atomically(cwd / FILE, found.settings)
    print(_text(found))
    return 0


def _world(cwd: Path, *, asks: bool) -> World:
    report = gpu_report.read_within()
    return World(
        cwd=cwd,
        gpus=None if report.error else [gpu.index for gpu in report.gpus] or None,
        ask=_ask if asks else None,
        interpreter=_interpreter,
        found=shutil.which,
        version=version_of,
    )


def _text(found: Adoption) -> str:
    lines = [f"{FILE} written:", *(f"    {line}".rstrip() for line in found.settings.splitlines()), ""]
    width = max(len(subject) for subject, _ in found.report)
    lines += [f"{subject:{width}}  {text}" for subject, text in found.report]
    lines += ["", "Next:"]
    for name, flags, what in (
        ("doctor", found.flags, "check everything a run needs"),
        ("try", _of_try(found.flags), "run a few steps and check what reaches the trainer"),
        ("run", found.flags, "show the plan; --exec starts it"),
    ):
        lines.append(f"  {shlex.join(['autoloop-tui', name, *flags])}  # {what}")
    return "\n".join(map(printing.printable, lines))


def _of_try(flags: list[str]) -> list[str]:
    """Return the flags of `run` in the form of `try`, which takes the config as an argument and only a few steps."""
    kept: list[str] = []
    for before, word in zip(["", *flags], flags, strict=False):
        if word not in ("--cfgs", *_FREQUENCIES) and before not in _FREQUENCIES:
            kept.append(word)
    return kept


_FREQUENCIES = ("--steps", "--log-freq", "--eval-freq")


def _ask(question: str) -> str:
    print(f"{question} ", end="", file=sys.stderr)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def _interpreter(word: str) -> str | None:
    """Return the path of the interpreter that a shell would start; None if it belongs to the environment of Auto Loop."""
    found = os.path.abspath(os.path.expanduser(word)) if "/" in word else shutil.which(word)
    if found is None or os.path.dirname(found) == os.path.dirname(sys.executable):
        return None
    return found
