"""Reads an attempt's history, in the same way for the engine, which judges it, and for clients, which show it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from autoloop.engine.planning.frozen import preset_of
from autoloop.engine.planning.kept_metrics import metrics_of
from autoloop.file_watch import Changes
from autoloop.metric_readers import Follower, follow
from autoloop.metrics import MetricBook, canonical_columns
from autoloop.model import Attempt, Loop, LoopSpec, Run, Series, UserError
from autoloop.store import Store
from autoloop.trainers import Preset

SIP = 128 << 10
"""Bytes of one history read at a time."""
READING = 0.1
"""Maximum seconds to read one history in a turn, because commands wait meanwhile."""


def read_on(follower: Follower, changed: Changes) -> tuple[bool, bool]:
    """Read an attempt's new output. Returns whether anything was new, and whether READING ended before all was read.

    `changed` comes from a FileWatch. It names a file again that is written to while this reads, so the end of a file need
    not be checked twice.
    """
    deadline, new = time.monotonic() + READING, False
    while follower.poll(SIP, changed):
        new = True
        if not follower.more:
            break
        if time.monotonic() >= deadline:
            return new, True
    return new, False


def follow_attempt(attempt: Attempt, run: Run, spec: LoopSpec, preset: Preset | None) -> Follower:
    """A follower of the attempt's history. Reads nothing before the first `poll`, and no console log without a preset."""
    # A preset's own pattern matches every progress bar, including those of downloads, so the training's bar is recognised by
    # its length.
    any_bar = run.total_assumed and not (preset and preset.console.progress)
    return follow(
        Path(attempt.output_dir),
        run_id=attempt.run,
        log=Path(attempt.directory) / "log.txt",
        log_freq=spec.log_freq,
        patterns=preset.console if preset else None,
        total_steps=None if any_bar else run.total_steps or None,
        axis=(preset.step or None) if preset else None,
    )


def history_reader(store: Store, loop: Loop) -> Callable[[Run], Mapping[str, Series]]:
    """A function that returns the history of a run's last attempt so far, under canonical names. It is empty if the run has
    not started or its files are gone."""
    try:
        preset = preset_of(store.places, loop)
    except UserError:
        preset = None
    attempts = {attempt.run: attempt for attempt in store.loop_attempts(loop.id)}
    book = metrics_of(store.places, loop)

    def read(run: Run) -> Mapping[str, Series]:
        attempt = attempts.get(run.id)
        return read_attempt(attempt, run, loop.spec, preset, book) if attempt else {}

    return read


def read_attempt(
    attempt: Attempt, run: Run, spec: LoopSpec, preset: Preset | None, book: MetricBook
) -> Mapping[str, Series]:
    """The whole history of an attempt so far, under canonical names."""
    follower = follow_attempt(attempt, run, spec, preset)
    while follower.poll():
        pass
    return canonical_columns(follower.columns, book)


def with_progress(run: Run, follower: Follower) -> Run:
    """The run with its current step, and with the trainer's number of steps if the run's own is only assumed."""
    step = max(run.step, follower.step or 0)
    told = max(step, follower.total_steps or 0) if run.total_assumed and follower.total_steps else run.total_steps
    return msgspec.structs.replace(run, step=step, total_steps=told, sources=follower.sources)


def written_in(attempt: Attempt) -> tuple[Path, Path]:
    """The folders in which an attempt writes the files of its history."""
    return Path(attempt.directory), Path(attempt.output_dir)
