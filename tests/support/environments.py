"""Environments with third-party packages, under `.envs/` of the checkout, each built once with pip.

They use pip with its configured indexes. If an environment cannot be built, the tests that need it are skipped with the
reason.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class CannotBuild(Exception):
    """An environment cannot be built here; the message says why."""


def built(name: str, installs: Sequence[Sequence[str]], check: str) -> Path:
    """Return the interpreter of the environment `.envs/<name>`; build it unless a complete one with the same contents
    exists.

    `installs`: the arguments of each `pip install`; `check`: a program that must run. Raises CannotBuild.
    """
    folder = ROOT / ".envs" / name
    python, done = folder / "venv" / "bin" / "python", folder / "complete"
    contents = repr([list(map(str, each)) for each in installs])
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_text() != contents:
            for old in folder.iterdir():
                if old.is_dir():
                    shutil.rmtree(old, ignore_errors=True)
                elif old.name != "lock":
                    old.unlink()
            venv.create(folder / "venv", with_pip=True)
            for packages in installs:
                _call([str(python), "-m", "pip", "install", "-q", *packages], f"{name}: pip install {packages[0]} …")
            _call([str(python), "-c", check], f"{name}: its check")
            done.write_text(contents)
    return python


def _call(argv: Sequence[str], what: str) -> None:
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        reason = next((line for line in reversed(lines) if "ERROR" in line), lines[-1])
        raise CannotBuild(f"{what} failed: {reason.strip()}")
