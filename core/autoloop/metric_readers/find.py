"""Finds the W&B history of a run below its output directory."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from autoloop.metric_readers.folder_stamps import FolderStamp, is_plain_file, nearest_listed, seen_again, stamp_of
from autoloop.metric_readers.summary_file import NAME as SUMMARY

JSONL = "wandb-history.jsonl"
_RUN_DIRECTORY = re.compile(r"(?:offline-)?run-(?P<time>\d{8}_\d{6})-(?P<id>.+)")
_SEGMENT = re.compile(r"run-(?P<id>.+)\.wandb", re.DOTALL)
_SOURCES = (".wandb", JSONL, SUMMARY, "wandb-metadata.json", "config.yaml")
_TAP = re.compile(r"autoloop-tap(?:-(?P<id>.+))?\.jsonl", re.DOTALL)

Age = tuple[str, int, str]
"""Sorts W&B run directories of one folder, oldest first."""


@dataclass
class WandbFiles:
    """The files of one W&B run: its `.wandb` files, oldest first (a resumed run has several), the tap's rows, and the
    summaries beside them. `began` is the start time in its directory's name, to the second; empty if there is none."""

    run_id: str
    began: str = ""
    segments: list[Path] = field(default_factory=list)
    tap: Path | None = None
    summaries: list[Path] = field(default_factory=list)


class WandbFolder:
    """The W&B runs below a folder; lists them again only if one of the folders with their files may have changed."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._found: list[WandbFiles] = []
        self._seen: dict[Path, FolderStamp] = {}

    def look(self) -> list[WandbFiles]:
        """Like `wandb_runs`, but returns the same object as before if nothing has changed."""
        if not self._seen or not all(seen.is_now(stamp_of(path)) for path, seen in self._seen.items()):
            unread: list[Path] = []
            root, now = self._run_dir / "wandb", time.monotonic()
            runs = [root / name for name in _names(root, unread) if "run-" in name]
            folders = [root, *runs, *(run / "files" for run in runs)]
            stamps = {path: stamp_of(path) for path in folders}  # taken before the folders are listed
            self._found = wandb_runs(self._run_dir, unread)
            before, self._seen = self._seen, {}
            for path, stamp in stamps.items():
                self._seen[path] = seen_again(before.get(path), None if path in unread else stamp, now)
        return self._found

    def rules_out(self, path: Path) -> bool:
        """Whether a file that was written to cannot be a source below W&B's folder, judging by its name, and no other file
        can have come with it."""
        nearest = nearest_listed(path, self._seen)
        return (
            nearest is not None
            and not path.name.endswith(_SOURCES)
            and not tap_id(path.name)[0]
            and self._seen[nearest].is_now(stamp_of(nearest))
            and is_plain_file(path)
        )


def wandb_runs(run_dir: Path, unread: list[Path] | None = None) -> list[WandbFiles]:
    """Return the W&B runs below `run_dir`, oldest first: `wandb/*run-*/run-<id>.wandb`.

    Their directories' names contain the start time to the second; ties are sorted by name. `latest-run` is ignored, because
    it links to one of them or is a copy. Existing folders that could not be listed are added to `unread`.
    """
    root = run_dir / "wandb"
    found: list[tuple[Age, str, Path]] = []
    taps: dict[str | None, Path] = {}
    for name in _names(root, unread):
        if (tap := _TAP.fullmatch(name)) is not None:
            if os.path.isfile(root / name):
                taps[tap["id"]] = root / name
        elif "run-" in name:
            for file in _names(root / name, unread):
                if (run_id := segment_id(file)) is not None:
                    found.append((run_age(name), run_id, root / name / file))
    runs: dict[str, WandbFiles] = {}
    for (began, *_), run_id, path in sorted(found):
        run = runs.setdefault(run_id, WandbFiles(run_id, began, tap=taps.pop(run_id, None)))
        run.segments.append(path)
        run.summaries += [place for place in summary_places(path.parent) if os.path.isfile(place)]
    for tapped, path in sorted(taps.items(), key=str):
        if tapped is not None:
            runs[tapped] = WandbFiles(tapped, tap=path)
        elif len(runs) == 1:
            next(iter(runs.values())).tap = path
    return list(runs.values())


def segment_id(name: str) -> str | None:
    """Return the W&B id in the name of a `.wandb` file; None for other names."""
    match = _SEGMENT.fullmatch(name)
    return match["id"] if match else None


def tap_id(name: str) -> tuple[bool, str | None]:
    """Return whether a file name is that of a tap, and the id of its W&B run if the name contains it."""
    match = _TAP.fullmatch(name)
    return match is not None, match["id"] if match else None


def tap_base(run_dir: Path) -> Path:
    """Return the path where the tap for a lagging wandb mirrors logged rows; it inserts the W&B run id before the suffix."""
    return run_dir / "wandb" / "autoloop-tap.jsonl"


def summary_places(directory: Path) -> list[Path]:
    """Return the paths where W&B may write the summary of a run with this directory."""
    return [directory / "files" / SUMMARY, directory / SUMMARY]


def jsonl_file(run_dir: Path, run_id: str | None) -> Path | None:
    """Find `wandb-history.jsonl` in a run's directory (wandb 0.9) or its `files/`, else in `wandb/` or `run_dir`."""
    root = run_dir / "wandb"
    directories = sorted((name for name in _names(root) if "run-" in name), key=run_age, reverse=True)
    own = [name for name in directories if run_id and name.endswith("-" + run_id)]
    places = [os.path.join(root, name) for name in (*own, "latest-run", *directories)]
    places += [str(root), str(run_dir)]
    for place in places:
        for path in (f"{place}/{JSONL}", f"{place}/files/{JSONL}"):
            if os.path.isfile(path):
                return Path(path)
    return None


def run_age(directory: str) -> Age:
    match = _RUN_DIRECTORY.fullmatch(directory)
    return (match["time"] if match else "", len(directory), directory)


def _names(directory: Path, unread: list[Path] | None = None) -> list[str]:
    try:
        return [name for name in os.listdir(directory) if name != "latest-run"]
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    except OSError:
        if unread is not None:
            unread.append(directory)
        return []
