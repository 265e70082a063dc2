"""Finished runs with their configs and results, for comparisons: from a project's loops or below any folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from autoloop.configs import Config
from autoloop.effects import TrainedRun
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.planning.frozen import preset_of
from autoloop.metrics import MetricBooks
from autoloop.model import Loop, RunState, UserError
from autoloop.run_archive import CachedRecord, Memory, find_runs, memory_path, read_runs, version_of
from autoloop.store import Store
from autoloop.trainers import Preset, trainer_identity
from autoloop.variants.grids import seed_path


def trained_in_loops(store: Store, loops: Iterable[Loop], problems: list[str]) -> list[TrainedRun]:
    """Return the finished runs of these loops, earliest first. Runs of different loops belong to one cohort if they had the
    same trainer, extra arguments and number of steps. Unreadable files are reported in `problems`."""
    found: list[tuple[float, TrainedRun]] = []
    for loop in loops:
        preset: Preset | None = None
        try:
            preset = preset_of(store.places, loop)
        except UserError as error:
            problems.append(str(error))
        words = trainer_identity(preset, loop.spec.train_script) if preset else [loop.name]
        for run in store.runs(loop.id):
            if run.state is not RunState.FINISHED or run.summary is None:
                continue
            try:
                config = frozen_config(run)
            except UserError as error:
                problems.append(str(error))
                continue
            cohort = (*words, *loop.spec.extra, run.total_steps)
            seed = seed_path(config, preset.seed if preset else "") or ""
            found.append((run.created_at, TrainedRun(run.id, run.name, config, cohort, seed, run.summary)))
    return [trained for _, trained in sorted(found, key=lambda each: each[0])]


def trained_below(root: Path, books: MetricBooks, project: Path, problems: list[str]) -> list[TrainedRun]:
    """Return the runs below a folder that recorded their config and did not fail, earliest first. Runs of the same length
    belong to one cohort. Unreadable files are reported in `problems`. UserError if there is no such run."""
    if not root.is_dir():
        raise UserError(f"There is no folder {root}; name one with runs, or omit it to compare the runs of this project.")
    found = find_runs(root, problems)
    memory = Memory(memory_path(project, root, os.environ), CachedRecord, version_of(books))
    trained: list[tuple[float, TrainedRun]] = []
    for run, record in read_runs(found, books, memory=memory, processes=len(os.sched_getaffinity(0))):
        problems += record.problems
        if record.config and record.exit_code in (0, None):
            name = os.path.relpath(run.name, root)
            cohort = (str(root), _length(record.config, record.summary.steps))
            seed = seed_path(record.config) or ""
            trained.append((run.modified, TrainedRun(name, name, record.config, cohort, seed, record.summary)))
    if not trained:
        raise UserError(f"No run below {root} has recorded its config, so no two can be compared.")
    return [each for _, each in sorted(trained, key=lambda each: each[0])]


def _length(config: Config, made: int) -> int:
    steps = config.get("steps")
    return steps if isinstance(steps, int) and not isinstance(steps, bool) else made
