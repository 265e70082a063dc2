"""Replay a past run to live rules point by point, as the engine would have polled it.

A live rule never sees a point or a log line of a later step: its columns grow step by step, and the engine's own code judges
them (`rules/live.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from autoloop.metrics import MetricBook, canonical_columns, found_as, summarise_named
from autoloop.model import Config, Evidence, Series, Summary
from autoloop.rules import LiveWatch, Rule, RuleSource, live_rules

MOST_LOOKS = 2000
"""For a run with more points than this, live rules see only every second, third … point."""


Log = Callable[[], Iterable[str]] | Sequence[str]
"""Lines, or a function that reads them."""


@dataclass(frozen=True)
class Facts:
    """The facts about a past run besides its history.

    `cohort`: equal for runs that may be compared (those of a loop, or below a folder) if their `total_steps` are equal too.
    `group`: equal for runs of a round that differ only in the seed; empty if there are no others. `confirms`: it confirmed a
    config on a fresh seed, so rules ignore it. `step`: the last step reached. `seconds`: time per step, if known.
    `relaunched`: how often each live rule had already relaunched its lineage.
    """

    id: str
    name: str
    cohort: str
    config: Config
    total_steps: int
    step: int
    finished: bool
    group: str = ""
    seconds: float | None = None
    relaunched: Mapping[str, int] = field(default_factory=dict)
    confirms: bool = False


@dataclass(frozen=True)
class PastRun:
    """A past run with its history. `columns`: by the trainer's names. `lines`: the log lines that live rules search for,
    each with the step at which it was printed; `notes`: what is missing. `log`: the log that rules for ended runs search.
    `summary`: its stored results, used if its history is gone."""

    facts: Facts
    columns: Mapping[str, Series]
    book: MetricBook
    lines: Sequence[tuple[int, str]] = ()
    notes: Sequence[str] = ()
    log: Log = ()
    summary: Summary | None = None


class Firing(NamedTuple):
    """A live rule that fired, the step of the newest point that it had seen, and its evidence."""

    rule: str
    step: int
    evidence: Evidence


@dataclass(frozen=True)
class ReplayResult:
    """The result of replaying a run. `fired`: the first firing of each live rule, in order. `summary`, `book` and `log`: the
    input of rules for ended runs. `curve`: the requested metric. `notes`: differences from a live run."""

    facts: Facts
    summary: Summary
    book: MetricBook
    log: Log
    fired: list[Firing]
    curve: Series | None = None
    notes: Sequence[str] = ()


NO_NOISE = "live rules that use the noise between seeds could not be evaluated: its past values are not recorded"
GONE = "its history is gone, so live rules had no data"


def replay(run: PastRun, source: RuleSource, metric: str | None = None) -> ReplayResult:
    """Replay the run to the live rules. `metric`: the metric for `curve`, by any of its names."""
    named = canonical_columns(run.columns, run.book)
    rules = live_rules(source) if source.applies_to(run.facts.config) and not run.facts.confirms else []
    fired, thinned = _watched(run, rules, f"{source.name} {source.version}") if rules else ([], [])
    curve = named.get(found_as(metric, run.book, named)) if metric else None
    notes = [*run.notes, *thinned]
    if any(rule.when.compared for rule in rules):
        notes.append(NO_NOISE)
    summary = summarise_named(named, run.book)
    if not named and run.summary is not None and run.summary.metrics:
        summary = run.summary
        notes.append(GONE)
    elif run.summary is not None:
        summary = msgspec.structs.replace(summary, gpu=run.summary.gpu)
    return ReplayResult(run.facts, summary, run.book, run.log, fired, curve, notes)


def _watched(run: PastRun, rules: Sequence[Rule], version: str) -> tuple[list[Firing], list[str]]:
    """The first firing of each rule, and notes on differences from a live run."""
    watch = LiveWatch(rules, version, run.book, run.facts.config)
    looks, stride = _looks(run)
    growing: dict[str, Series] = {}
    left = {name: (series, 0) for name, series in _looked_at(run, rules).items() if len(series)}
    printed = 0
    fired: list[Firing] = []
    for step in looks:
        for name, (series, begin) in list(left.items()):
            if series.steps[begin] <= step:
                end = bisect_right(series.steps, step, begin)
                seen = growing.setdefault(name, Series())
                seen.steps.extend(series.steps[begin:end])
                seen.values.extend(series.values[begin:end])
                left[name] = series, end
                if end == len(series):
                    del left[name]
        begin = printed
        while printed < len(run.lines) and run.lines[printed][0] <= step:
            printed += 1
        if printed > begin:
            watch.read_log(line for _, line in run.lines[begin:printed])
        for firing in watch.fired(growing, step):
            fired.append(Firing(firing.rule.id, step, firing.evidence))
            watch.silence(firing.rule.id)
        if not watch.rules:
            break
    return fired, [f"live rules saw one in {stride} of its points"] if stride > 1 else []


def _looked_at(run: PastRun, rules: Sequence[Rule]) -> dict[str, Series]:
    """The run's columns; those that no rule can ask for keep only their first point, because the name of a metric may depend
    on which others exist."""
    book = run.book
    asked = {book.resolve_name(name) or name for rule in rules for name in rule.when.metrics}
    asked |= {f"train/{name}" for name in asked}
    if not asked.isdisjoint(book.derived):  # a derived metric may need any column
        return dict(run.columns)
    found: dict[str, Series] = {}
    for name, series in run.columns.items():
        whole = not asked.isdisjoint((name, book.resolve_name(name), book.renamed(name)))
        found[name] = series if whole else Series(steps=series.steps[:1], values=series.values[:1])
    return found


def _looks(run: PastRun) -> tuple[list[int], int]:
    """The steps with new points or log lines, and the stride between those returned. As in the engine, the last step is not
    judged."""
    steps = {step for series in run.columns.values() for step in series.steps} | {step for step, _ in run.lines}
    total = run.facts.total_steps
    looks = sorted(step for step in steps if not 0 < total <= step)
    stride = -(-len(looks) // MOST_LOOKS) or 1
    return looks[stride - 1 :: stride], stride
