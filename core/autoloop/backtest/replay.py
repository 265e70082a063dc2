"""One past run shown to live rules as it came in: point by point, as an engine would have looked.

A live rule never sees a point or a log line of a later step: the columns that it is given grow step by step, and the judge
is the engine's own (`rules/live.py`).
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
"""Of a run with more points than this, live rules are shown every second, third … only."""


Log = Callable[[], Iterable[str]] | Sequence[str]
"""Lines, or a function that reads them."""


@dataclass(frozen=True)
class Facts:
    """What is known of a past run besides its history.

    `cohort`: equal for the runs that it may be compared with (those of a loop, or below a folder) if they were of its
    length, `total_steps`. `group`: equal for the runs of a round that differ in nothing but the seed, empty if there are no
    others. `confirms`: it ran to confirm a config on a fresh seed, so rules leave it alone. `step`: how far it came.
    `seconds`: of one step, if that is known. `relaunched`: how often each live rule had relaunched the lineage before it.
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
    """A past run with its history. `columns`: by the trainer's names. `lines`: the lines of its log that live rules look
    for, with the step at which each had been printed; `notes` say what is missing. `log`: what rules for ended runs
    search. `summary`: what it reached, if its history is gone."""

    facts: Facts
    columns: Mapping[str, Series]
    book: MetricBook
    lines: Sequence[tuple[int, str]] = ()
    notes: Sequence[str] = ()
    log: Log = ()
    summary: Summary | None = None


class Fired(NamedTuple):
    """A live rule, the step of the newest point that it had seen when it fired, and why."""

    rule: str
    step: int
    evidence: Evidence


@dataclass(frozen=True)
class Replayed:
    """What live rules said of a run: `fired`, in the order in which they fired first. `summary`, `book` and `log` are what
    rules for ended runs look at. `curve`: the metric that was asked for. `notes`: what was not as it would have been."""

    facts: Facts
    summary: Summary
    book: MetricBook
    log: Log
    fired: list[Fired]
    curve: Series | None = None
    notes: Sequence[str] = ()


NO_NOISE = "live rules that use the noise between seeds could not be evaluated: its past values are not recorded"
GONE = "its history is gone, so live rules had no data"


def replay(run: PastRun, source: RuleSource, metric: str | None = None) -> Replayed:
    """Show the run to the live rules. `metric`: whose curve is wanted, in any of its names."""
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
    return Replayed(run.facts, summary, run.book, run.log, fired, curve, notes)


def _watched(run: PastRun, rules: Sequence[Rule], version: str) -> tuple[list[Fired], list[str]]:
    """The first firing of each rule, and what was not as it would have been."""
    watch = LiveWatch(rules, version, run.book, run.facts.config)
    looks, stride = _looks(run)
    growing: dict[str, Series] = {}
    left = {name: (series, 0) for name, series in _looked_at(run, rules).items() if len(series)}
    printed = 0
    fired: list[Fired] = []
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
            fired.append(Fired(firing.rule.id, step, firing.evidence))
            watch.silence(firing.rule.id)
        if not watch.rules:
            break
    return fired, [f"live rules saw one in {stride} of its points"] if stride > 1 else []


def _looked_at(run: PastRun, rules: Sequence[Rule]) -> dict[str, Series]:
    """The run's columns, of those that no rule can ask for the first point only: what a metric is called may depend on which
    others there are."""
    book = run.book
    asked = {book.resolve_name(name) or name for rule in rules for name in rule.when.metrics}
    asked |= {f"train/{name}" for name in asked}
    if not asked.isdisjoint(book.derived):  # and so, for what they are derived from
        return dict(run.columns)
    found: dict[str, Series] = {}
    for name, series in run.columns.items():
        whole = not asked.isdisjoint((name, book.resolve_name(name), book.renamed(name)))
        found[name] = series if whole else Series(steps=series.steps[:1], values=series.values[:1])
    return found


def _looks(run: PastRun) -> tuple[list[int], int]:
    """The steps at which there was something new. As in an engine, a run that has made its last step is not looked at."""
    steps = {step for series in run.columns.values() for step in series.steps} | {step for step, _ in run.lines}
    total = run.facts.total_steps
    looks = sorted(step for step in steps if not 0 < total <= step)
    stride = -(-len(looks) // MOST_LOOKS) or 1
    return looks[stride - 1 :: stride], stride
