"""Environments with other versions of wandb, under `.envs/`, each built once with pip."""

from __future__ import annotations

from pathlib import Path

from tests.support.environments import built

VERSIONS: dict[str, tuple[str, ...]] = {
    # The oldest ones need contemporary packages: generated protobuf code, pkg_resources, numpy's old names.
    "0.12.21": ("protobuf<4", "setuptools<80", "numpy<2"),
    "0.18.7": ("numpy<2",),
    "0.22.3": (),
    "0.28.2": (),
    "0.31.0": (),
}


def interpreter(version: str) -> Path:
    """Return the Python with this version of wandb. Raises CannotBuild."""
    check = f"import wandb; assert wandb.__version__ == {version!r}, wandb.__version__"
    return built(f"wandb-{version}", ((f"wandb=={version}", *VERSIONS[version]),), check)
