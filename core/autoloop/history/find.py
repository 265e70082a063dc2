"""Where below a run's output directory its history lies."""

from __future__ import annotations

import os
import re
from pathlib import Path

TAP = "autoloop-tap.jsonl"
_RUN_DIRECTORY = re.compile(r"(?:offline-)?run-(?P<time>\d{8}_\d{6})-(?P<id>.+)")


def wandb_segments(run_dir: Path, run_id: str | None) -> list[Path]:
    """The `.wandb` files of one run id, oldest first: `wandb/*run-*/run-<id>.wandb`.

    Without an id, or with none of that id there: the id of `wandb/latest-run`, else that of the newest. A resumed run
    has several; their directories carry the time of their start.
    """
    root = run_dir / "wandb"
    found: list[tuple[str, int, str, str, Path]] = []
    for directory in _names(root):
        if "run-" not in directory:
            continue
        match = _RUN_DIRECTORY.fullmatch(directory)
        time = match["time"] if match else ""
        for name in _names(root / directory):
            if name.startswith("run-") and name.endswith(".wandb"):
                found.append((time, len(directory), directory, name[4:-6], root / directory / name))
    if not found:
        return []
    found.sort()
    ids = {entry[3] for entry in found}
    wanted = run_id
    if wanted not in ids:
        latest = os.path.basename(os.path.realpath(root / "latest-run"))
        wanted = next((entry[3] for entry in reversed(found) if entry[2] == latest), found[-1][3])
    return [entry[4] for entry in found if entry[3] == wanted]


def tap_file(run_dir: Path) -> Path:
    """Where the tap of a lagging wandb mirrors what the run logs; whether it is there or not."""
    return run_dir / "wandb" / TAP


def jsonl_file(run_dir: Path, run_id: str | None) -> Path | None:
    """`wandb-history.jsonl` in a run's directory (wandb 0.9) or its `files/`, else in `wandb/` or `run_dir`."""
    root = run_dir / "wandb"
    directories = sorted((name for name in _names(root) if "run-" in name), key=run_age, reverse=True)
    own = [name for name in directories if run_id and name.endswith("-" + run_id)]
    places = [root / name for name in (*own, "latest-run", *directories)]
    places += [root, run_dir]
    for place in places:
        for path in (place / "wandb-history.jsonl", place / "files" / "wandb-history.jsonl"):
            if path.is_file():
                return path
    return None


def run_age(directory: str) -> tuple[str, int, str]:
    """Sorts W&B run directories of one folder, oldest first."""
    match = _RUN_DIRECTORY.fullmatch(directory)
    return (match["time"] if match else "", len(directory), directory)


def _names(directory: Path) -> list[str]:
    try:
        return [name for name in os.listdir(directory) if name != "latest-run"]
    except (OSError, ValueError):
        return []
