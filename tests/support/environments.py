"""Environments with other people's packages, below `.envs/` of the checkout, each built once with pip.

Only pip is used, and whatever indexes it is set up with. A test that needs one is skipped with the reason where it cannot
be built.
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
    """Why an environment cannot be had here, in a sentence."""


def built(name: str, installs: Sequence[Sequence[str]], check: str) -> Path:
    """The interpreter of the environment `.envs/<name>`. `installs`: the arguments of one `pip install` each; `check`: a
    program that must run. A complete environment of the same contents is left as it is. Raises CannotBuild."""
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
