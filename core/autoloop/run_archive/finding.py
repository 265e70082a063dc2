"""Finds the runs with a history below a folder: `run-<id>.wandb` of every W&B version since 0.10, `wandb-history.jsonl` of
0.9 and exports, the tap that mirrors W&B's unwritten rows, and files of other loggers."""

from __future__ import annotations

import filecmp
import os
import re
import stat
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from autoloop.metric_readers.find import JSONL, Age, run_age, segment_id, tap_id
from autoloop.metric_readers.summary_file import NAME as SUMMARY
from autoloop.model import UserError
from autoloop.run_archive.other_files import by_run, is_source, runs_of

_RUN_FOLDER = re.compile(r".*run-\d{8}_\d{6}-(.+)", re.DOTALL)
LATEST = "latest-run"
"""W&B's link to the newest run folder; a copy made with links followed has a folder with that name."""


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """Identifies a file's version: it changes with every write and every replacement."""

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int

    @property
    def identity(self) -> tuple[int, int, int, int, int]:
        """Everything except the path, which can be written in several ways."""
        return self.size, self.mtime_ns, self.ctime_ns, self.inode, self.device

    @classmethod
    def of(cls, path: str, state: os.stat_result) -> Stamp:
        return cls(path, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_dev)


@dataclass(frozen=True)
class FoundRun:
    """A run with a history. `name`: its output directory, below the folder as given; if a directory holds several runs, the
    W&B folder, followed by the id if runs share that too. `segments`: its `.wandb` files, oldest first; `taps`: files that
    mirror W&B rows not yet written; `rows`: its JSONL files, newest first; `summaries`: W&B's summary files. `others`: for
    runs without any of these, the files of other loggers; with a `run_id`, the tracker's database that holds it among
    others.
    """

    name: str
    output_dir: str
    run_id: str | None
    segments: tuple[Stamp, ...]
    taps: tuple[Stamp, ...]
    rows: tuple[Stamp, ...]
    summaries: tuple[Stamp, ...]
    others: tuple[Stamp, ...] = ()

    @property
    def stamps(self) -> tuple[Stamp, ...]:
        return self.others + self.summaries + self.rows + self.taps + self.segments

    @property
    def modified(self) -> float:
        """The time of its last write, in Unix seconds."""
        return max(stamp.mtime_ns for stamp in self.stamps) / 1e9

    @property
    def size(self) -> int:
        return sum(stamp.size for stamp in self.stamps)


@dataclass
class _Run:
    segments: list[tuple[Age, Stamp]] = field(default_factory=list)
    taps: list[Stamp] = field(default_factory=list)
    rows: list[Stamp] = field(default_factory=list)
    summaries: list[Stamp] = field(default_factory=list)
    folder: str = ""
    age: Age = ("", 0, "")


_Held = dict[str, dict[str | None, _Run]]
"""The runs by output directory and W&B id; None for rows without a known id."""


def find_runs(root: Path, problems: list[str] | None = None) -> list[FoundRun]:
    """Return every run below `root`, at any depth, newest first.

    Hidden folders, links to folders and further copies of a file are skipped. Unreadable folders and files that are not
    regular are skipped and reported in `problems`; UserError if `root` itself is unreadable.
    """
    if not root.is_dir():
        raise UserError(f"There is no folder {root}; choose the one that your runs write to with --outputs-root.")
    told = [] if problems is None else problems
    files: list[Stamp] = []
    sources: list[str] = []
    databases: list[tuple[str, str]] = []
    waiting = [os.fspath(root)]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            if folder == os.fspath(root):
                raise UserError(f"{root} cannot be read: {error.strerror}.") from None
            told.append(f"{folder} cannot be read and was skipped: {error.strerror}")
            continue
        found = [stamp for entry in entries if _is_history(entry.name) and (stamp := _stamp(entry.path, told))]
        files += found
        sources += [entry.path for entry in entries if not _is_history(entry.name) and is_source(entry.path)]
        databases += [(entry.path, run) for entry in entries for run in runs_of(entry.path, told)]
        if _RUN_FOLDER.fullmatch(os.path.basename(folder)) and any(_segment_id(stamp) for stamp in found):
            # In a W&B run folder, only the summary is needed.
            summary = os.path.join(folder, "files", SUMMARY)
            files += [stamp for stamp in [_stamp(summary, told)] if stamp] if os.path.lexists(summary) else []
            continue
        waiting += [
            entry.path for entry in entries if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
        ]
    held: _Held = defaultdict(lambda: defaultdict(_Run))
    for stamp in _without_copies(files):
        _add(held, stamp)
    runs = [run for directory, below in held.items() for run in _named(directory, below)]
    alone = by_run(os.fspath(root), sources, held)
    for directory, paths in alone.items():
        others = tuple(stamp for path in paths if (stamp := _stamp(path, told)))
        if others:
            runs.append(FoundRun(directory, directory, None, (), (), (), (), others))
    for path, run in databases:
        if not any(_lies_in(path, directory) for directory in (*held, *alone)):  # otherwise it repeats a run found there
            wal = [stamp for each in (path, f"{path}-wal") if os.path.exists(each) and (stamp := _stamp(each, told))]
            runs.append(FoundRun(os.path.join(path, run), os.path.dirname(path), run, (), (), (), (), tuple(wal)))
    return sorted(runs, key=lambda run: (-run.modified, run.name))


