"""Applies `[keep]` to the runs of loops: finds their checkpoints, ranks the runs, and moves the rest to the trash."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from autoloop.engine.base.context import Context
from autoloop.engine.planning.frozen import preset_of
from autoloop.engine.planning.kept_metrics import metrics_of
from autoloop.engine.rounds.best import best_run
from autoloop.keeping import (
    Candidate,
    Checkpoint,
    Choice,
    KeepPolicy,
    Ranking,
    Trash,
    Usage,
    choose,
    find_checkpoints,
    measure,
    note_of,
    parse_wish,
)
from autoloop.metrics import MetricBook, found_as, main_names
from autoloop.model import EventKind, Loop, LoopState, Run, RunState, UserError
from autoloop.profiles import planned_methods
from autoloop.reports import then_proposal
from autoloop.settings import FILE, Settings
from autoloop.store import Store
from autoloop.text.plural import plural
from autoloop.text.values import size_text
from autoloop.trainers import load_preset
from autoloop.verdicts import Judge

PROJECT = "project"
MOST_PROBLEMS = 5
"""Maximum problems that are reported."""


@dataclass(frozen=True)
class RunFolders:
    """A run, the existing output folders of its attempts, and its preset's patterns for checkpoints. `outside`: whether one
    of its folders is really outside the project, after resolving links."""

    run: Run
    loop: Loop
    folders: Sequence[str]
    patterns: Sequence[str]
    outside: bool

    def checkpoints(self) -> list[Checkpoint]:
        return [found for folder in self.folders for found in find_checkpoints(folder, self.patterns)]

    def usage(self, seen: set[tuple[int, int]]) -> Usage:
        """The disk usage of the folders. `seen`: as in `measure`."""
        return sum((measure(folder, seen) for folder in self.folders), Usage())


def folders_of(store: Store, loops: Iterable[Loop], allowed: Sequence[Path] = ()) -> list[RunFolders]:
    """All runs of these loops, with the output folders of their attempts. `allowed`: folders outside the project that a user
    has named."""
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
    """The runs with their checkpoints, and the reasons why some must not be touched."""
    protected: dict[str, str] = {}
    needed: dict[int, str] = {}
    for loop in {each.loop.id: each.loop for each in found}.values():
        # The run that tables and reports call the best of its loop is always kept.
        if best := loop.best or best_run(store, loop.id, metrics_of(store.places, loop)):
            protected[best.run] = f"it has the {best.word} {best.metric} of {loop.name}"
        if loop.outcome is not None:
            protected[loop.outcome.first.run] = f"it ranks first in {loop.name}"
        if loop.winner:
            protected[loop.winner] = f"it is the winner of {loop.name}"
        if loop.spec.extend_winner is not None and loop.state is not LoopState.FINISHED:
            needed[loop.id] = "its last: --then may continue it"
        if then := then_proposal(store, loop):
            protected[then.base_run] = protected[then.run or then.base_run] = f"--then continues it in {loop.name}"
    listed = []
    for each in found:
        scope: Hashable = PROJECT if settings.keep.over == "project" else each.loop.id
        why = "it is outside the project (allow its folder with --outside)" if each.outside else protected.get(each.run.id)
        last = needed.get(each.loop.id) if each.run.state is RunState.FINISHED else None
        listed.append(Candidate(each.run, scope, each.checkpoints(), why, last))
    return listed


def rankings(store: Store, found: Sequence[RunFolders], wish: KeepPolicy, settings: Settings) -> dict[Hashable, Ranking]:
    """The ranking of each scope by which its best configs are chosen; scopes without the metric are omitted. Raises
    UserError if the better direction of the named metric is unknown."""
    together = settings.keep.over == "project"
    loops = {each.loop.id: each.loop for each in found}
    methods = {method for loop in loops.values() for method in planned_methods(loop.spec)}
    books: dict[Hashable, MetricBook] = {loop.id: metrics_of(store.places, loop) for loop in loops.values()}
    books[PROJECT] = settings.metric_books(store.places.project).of(sorted(methods))
    runs: dict[Hashable, list[Run]] = defaultdict(list)
    for each in found:
        runs[PROJECT if together else each.loop.id].append(each.run)
    chosen: dict[Hashable, Ranking] = {}
    for scope, members in runs.items():
        if metric := _metric(members, wish, books[scope]):
            # A metric that ended as NaN or infinite does not tell how good its run is.
            usable = [run for run in members if not (run.summary and metric in run.summary.not_finite)]
            elsewhere = [] if together or not isinstance(scope, int) else store.replicates_elsewhere(scope)
            chosen[scope] = Ranking(Judge(usable, books[scope], elsewhere), metric)
    return chosen


def chosen(store: Store, found: Sequence[RunFolders], settings: Settings) -> tuple[list[Choice], str | None]:
    """The checkpoints of these runs that `[keep]` frees, and a note. Raises UserError if its settings cannot be applied."""
    if not settings.keep.checkpoints:
        raise UserError(f'{FILE} does not say what to keep; set checkpoints = "best 3 by METRIC, last of all" under [keep].')
    if not any(each.patterns for each in found):
        raise UserError(
            "No preset of these loops defines checkpoints; set them in [trainer] in autoloop.toml, for example "
            'checkpoints = ["checkpoint-*"].'
        )
    wish = parse_wish(settings.keep.checkpoints, f"{FILE}, [keep] checkpoints")
    by_scope = rankings(store, found, wish, settings)
    if wish.metric is not None and not by_scope:
        raise UserError(f"{FILE}, [keep] checkpoints: no run has the metric {wish.metric}; `runs --json` lists the names.")
    names: dict[Hashable, str] = {each.loop.id: each.loop.name for each in found} | {PROJECT: "the project"}
    within = {names[scope]: ranking.lacking for scope, ranking in by_scope.items() if ranking.lacking}
    return choose(candidates(store, found, settings), wish, by_scope), note_of(within)


class TrashResult(NamedTuple):
    """The result of `throw_away`: the number of `checkpoints` moved to the trash, the bytes `moved` and the bytes `deleted`
    from the trash because they had expired, and the problems, one sentence each."""

    checkpoints: int
    moved: int
    deleted: int
    problems: list[str]


def throw_away(store: Store, trash: Trash, choices: Sequence[Choice], days: float) -> TrashResult:
    """Move the chosen checkpoints to the trash as one batch, and delete what has been there for more than `days`. Raises
    OSError if the trash cannot be written; nothing has been moved then."""
    deleted, problems = trash.empty(days)
    wanted: list[tuple[str, str, int]] = []
    count = 0
    for choice in choices:
        if choice.go and not store.run(choice.run.id).state.ended:  # it was extended or retried meanwhile
            problems.append(f"{choice.run.name} ({choice.run.id}) is still running, so none of its files were moved")
            continue
        count += len(choice.go)
        for checkpoint in choice.go:
            wanted.append((checkpoint.path, choice.run.id, checkpoint.usage.size))
            wanted += [(link, choice.run.id, 0) for link in checkpoint.links]
    if not wanted:
        return TrashResult(0, 0, deleted, problems)
    batch, failed = trash.move(wanted)
    return TrashResult(count, batch.size, deleted, [*problems, *failed])


def keep_after_round(context: Context, settings: Settings) -> None:
    """Apply `[keep]` with `when = "each round"` after a round. Problems are recorded as events and stop nothing."""
    store, keep = context.store, settings.keep
    if keep.when != "each round" or not keep.checkpoints:
        return
    loop = context.loop
    try:
        found = folders_of(store, store.loops() if keep.over == "project" else [loop])
        choices, note = chosen(store, found, settings)
        mine = [choice for choice in choices if choice.run.loop == loop.id]
        thrown = throw_away(store, Trash(store.places.home), mine, keep.trash_days)
    except UserError as error:
        context.log_event(EventKind.NOTE, f"[keep] moved nothing: {error}")
        return
    except OSError as error:
        context.log_event(EventKind.NOTE, f"[keep] moved nothing: the trash is not writable ({error.strerror})")
        return
    said = []
    if thrown.checkpoints:
        said.append(
            f"moved {plural(thrown.checkpoints, 'checkpoint')} ({size_text(thrown.moved)}) to the trash; `autoloop-tui disk "
            f"--undo` restores them within {keep.trash_days:g} days"
        )
    if thrown.deleted:
        said.append(f"deleted {size_text(thrown.deleted)} that was in the trash for more than {keep.trash_days:g} days")
    if said:
        context.log_event(EventKind.NOTE, f"[keep] {'; '.join([*said, *([note] if note else [])])}")
    for problem in thrown.problems[:MOST_PROBLEMS]:
        context.log_event(EventKind.NOTE, f"[keep] {problem}")


def _metric(runs: Sequence[Run], wish: KeepPolicy, book: MetricBook) -> str | None:
    names = [run.summary.metrics.keys() for run in runs if run.summary]
    if wish.metric is None:
        keys, _ = main_names(names, book)
        return next((key for key in keys if book.direction(key)), None)
    known = {name: None for each in names for name in each}
    metric = found_as(wish.metric, book, known)
    if metric not in known:
        return None
    if book.direction(metric) is None:
        raise UserError(
            f"Unknown whether higher or lower {wish.metric} is better; declare it in autoloop.toml "
            f'under [metrics]: lower = ["{metric}"] or higher = ["{metric}"].'
        )
    return metric


def _patterns(store: Store, loop: Loop) -> Sequence[str]:
    """The checkpoint patterns of the loop's own preset or, if it has none, of the current preset of the same name."""
    with contextlib.suppress(UserError):
        return preset_of(store.places, loop).checkpoints or load_preset(loop.spec.preset).checkpoints
    return ()


def _below(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders)
