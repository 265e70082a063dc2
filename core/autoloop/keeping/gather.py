"""Which folders the runs of loops have, which checkpoints lie there, and by which metric their best are chosen."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autoloop.engine.planning.frozen import preset_of
from autoloop.engine.planning.kept_metrics import metrics_of
from autoloop.engine.rounds.best import best_run
from autoloop.keeping.checkpoints import Checkpoint, find_checkpoints
from autoloop.keeping.choosing import Candidate
from autoloop.keeping.usage import Usage, measure
from autoloop.keeping.wish import Wish
from autoloop.metrics import Direction, MetricBook, main_names
from autoloop.model import Loop, Run, UserError
from autoloop.rules.view import found_as
from autoloop.settings import Settings, methods_of
from autoloop.store import Store
from autoloop.trainers import load_preset

PROJECT = "project"


@dataclass(frozen=True)
class RunFolders:
    """A run, the output folders of its attempts that exist, and what its preset says of checkpoints. `outside`: a folder of
    it lies outside the project, whatever links lead there."""

    run: Run
    loop: Loop
    folders: Sequence[str]
    patterns: Sequence[str]
    outside: bool

    def checkpoints(self) -> list[Checkpoint]:
        return [found for folder in self.folders for found in find_checkpoints(folder, self.patterns)]

    def usage(self, seen: set[tuple[int, int]]) -> Usage:
        """What the folders take. `seen`: as of `measure`."""
        return sum((measure(folder, seen) for folder in self.folders), Usage())


def folders_of(store: Store, loops: Iterable[Loop], allowed: Sequence[Path] = ()) -> list[RunFolders]:
    """The runs of these loops that have had an attempt. `allowed`: folders outside the project that a user has named."""
    inside = [os.path.realpath(folder) for folder in (store.places.project, *allowed)]
    found: list[RunFolders] = []
    for loop in loops:
        patterns = _patterns(store, loop)
        written: dict[str, dict[str, None]] = defaultdict(dict)
        for attempt in store.loop_attempts(loop.id):
            if os.path.isdir(attempt.output_dir):
                written[attempt.run][attempt.output_dir] = None
        for run in store.runs(loop.id):
            folders = list(written.get(run.id, ()))
            outside = not all(_below(os.path.realpath(folder), inside) for folder in folders)
            found.append(RunFolders(run, loop, folders, patterns, outside))
    return found


def candidates(store: Store, found: Sequence[RunFolders], settings: Settings) -> list[Candidate]:
    """The runs with their checkpoints, and why some must not be touched."""
    protected: dict[str, str] = {}
    for loop in {each.loop.id: each.loop for each in found}.values():
        # What tables and reports name as the best of its loop stays, whatever is wished.
        if best := loop.best or best_run(store, loop.id, metrics_of(store.places, loop)):
            protected[best.run] = f"it has the {best.word} {best.metric} of {loop.name}"
        if loop.outcome is not None:
            protected[loop.outcome.first.run] = f"it stands first in {loop.name}"
        if loop.winner:
            protected[loop.winner] = f"it is the winner of {loop.name}"
    listed = []
    for each in found:
        scope: Hashable = PROJECT if settings.keep.over == "project" else each.loop.id
        why = "it lies outside the project (--outside names its folder)" if each.outside else protected.get(each.run.id)
        listed.append(Candidate(each.run, scope, each.checkpoints(), why))
    return listed


def ranking(
    store: Store, found: Sequence[RunFolders], wish: Wish, settings: Settings
) -> dict[Hashable, tuple[str, Direction]]:
    """By scope, the metric by which its best runs are chosen; a scope that has none is left out. UserError if it is not
    known which direction of the metric that was named is better."""
    together = settings.keep.over == "project"
    loops = {each.loop.id: each.loop for each in found}
    methods = {method for loop in loops.values() for method in methods_of(loop.spec)}
    books: dict[Hashable, MetricBook] = {loop.id: metrics_of(store.places, loop) for loop in loops.values()}
    books[PROJECT] = settings.metric_books(store.places.project).of(sorted(methods))
    runs: dict[Hashable, list[Run]] = defaultdict(list)
    for each in found:
        runs[PROJECT if together else each.loop.id].append(each.run)
    chosen: dict[Hashable, tuple[str, Direction]] = {}
    for scope, members in runs.items():
        if metric := _metric(members, wish, books[scope]):
            chosen[scope] = metric
    return chosen


def _metric(runs: Sequence[Run], wish: Wish, book: MetricBook) -> tuple[str, Direction] | None:
    names = [run.summary.metrics.keys() for run in runs if run.summary]
    if wish.metric is None:
        keys, _ = main_names(names, book)
        return next(((key, good) for key in keys if (good := book.direction(key))), None)
    known = {name: None for each in names for name in each}
    metric = found_as(wish.metric, book, known)
    if metric not in known:
        return None
    good = book.direction(metric)
    if good is None:
        raise UserError(
            f"It is not known whether a higher or a lower {wish.metric} is better; say so in autoloop.toml, "
            f'under [metrics]: lower = ["{metric}"] or higher = ["{metric}"].'
        )
    return metric, good


def _patterns(store: Store, loop: Loop) -> Sequence[str]:
    """As the loop's own preset says; if that says nothing, as the one that goes by its name now."""
    with contextlib.suppress(UserError):
        return preset_of(store.places, loop).checkpoints or load_preset(loop.spec.preset).checkpoints
    return ()


def _below(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)
