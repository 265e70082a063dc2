"""Which runs have left a history below a folder: `run-<id>.wandb` of every W&B version since 0.10, `wandb-history.jsonl`
as 0.9 and exports write it, and the tap of a lagging W&B."""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from autoloop.history.find import TAP, run_age
from autoloop.model import UserError

_ID_IN_DIRECTORY = re.compile(r".*run-\d{8}_\d{6}-(.+)")
JSONL = "wandb-history.jsonl"


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """What tells whether a file is still the one that was read: it changes with every write and every replacement."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    @property
    def identity(self) -> tuple[int, int, int, int, int]:
        """Everything but the path, which may be written in several ways."""
        return self.size, self.mtime_ns, self.ctime_ns, self.inode, self.device

    @classmethod
    def of(cls, path: str, state: os.stat_result) -> Stamp:
        return cls(path, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_dev)


@dataclass(frozen=True)
class FoundRun:
    """A run that left a history. `name`: its output directory, below the folder as it was given; where one directory
    holds several runs, the W&B folder of each. `segments`: its `.wandb` files, oldest first; `rows`: its JSONL files.
    """

    name: str
    output_dir: str
    run_id: str | None
    segments: tuple[Stamp, ...]
    rows: tuple[Stamp, ...]

    @property
    def stamps(self) -> tuple[Stamp, ...]:
        return self.segments + self.rows

    @property
    def modified(self) -> float:
        """When it was last written, in Unix seconds."""
        return max(stamp.mtime_ns for stamp in self.stamps) / 1e9

    @property
    def taps(self) -> tuple[Stamp, ...]:
        """Those of `rows` that mirror what W&B has not yet written."""
        return tuple(stamp for stamp in self.rows if os.path.basename(stamp.path) == TAP)

    @property
    def size(self) -> int:
        return sum(stamp.size for stamp in self.stamps)


@dataclass
class _Run:
    segments: list[tuple[tuple[str, int, str], Stamp]] = field(default_factory=list)
    rows: list[Stamp] = field(default_factory=list)
    folder: str = ""
    age: tuple[str, int, str] = ("", 0, "")


def find_runs(root: Path) -> list[FoundRun]:
    """Every run below `root`, at any depth, newest first.

    Hidden folders and links to folders are passed over. What cannot be looked into is passed over too; UserError if
    that is `root` itself.
    """
    if not root.is_dir():
        raise UserError(f"There is no folder {root}; name the one that your runs write to with --outputs-root.")
    held: dict[str, dict[str | None, _Run]] = defaultdict(lambda: defaultdict(_Run))
    waiting = [os.fspath(root)]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            if folder == os.fspath(root):
                raise UserError(f"{root} cannot be read: {error.strerror}.") from None
            continue
        logs = [entry for entry in entries if entry.name.startswith("run-") and entry.name.endswith(".wandb")]
        for entry in logs:
            _add_segment(held, folder, entry)
        for entry in entries:
            if entry.name in (JSONL, TAP):
                _add_rows(held, folder, entry)
            elif not logs and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
    found = [run for directory, runs in held.items() for run in _named(directory, runs)]
    return sorted(found, key=lambda run: (-run.modified, run.name))


def _add_segment(held: dict[str, dict[str | None, _Run]], folder: str, entry: os.DirEntry[str]) -> None:
    if (stamp := _stamp(entry)) is not None:
        age = run_age(os.path.basename(folder))
        run = held[_output_dir(folder)][entry.name[4:-6]]
        run.segments.append((age, stamp))
        if age >= run.age:
            run.folder, run.age = folder, age


def _add_rows(held: dict[str, dict[str | None, _Run]], folder: str, entry: os.DirEntry[str]) -> None:
    if (stamp := _stamp(entry)) is not None:
        run_folder = os.path.dirname(folder) if os.path.basename(folder) == "files" else folder
        match = _ID_IN_DIRECTORY.fullmatch(os.path.basename(run_folder))
        run = held[_output_dir(run_folder)][match[1] if match else None]
        run.rows.append(stamp)
        run.folder = run.folder or run_folder


def _output_dir(folder: str) -> str:
    """The output directory that a W&B run folder belongs to: what holds `wandb/`, else what holds the folder."""
    name = os.path.basename(folder)
    if "run-" not in name:
        return os.path.dirname(folder) if name == "wandb" else folder
    above = os.path.dirname(folder)
    return os.path.dirname(above) if os.path.basename(above) == "wandb" else above


def _named(directory: str, runs: dict[str | None, _Run]) -> list[FoundRun]:
    if len(runs) == 2 and None in runs:  # rows beside the one W&B run of a directory are that run's
        nameless = runs.pop(None)
        next(iter(runs.values())).rows += nameless.rows
    alone = len(runs) == 1
    return [
        FoundRun(
            name=directory if alone else run.folder,
            output_dir=directory,
            run_id=run_id,
            segments=tuple(stamp for _, stamp in sorted(run.segments, key=lambda entry: entry[0])),
            rows=tuple(sorted(run.rows, key=lambda stamp: -stamp.mtime_ns)),
        )
        for run_id, run in runs.items()
    ]


def _stamp(entry: os.DirEntry[str]) -> Stamp | None:
    """None for what is no ordinary file (opening a pipe would block for ever) or is gone again."""
    try:
        state = entry.stat()
    except OSError:
        return None
    if not stat.S_ISREG(state.st_mode):
        return None
    return Stamp.of(entry.path, state)
