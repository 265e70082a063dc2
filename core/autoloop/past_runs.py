"""Reads past runs with their histories, from a project's loops or below any folder, and replays rules over them; with many
runs, in several processes.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from autoloop.backtest import Facts, PastRun, ReplayResult, book_of, find_stop, main_metric, replay
from autoloop.backtest.ranks import FEWEST
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.engine.planning.frozen import preset_of
from autoloop.engine.planning.kept_metrics import metrics_of
from autoloop.engine.runs.following import follow_attempt
from autoloop.files import LARGEST, read_regular
from autoloop.logs import log_lines, read_log_tail
from autoloop.metric_readers import Lines
from autoloop.metric_readers.console_log import ConsoleLog
from autoloop.metrics import MetricBook, MetricBooks, by_config
from autoloop.model import Attempt, Config, HalveSpec, Loop, LoopSpec, Run, RunState, UserError
from autoloop.regex import Regex
from autoloop.rules import RuleSource, default_rules, live_rules
from autoloop.rules.view import MAX_LINE
from autoloop.run_archive import FoundRun, find_runs, read_history
from autoloop.secrets import mask_lines, of_config
from autoloop.settings import Settings
from autoloop.store import Store
from autoloop.trainers import Preset, load_preset, passes_steps
from autoloop.trainers.presets import Console
from autoloop.wandb_cloud.key import known_secrets

SEVERAL = 16
"""The number of runs from which several processes are faster than one, in spite of their start-up time."""
PIECE = 1 << 20
"""Bytes per read of a log."""
LOG_AT_MOST = 16 << 20
"""Bytes of a log that are searched for the patterns of live rules."""

Patterns = Sequence[Regex]


class PastRunSource(Protocol):
    """A past run that can be read."""

    @property
    def label(self) -> str:
        """The run's name for messages."""
        ...

    def read(self, patterns: Patterns) -> PastRun:
        """Return the run with its history and the first log line that matches each pattern. UserError if unreadable."""
        ...


@dataclass(frozen=True)
class LoopRun:
    """A run of one of the project's loops, and its last attempt."""

    run: Run
    attempt: Attempt
    loop: Loop
    preset: Preset | None
    book: MetricBook
    relaunched: Counter[str]
    group: str = ""

    @property
    def label(self) -> str:
        return f"{self.run.name} ({self.run.id})"

    def read(self, patterns: Patterns) -> PastRun:
        run, spec = self.run, self.loop.spec
        config = frozen_config(run)
        follower = follow_attempt(self.attempt, run, spec, self.preset)
        while follower.poll():
            pass
        columns, step = follower.columns, max(run.step, follower.step)
        log, known = Path(self.attempt.directory) / "log.txt", _secrets(config, self.preset)
        console = ConsoleLog(log, self.preset.console if self.preset else Console(), spec.log_freq, run.total_steps or None)
        took = (run.ended_at or 0.0) - (self.attempt.started_at or run.started_at or 0.0)
        return PastRun(
            Facts(
                id=run.id,
                name=run.name,
                cohort=self.loop.name,
                config=config,
                total_steps=run.total_steps or step,
                step=step,
                finished=run.state is RunState.FINISHED,
                group=self.group,
                confirms=run.confirms is not None,
                seconds=took / step if step and run.ended_at and took > 0 else None,
                relaunched=self.relaunched,
            ),
            columns,
            self.book,
            *_lines(log, console, patterns, known),
            log=partial(_masked, log, known),
            summary=run.summary,
        )


@dataclass(frozen=True)
class RunOnDisk:
    """A run found below a folder, with or without a loop."""

    found: FoundRun
    root: Path
    books: MetricBooks

    @property
    def label(self) -> str:
        return os.path.relpath(self.found.name, self.root)

    def read(self, patterns: Patterns) -> PastRun:
        history = read_history(self.found)
        config = history.config
        last = max((series.steps[-1] for series in history.columns.values()), default=0)
        total = config.get("steps")
        total = total if isinstance(total, int) and not isinstance(total, bool) and total > 0 else last
        segments = self.found.segments
        log = Path(segments[-1].path).parent / "files/output.log" if segments else None
        known = _secrets(config, None)
        found = _lines(log, ConsoleLog(log, Console(), total_steps=total or None), patterns, known) if log else ((), ())
        # Only W&B records how a run ended; for other loggers, a run has finished if it reached its last step.
        finished = history.exit_code == 0 if segments else last >= total > 0
        facts = Facts(
            id=os.path.abspath(self.found.name),
            name=self.label,
            cohort=str(self.root),
            config=config,
            total_steps=total,
            step=last,
            finished=finished,
            seconds=1 / history.rate if history.rate else None,
        )
        book = self.books.for_run(config, history.columns)
        return PastRun(facts, history.columns, book, *found, log=partial(_masked, log, known) if log else ())


