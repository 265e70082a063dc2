"""Judges a run in training: which live rules fire on new points and log lines.

No I/O: the caller passes the columns and lines that were read; `engine/rounds/live_rules.py` acts on the firings.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from autoloop.metrics import MetricBook, canonical_columns, found_as, summarise_named
from autoloop.model import Config, Evidence, Series
from autoloop.rules.expressions import evaluate, holds
from autoloop.rules.rule import Rule
from autoloop.rules.source import RuleSource
from autoloop.rules.view import MAX_LINE, RunView
from autoloop.text.plural import plural
from autoloop.verdicts import BaseComparison


def live_rules(source: RuleSource) -> list[Rule]:
    """The live rules of a source, highest priority first."""
    return sorted((rule for rule in source.rules if rule.watch), key=lambda rule: -rule.priority)


def describe(rule: Rule) -> str:
    """`pi-vanished: steps 300–500, relaunches with reg@add=0.1 or tau@mul=2 in turn, at most 2 times`."""
    watch = rule.watch
    if watch is None:
        return rule.id
    if watch.once:
        when = f"at step {watch.first}"
    elif watch.last is not None:
        when = f"steps {watch.first}–{watch.last}"
    else:
        when = f"from step {watch.first}" if watch.first else "at every step"
    what = "stops the run"
    if watch.turns:
        turns = " or ".join(" ".join(turn) for turn in watch.turns) + (" in turn" if len(watch.turns) > 1 else "")
        what = f"relaunches with {turns}, at most {plural(watch.relaunches, 'time')}"
    return f"{rule.id}: {when}, {'asks first, ' if watch.ask else ''}{what}"


@dataclass(frozen=True)
class LiveFiring:
    """A live rule that fired, its evidence, and the last step of the points that it judged."""

    rule: Rule
    evidence: Evidence
    step: int


@dataclass(frozen=True)
class _LiveView(RunView):
    """A run in training. `found`: the first log line so far that each pattern matches."""

    found: Mapping[str, str] = field(default_factory=dict)

    def search(self, pattern: object) -> tuple[str | None, bool]:
        return self.found.get(getattr(pattern, "pattern", "")), True


class _Part(NamedTuple):
    """The points of a metric that a rule may see, from `begin` up to but not including `end`. They are copied only if the
    rule is evaluated."""

    name: str
    series: Series
    begin: int
    end: int

    @property
    def newest(self) -> int:
        return self.series.steps[self.end - 1]

    def cut(self) -> Series:
        series, begin, end = self.series, self.begin, self.end
        whole = begin == 0 and end == len(series)
        return series if whole else Series(steps=series.steps[begin:end], values=series.values[begin:end])


class LiveWatch:
    """Judges one attempt by the live rules. `since`: the step that it was resumed from; earlier points belong to another
    attempt. `against`: as in `RunView`; rules need it for the noise between seeds."""

    def __init__(
        self,
        rules: Sequence[Rule],
        version: str,
        book: MetricBook,
        config: Config,
        since: int = 0,
        against: Callable[[], BaseComparison] | None = None,
    ) -> None:
        self.rules = list(rules)
        self.patterns = {pattern.pattern: pattern for rule in rules for pattern in rule.when.patterns}
        self._version = version
        self._book = book
        self._config = config
        self._since = since
        self._against = against
        self._found: dict[str, str] = {}
        self._names: set[str] | None = None
        """The names of all columns for which `_written` and `_summarised` were computed: by rule, the column names of the
        metrics that it reads, and of those whose statistics it needs."""
        self._written: dict[str, list[str]] = {}
        self._summarised: dict[str, list[str]] = {}
        self._judged: dict[str, list[int]] = {}
        """By rule, the extent of each series at the last judgement."""

    def read_log(self, lines: Iterable[str]) -> None:
        """Search new log lines. The first line that matches each pattern is kept."""
        wanted = [pattern for text, pattern in self.patterns.items() if text not in self._found]
        for line in lines:
            if not wanted:
                return
            text = line[:MAX_LINE]
            for pattern in wanted:
                if pattern.finds(text):
                    self._found[pattern.pattern] = text.strip()
            wanted = [pattern for pattern in wanted if pattern.pattern not in self._found]

    def fired(self, columns: Mapping[str, Series], progress: int) -> list[LiveFiring]:
        """Return the rules that fire on data that is new since the last call. `columns`: the trainer's metrics; `progress`:
        its step."""
        named = canonical_columns(columns, self._book)
        if named.keys() != self._names:
            self._names = set(named)
            self._written = {rule.id: self._found_as(sorted(rule.when.metrics), named) for rule in self.rules}
            self._summarised = {rule.id: self._found_as(rule.when.summarised, named) for rule in self.rules}
        firings = (self._judge(rule, named, progress) for rule in self.rules)
        return [firing for firing in firings if firing]

    def _found_as(self, metrics: Iterable[str], named: Mapping[str, Series]) -> list[str]:
        return [found_as(name, self._book, named) for name in metrics]

    def silence(self, rule: str) -> None:
        """Stop judging by this rule, because it has acted on the run."""
        self.rules = [each for each in self.rules if each.id != rule]

    def _judge(self, rule: Rule, named: Mapping[str, Series], progress: int) -> LiveFiring | None:
        watch = rule.watch
        if watch is None:
            return None
        first = max(watch.first, self._since + 1 if self._since else 0)
        looked_at = {name: named[name] for name in self._written[rule.id] if name in named}
        last = watch.last
        if watch.once:
            nexts = [s.steps[at] for s in looked_at.values() if (at := bisect_left(s.steps, first)) < len(s)]
            last = min(nexts, default=progress if progress >= first else None)
            if last is None:
                return None
        parts = [_Part(name, series, 0, end) for name, series in looked_at.items() if (end := _end(series, last))]
        newest = max([part.newest for part in parts], default=progress)
        if newest < first or (last is not None and newest > last):
            return None
        if watch.window is not None:
            start = newest - watch.window
            if min([part.series.steps[0] for part in parts], default=0) > max(start, 0) or start < 0:
                return None  # the run has not made `window` steps yet
            parts = [_Part(name, series, at, end) for name, series, _, end in parts if (at := _begin(series, start)) < end]
        mark = [newest if not looked_at else 0, len(self._found)]
        for part in parts:
            mark += (part.end - part.begin, part.newest)
        if self._judged.get(rule.id) == mark:
            return None
        self._judged[rule.id] = mark
        cut = {part.name: part.cut() for part in parts}
        summary = summarise_named(cut, self._book, self._summarised[rule.id], newest)
        view = _LiveView(summary, self._config, (), self._book, self._against, self._found)
        if not holds(rule.when, view):
            return None
        verdict = evaluate(rule.when, view)
        evidence = Evidence(rule=rule.id, rule_version=self._version, when=rule.when.text, observations=verdict.observations)
        return LiveFiring(rule, evidence, newest)


def _end(series: Series, last: int | None) -> int:
    """The number of points up to and including the step `last`."""
    return len(series.steps) if last is None or series.steps[-1] <= last else bisect_right(series.steps, last)


def _begin(series: Series, first: int) -> int:
    """The number of points before the step `first`."""
    return bisect_left(series.steps, first)