def _lies_in(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)


def _is_history(name: str) -> bool:
    return name in (JSONL, SUMMARY) or segment_id(name) is not None or tap_id(name)[0]


def _stamp(path: str, told: list[str]) -> Stamp | None:
    """The file's stamp; None if it is not a regular file (opening a pipe may block for ever, a device may never end) or no
    longer exists."""
    try:
        state = os.stat(path)
    except OSError as error:
        told.append(f"{path} cannot be read and was skipped: {error.strerror}")
        return None
    if stat.S_ISREG(state.st_mode):
        return Stamp.of(path, state)
    if not stat.S_ISDIR(state.st_mode):
        told.append(f"{path} is not a regular file and was skipped")
    return None


def _segment_id(stamp: Stamp) -> str | None:
    return segment_id(os.path.basename(stamp.path))


def _id(stamp: Stamp) -> str | None:
    """The W&B id of the run that a history belongs to, from its name or its folder's; None if neither shows it."""
    name = os.path.basename(stamp.path)
    folder = _RUN_FOLDER.fullmatch(os.path.basename(_run_folder(stamp)))
    return segment_id(name) or tap_id(name)[1] or (folder[1] if folder else None)


def _run_folder(stamp: Stamp) -> str:
    folder = os.path.dirname(stamp.path)
    return os.path.dirname(folder) if os.path.basename(folder) == "files" else folder


def _without_copies(files: list[Stamp]) -> list[Stamp]:
    """The files without copies: outputs copied with links followed hold a run twice, in its folder and in `latest-run`."""
    kept: dict[tuple[str | None, str, int], list[Stamp]] = defaultdict(list)
    for stamp in sorted(files, key=lambda stamp: (_is_latest(stamp), os.path.islink(stamp.path), stamp.path)):
        name, id_ = os.path.basename(stamp.path), _id(stamp)
        if id_ is None and not _is_latest(stamp):
            kept[stamp.path, name, stamp.size].append(stamp)
            continue
        # Rows in `latest-run` have no id: they are compared with those of the folders beside it.
        beside = os.path.dirname(_run_folder(stamp))
        same_id, same_place = kept[id_, name, stamp.size], kept[beside, name, stamp.size]
        if not any(_same(stamp, other) for other in (same_id if id_ else same_place)):
            same_id.append(stamp)
            same_place.append(stamp)
    return list({stamp.path: stamp for stamps in kept.values() for stamp in stamps}.values())


def _is_latest(stamp: Stamp) -> bool:
    return os.path.basename(_run_folder(stamp)) == LATEST


def _same(one: Stamp, other: Stamp) -> bool:
    if (one.inode, one.device) == (other.inode, other.device):
        return True
    try:
        return filecmp.cmp(one.path, other.path, shallow=False)
    except OSError:
        return False


def _add(held: _Held, stamp: Stamp) -> None:
    folder, name = _run_folder(stamp), os.path.basename(stamp.path)
    run = held[_output_dir(folder)][_id(stamp)]
    if segment_id(name) is not None:
        age = run_age(os.path.basename(folder))
        run.segments.append((age, stamp))
        if age >= run.age:
            run.folder, run.age = folder, age
        return
    run.folder = run.folder or folder
    (run.summaries if name == SUMMARY else run.taps if tap_id(name)[0] else run.rows).append(stamp)


def _output_dir(folder: str) -> str:
    """The output directory of a W&B run folder: the one that holds `wandb/`, or else the one that holds the folder."""
    name = os.path.basename(folder)
    if "run-" not in name and name != LATEST:
        return os.path.dirname(folder) if name == "wandb" else folder
    above = os.path.dirname(folder)
    return os.path.dirname(above) if os.path.basename(above) == "wandb" else above


def _named(directory: str, runs: dict[str | None, _Run]) -> list[FoundRun]:
    if len(runs) == 2 and None in runs:  # rows next to the only W&B run of a directory belong to that run
        nameless = runs.pop(None)
        only = next(iter(runs.values()))
        only.taps += nameless.taps
        only.rows += nameless.rows
        only.summaries += nameless.summaries
    folders = Counter(run.folder for run in runs.values())

    def name(run_id: str | None, run: _Run) -> str:
        if len(runs) == 1:
            return directory
        return os.path.join(run.folder, run_id) if run_id and folders[run.folder] > 1 else run.folder

    return [
        FoundRun(
            name=name(run_id, run),
            output_dir=directory,
            run_id=run_id,
            segments=tuple(stamp for _, stamp in sorted(run.segments, key=lambda entry: (entry[0], entry[1].path))),
            taps=tuple(run.taps),
            rows=tuple(sorted(run.rows, key=lambda stamp: -stamp.mtime_ns)),
            summaries=tuple(run.summaries),
        )
        for run_id, run in runs.items()
    ]
