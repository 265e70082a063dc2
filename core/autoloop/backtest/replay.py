"""One past run shown to rules as it came in: live rules point by point as an engine would have looked, the rules for
ended runs at its end.

A live rule never sees a point or a log line of a later step: the columns that it is given grow step by step, and the judge
is the engine's own (`rules/live.py`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from autoloop.metrics import MetricBook, canonical_columns, summarise_named
from autoloop.model import Config, Evidence, Series, Summary
from autoloop.rules import Judgement, LiveWatch, Rule, RuleSource, RunView, live_rules
from autoloop.rules.view import found_as

MOST_LOOKS = 2000
"""Of a run with more points than this, live rules are shown every second, third … only."""


@dataclass(frozen=True)
class Facts:
    """What is known of a past run besides its history.

    `cohort`: equal for the runs that it may be compared with (those of a loop, or below a folder) if they were of its
    length, `total_steps`. `step`: how far it came. `seconds`: of one step, if that is known. `relaunched`: how often each
    live rule had relaunched the lineage before it.
    """

    id: str
    name: str
    cohort: str
    config: Config
    total_steps: int
    step: int
    finished: bool
    seconds: float | None = None
    relaunched: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PastRun:
    """A past run with its history. `columns`: by the trainer's names. `lines`: the lines of its log that live rules look
    for, with the step at which each had been printed; `notes` say what is missing. `log`: what rules for ended runs
    search."""

    facts: Facts
    columns: Mapping[str, Series]
    book: MetricBook
    lines: Sequence[tuple[int, str]] = ()
    notes: Sequence[str] = ()
    log: Callable[[], Iterable[str]] | Sequence[str] = ()


class Fired(NamedTuple):
    """A live rule, the step of the newest point that it had seen when it fired, and why."""

    rule: str
    step: int
    evidence: Evidence


@dataclass(frozen=True)
class Replayed:
    """What rules said of a run: `fired`, the live rules in the order in which they fired first, and `judgement`, None of a
    run that has not finished. `curve`: the metric that was asked for. `notes`: what was not as it would have been."""

    facts: Facts
    summary: Summary
    fired: list[Fired]
    judgement: Judgement | None
    curve: Series | None = None
    notes: Sequence[str] = ()


def replay(run: PastRun, source: RuleSource, metric: str | None = None) -> Replayed:
    """Show the run to the rules. `metric`: whose curve is wanted, in any of its names."""
    named = canonical_columns(run.columns, run.book)
    summary, config = summarise_named(named, run.book), run.facts.config
    rules = live_rules(source) if source.applies_to(config) else []
    fired, thinned = _watched(run, rules, f"{source.name} {source.version}") if rules else ([], [])
    judgement = None
    if run.facts.finished:
        judgement = source.judge(RunView(summary=summary, config=config, log=run.log, book=run.book))
    curve = named.get(found_as(metric, run.book, named)) if metric else None
    return Replayed(run.facts, summary, fired, judgement, curve, [*run.notes, *thinned])


def _watched(run: PastRun, rules: Sequence[Rule], version: str) -> tuple[list[Fired], list[str]]:
    """The first firing of each rule, and what was not as it would have been."""
    watch = LiveWatch(rules, version, run.book, run.facts.config)
    looks, stride = _looks(run)
    growing: dict[str, Series] = {}
    begins = dict.fromkeys(run.columns, 0)
    printed = 0
    fired: list[Fired] = []
    for step in looks:
        for name, series in run.columns.items():
            begin = begins[name]
            if begin < len(series) and series.steps[begin] <= step:
                end = begins[name] = bisect_right(series.steps, step, begin)
                seen = growing.setdefault(name, Series())
                seen.steps.extend(series.steps[begin:end])
                seen.values.extend(series.values[begin:end])
        begin = printed
        while printed < len(run.lines) and run.lines[printed][0] <= step:
            printed += 1
        watch.read_log(line for _, line in run.lines[begin:printed])
        for firing in watch.fired(growing, step):
            fired.append(Fired(firing.rule.id, step, firing.evidence))
            watch.silence(firing.rule.id)
        if not watch.rules:
            break
    return fired, [f"live rules looked at one in {stride} of its points"] if stride > 1 else []


def _looks(run: PastRun) -> tuple[list[int], int]:
    """The steps at which there was something new. As in an engine, a run that has made its last step is not looked at."""
    steps = {step for series in run.columns.values() for step in series.steps} | {step for step, _ in run.lines}
    total = run.facts.total_steps
    looks = sorted(step for step in steps if not 0 < total <= step)
    stride = -(-len(looks) // MOST_LOOKS) or 1
    return looks[stride - 1 :: stride], stride
