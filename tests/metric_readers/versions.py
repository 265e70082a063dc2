"""Environments with other versions of wandb, below `.envs/`, each built once with pip."""

from __future__ import annotations

import fcntl
import os
import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

VERSIONS: dict[str, tuple[str, ...]] = {
    # The oldest need what was current then: generated protobuf code, pkg_resources, numpy's old names.
    "0.12.21": ("protobuf<4", "setuptools<80", "numpy<2"),
    "0.18.7": ("numpy<2",),
    "0.22.3": (),
    "0.28.2": (),
    "0.31.0": (),
}


class CannotBuild(Exception):
    """Why a version cannot be had here, in a sentence."""


def interpreter(version: str) -> Path:
    """The Python that has this wandb. Raises CannotBuild."""
    folder = ROOT / ".envs" / f"wandb-{version}"
    python, done = folder / "bin" / "python", folder / "complete"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            venv.create(folder, with_pip=True)
            install = [str(python), "-m", "pip", "install", "-q", f"wandb=={version}", *VERSIONS[version]]
            check = [str(python), "-c", f"import wandb; assert wandb.__version__ == {version!r}, wandb.__version__"]
            for argv in (install, check):
                env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
                ended = subprocess.run(argv, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
                if ended.returncode:
                    last = [line for line in ended.stderr.splitlines() if line.strip()][-1:]
                    raise CannotBuild(f"wandb {version} cannot be had here: {''.join(last) or ended.returncode}")
            done.touch()
    return python
