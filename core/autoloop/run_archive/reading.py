"""Reads runs on disk into summaries with canonical names; in several processes if there is much to read."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from autoloop.metric_readers.columns import Columns, rate_of
from autoloop.metric_readers.file_sources import FileSources
from autoloop.metric_readers.find import WandbFiles
from autoloop.metric_readers.jsonl import JsonlLog
from autoloop.metric_readers.sqlite_log import LOGS, TrackioLog
from autoloop.metric_readers.step_axis import StepAxis
from autoloop.metric_readers.summary_file import SummaryFile, missing_rows
from autoloop.metric_readers.wandb_run import WandbRun
from autoloop.metrics import MetricBooks, summarise
from autoloop.model import Series, Summary, UserError
from autoloop.run_archive.finding import FoundRun, Stamp
from autoloop.run_archive.memory import Memory

MUCH = 8 << 20
"""Bytes from which on several processes are faster than one, in spite of their start-up time."""
SETTLED = 2.0
"""Seconds without a change after which a file's time stamps reliably show the next change."""


class RunRecord(msgspec.Struct, frozen=True):
    """The content of a run's history. `config`: as recorded by W&B, otherwise empty. `exit_code`: as recorded by W&B; None
    if the run is active, was killed, or recorded none. `problems`: a sentence for everything that could not be read
    properly."""

    summary: Summary
    config: dict[str, Any] = {}
    exit_code: int | None = None
    problems: list[str] = []


class CachedRecord(msgspec.Struct, frozen=True):
    """A record, and the identities of the files that it was read from."""

    files: list[tuple[int, int, int, int, int]]
    record: RunRecord


def read_runs(
    found: Sequence[FoundRun],
    books: MetricBooks,
    *,
    limit: int | None = None,
    memory: Memory[CachedRecord] | None = None,
    processes: int = 1,
) -> list[tuple[FoundRun, RunRecord]]:
    """Return the first `limit` of the found runs, with their records. With `memory`, which is saved, only new or changed
    runs are read, and entries of runs that are no longer found are dropped.

    Use more than one process only in a program without threads, because they are forked.
    """
    runs = found[:limit]
    known = memory.entries if memory else {}
    records: dict[int, RunRecord] = {}
    unread: list[int] = []
    for index, run in enumerate(runs):
        entry = known.get(_key(run))
        if entry is not None and entry.files == _identities(run):
            records[index] = entry.record
        else:
            unread.append(index)
    unread.sort(key=lambda index: -runs[index].size)  # largest first, so that none is left for the end
    began = time.time()
    for index, record in zip(unread, _read_all([runs[index] for index in unread], books, processes), strict=True):
        records[index] = record
        if memory is not None and _settled(runs[index], began):
            memory.entries[_key(runs[index])] = CachedRecord(_identities(runs[index]), record)
    if memory is not None and unread:
        there = {_key(run) for run in found}
        memory.entries = {key: entry for key, entry in memory.entries.items() if key in there}
        memory.save()
    return [(run, records[index]) for index, run in enumerate(runs)]


def _read_all(runs: list[FoundRun], books: MetricBooks, processes: int) -> Sequence[RunRecord]:
    read = partial(read_run, books=books)
    if processes < 2 or sum(run.size for run in runs) < MUCH:
        return [read(run) for run in runs]
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), initializer=_leave_ctrl_c_to_the_parent)
    try:
        return list(pool.map(read, runs, chunksize=8))
    except BrokenProcessPool:
        raise UserError("A process that read runs was killed (out of memory?); give a smaller --limit.") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class History(NamedTuple):
    """A run's logged data. `columns`: by the trainer's metric names; `rate`: steps per second over the last rows, if known;
    the other fields as in `RunRecord`."""

    columns: Mapping[str, Series]
    config: dict[str, Any]
    exit_code: int | None
    problems: list[str]
    rate: float | None


def read_run(run: FoundRun, books: MetricBooks) -> RunRecord:
    """Read a run's record. Never fails: unreadable data is reported in `problems`."""
    history = read_history(run)
    summary = summarise(history.columns, books.for_run(history.config, history.columns))
    return RunRecord(summary, history.config, history.exit_code, history.problems)


def read_history(run: FoundRun) -> History:
    """Read a run's whole history with the readers used during training: from W&B, else from the newest JSONL file that has a
    metric, else from the files of other loggers. Never fails."""
    if run.others:
        return _read_files(run)
    summaries = [Path(stamp.path) for stamp in run.summaries]
    segments = [Path(stamp.path) for stamp in run.segments]
    tap = next((Path(stamp.path) for stamp in run.taps), None)
    own = segments or tap or not run.rows
    files = WandbFiles(run.run_id or run.name, segments=segments, tap=tap, summaries=summaries if own else [])
    source = WandbRun(files)
    while source.poll():
        pass
    problems = source.problems
    series = source.columns
    if not source.rows and run.rows:
        series = _rows(run, summaries, problems) or series
    return History(series, source.config, source.exit_code, problems, source.rate)


def _read_files(run: FoundRun) -> History:
    if run.run_id is not None:
        return _read_database(run, run.run_id)
    source = FileSources(Path(run.output_dir))
    while source.poll():
        pass
    return History(source.columns, source.config, None, source.problems, source.rate)


def _read_database(run: FoundRun, run_id: str) -> History:
    """Read one run of a tracker's database. Each kind of database is tried until one has the run."""
    problems: list[str] = []
    for kind in LOGS:
        log = kind(Path(run.others[0].path), Columns(), run_id)
        while log.poll():
            pass
        problems += log.problems
        if log.rows:
            columns: Mapping[str, Series] = log.columns.series
            if isinstance(log, TrackioLog):
                axis = StepAxis()
                axis.update(log.columns, numbered=log.numbered)
                columns = axis.columns
            return History(columns, {}, None, problems, rate_of(log.times))
    return History({}, {}, None, problems, None)


def _rows(run: FoundRun, summaries: list[Path], problems: list[str]) -> Mapping[str, Series]:
    """The columns of the first JSONL file that has a metric; empty if none has."""
    for stamp in run.rows:
        rows = JsonlLog(Path(stamp.path), Columns())
        while rows.poll():
            pass
        problems += rows.problems
        if rows.columns.series:
            axis = StepAxis()
            for summary in map(SummaryFile, summaries):
                summary.poll()
                rows.put_last(summary.values, summary.step)
                missing = missing_rows(rows.path, summary.step, rows.step, rows.rows)
                problems += [*summary.problems, *([missing] if missing else [])]
            axis.update(rows.columns, numbered=rows.numbered)
            return axis.columns
    return {}


def _settled(run: FoundRun, began: float) -> bool:
    """Whether every later change will be visible in the stamps: the files have not changed since before reading, and their
    time stamps are too old for a clock tick to hide a change."""
    return began - max(max(stamp.mtime_ns, stamp.ctime_ns) for stamp in run.stamps) / 1e9 > SETTLED and all(
        _unchanged(stamp) for stamp in run.stamps
    )


def _unchanged(stamp: Stamp) -> bool:
    try:
        return Stamp.of(stamp.path, os.stat(stamp.path)).identity == stamp.identity
    except OSError:
        return False


def _identities(run: FoundRun) -> list[tuple[int, int, int, int, int]]:
    return [stamp.identity for stamp in run.stamps]


def _key(run: FoundRun) -> str:
    held = f"\0{run.run_id}" if run.others and run.run_id else ""  # one of several in a file
    return os.path.abspath(run.stamps[-1].path) + held