def runs_of_loops(store: Store, loops: Iterable[Loop]) -> list[LoopRun]:
    """Return the ended runs of these loops that had an attempt, in order."""
    found: list[LoopRun] = []
    for loop in loops:
        try:
            preset = preset_of(store.places, loop)
        except UserError:
            preset = None
        book = metrics_of(store.places, loop)
        last = {attempt.run: attempt for attempt in store.loop_attempts(loop.id)}
        runs = {run.id: run for run in store.runs(loop.id)}
        live = {proposal.id: proposal for proposal in store.proposals(loop.id) if proposal.live is not None}
        groups = _groups(runs.values())
        for run in runs.values():
            if run.state.ended and run.id in last:
                lineage = Counter[str]()
                each: Run | None = run
                while each is not None and each.proposal in live:
                    lineage[live[each.proposal].origin] += 1
                    each = runs.get(each.base_run or "")
                found.append(LoopRun(run, last[run.id], loop, preset, book, lineage, groups.get(run.id, "")))
    return found


def _groups(runs: Iterable[Run]) -> dict[str, str]:
    """For each run that its round judges together with its replicates, the group for `Facts.group`: the id of the first."""
    rounds: dict[int, list[Run]] = {}
    for run in runs:
        if run.state is RunState.FINISHED and run.confirms is None:
            rounds.setdefault(run.round, []).append(run)
    several = [members for round_ in rounds.values() for members in by_config(round_) if len(members) > 1]
    return {run.id: members[0].id for members in several for run in members}


def runs_below(root: Path, books: MetricBooks, problems: list[str]) -> list[RunOnDisk]:
    """Return the runs below a folder, newest first; skipped files are reported in `problems`. UserError if there is none."""
    if not root.is_dir():
        raise UserError(f"There is no folder {root}; name one with runs, or omit it to replay this project's loops.")
    found = find_runs(root, problems)
    if not found:
        raise UserError(f"No run history found under {root}; name another folder.")
    return [RunOnDisk(each, root, books) for each in found]


# ---------------------------------------------------------------------------------------------------------- a safe step

RISK = 0.1
"""The largest share of the stopped runs that may be among the best, as in `backtest --find-stop`."""


def safe_step(store: Store | None, loops: Iterable[Loop], spec: LoopSpec, settings: Settings) -> HalveSpec:
    """Return the earliest step at which the worse half can be stopped (`--halve auto`), judged by the main metric of
    finished past runs of the same trainer with the same number of steps. UserError if there are too few of them, or no step
    is safe."""
    preset = load_preset(spec.preset)
    same = [loop for loop in loops if (loop.spec.preset, loop.spec.train_script) == (spec.preset, spec.train_script)]
    found = runs_of_loops(store, same) if store else []
    steps = spec.steps if passes_steps(preset) or not found else found[0].run.total_steps
    sources = [each for each in found if each.run.total_steps == steps and each.run.state is RunState.FINISHED]
    advice = "`autoloop-tui backtest --find-stop METRIC` shows what past runs tell; give a step, as --halve 600."
    books = settings.metric_books(Path(spec.cwd))
    rules = [default_rules(())]
    runs = [said[0] for said in replay_all(sources, rules) if not isinstance(said, str)]
    book = book_of(runs, books)
    chosen = main_metric(runs, book) if runs else None
    if chosen is None or len(runs) < FEWEST:
        raise UserError(
            f"--halve auto needs finished runs of this trainer with {steps} steps, and there are {len(runs)}; {advice}"
        )
    metric, good = chosen
    runs = [said[0] for said in replay_all(sources, rules, metric) if not isinstance(said, str)]
    stop = find_stop(runs, metric, good, RISK)
    if stop.safe is None:
        raise UserError(
            f"--halve auto: {len(runs)} past runs with {steps} steps show no step at which the worse half by "
            f"{book.short(metric)} can be stopped at a risk of {RISK:.0%}; {advice}"
        )
    return HalveSpec(step=stop.safe.step, metric=metric)


# ------------------------------------------------------------------------------------------------------------ replaying

_Work = tuple[Sequence[PastRunSource], Sequence[RuleSource], str | None]
_work: _Work = ((), (), None)
"""The work of a pool process. Rules hold functions, which cannot be pickled, so a forked process inherits them."""


def replay_all(
    sources: Sequence[PastRunSource], rules: Sequence[RuleSource], metric: str | None = None
) -> list[list[ReplayResult] | str]:
    """Return for each run the result of replaying each rule source, or a sentence on why the run could not be read.

    Many runs are replayed in forked processes, so call this only from a program without threads.
    """
    processes = min(len(os.sched_getaffinity(0)), 8)
    if len(sources) < SEVERAL or processes < 2:
        return [_replay((sources, rules, metric), index) for index in range(len(sources))]
    work: _Work = (sources, rules, metric)
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), initializer=_begin, initargs=(work,))
    try:
        return list(pool.map(_replay_mine, range(len(sources)), chunksize=4))
    except BrokenProcessPool:
        raise UserError("A process that replayed runs was killed (out of memory?); name fewer runs.") from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(work: _Work) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl+C
    _work = work


def _replay_mine(index: int) -> list[ReplayResult] | str:
    return _replay(_work, index)


def _replay(work: _Work, index: int) -> list[ReplayResult] | str:
    sources, rules, metric = work
    patterns = {
        pattern.pattern: pattern for source in rules for rule in live_rules(source) for pattern in rule.when.patterns
    }
    try:
        run = sources[index].read(list(patterns.values()))
    except UserError as error:
        return f"{sources[index].label} is skipped: {error}"
    return [replay(run, source, metric) for source in rules]


# ----------------------------------------------------------------------------------------------------------------- logs


def _lines(
    log: Path, console: ConsoleLog, patterns: Patterns, known: list[str]
) -> tuple[Sequence[tuple[int, str]], Sequence[str]]:
    """The first log line that matches each pattern, with the step that the log had shown by then, and notes. A log without
    steps gives no lines, because a rule must not see a line before it was printed."""
    left = {pattern.pattern: pattern for pattern in patterns}
    found = list[tuple[int, str]]()
    for number, line in enumerate(_read(log) if left else ()):
        for text in log_lines(line):
            for name in [name for name, pattern in left.items() if pattern.finds(text[:MAX_LINE])]:
                found.append((number, text))
                del left[name]
        if not left:
            break
    if not found:
        return (), ()
    steps = dict.fromkeys([number for number, _ in found], 0)
    for number, line in enumerate(_read(log)):  # a second pass: few logs match, and parsing steps is slower
        if number > found[-1][0] and console.step:
            break
        console.take(line)
        if number in steps:
            steps[number] = console.step
    if not console.step:
        return (), ["its log lines have no step numbers, so live rules could not read them"]
    masked = mask_lines([text for _, text in found], known)
    return list(zip([steps[number] for number, _ in found], masked, strict=True)), ()


def _read(log: Path) -> Iterator[bytes]:
    """The log's lines, up to LOG_AT_MOST bytes."""
    lines = Lines(log, returns=True, bounded=True)
    while lines.tail.offset < LOG_AT_MOST:
        yield from lines.read(PIECE)
        if not lines.more:
            return


def _secrets(config: Config, preset: Preset | None) -> list[str]:
    return [*known_secrets(os.environ), *of_config(config), *(of_config(preset.env) if preset else [])]


def _masked(log: Path, known: list[str]) -> list[str]:
    if log.name == "log.txt":
        return mask_lines(read_log_tail(log), known)
    try:
        return mask_lines(read_regular(log, LARGEST).decode("utf-8", "replace").splitlines(), known)
    except OSError:
        return []
