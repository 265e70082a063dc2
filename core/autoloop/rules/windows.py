"""Whether a live rule has any points to judge: its steps may fall between the points that a trainer logs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from autoloop.metrics import PLATEAU_POINTS, MetricBook, canonical_columns, found_as
from autoloop.model import Series
from autoloop.rules.rule import LiveSchedule, Rule


def no_point_ahead(rule: Rule, steps: int, log_freq: int | None, eval_freq: int | None) -> str | None:
    """Return why a live rule cannot judge anything in a run of `steps` steps; None if it may. A frequency of None is
    unknown."""
    watch = rule.watch
    if watch is None:
        return None
    if watch.first >= steps:
        return f"live rule {rule.id} will never apply: it judges {steps_of(watch)}, but a run makes {steps} steps"
    if watch.window is not None and watch.window > steps:
        return f"live rule {rule.id} will never apply: its window is {watch.window} steps, but a run makes {steps}"
    # The last step is not judged: stopping the run then would save nothing.
    last = steps - 1 if watch.last is None or watch.once else min(watch.last, steps - 1)
    for metric in sorted(rule.when.plateaus):
        flag, every = _frequency(metric, log_freq, eval_freq)
        span = last if watch.window is None else watch.window
        if every and (points := span // every + 1) < PLATEAU_POINTS:
            return (
                f"live rule {rule.id} will never find {metric} flat: that takes {PLATEAU_POINTS} points, but with {flag} "
                f"{every} there are at most {points} in {span} steps; log more often, or widen the rule's steps"
            )
    flags: list[str] = []
    for metric in rule.when.metrics:
        flag, every = _frequency(metric, log_freq, eval_freq)
        if every is None or (every and last // every * every >= max(watch.first, 1)):
            return None
        flags.append(f"{flag} {every}")
    if not flags:
        return None
    with_ = " and ".join(dict.fromkeys(flags))
    return (
        f"live rule {rule.id} will never apply: it judges {steps_of(watch)}, but with {with_} none of its metrics has a "
        "point there; log more often, or change the rule's steps"
    )


def no_point_seen(
    rules: Iterable[Rule],
    columns: Mapping[str, Series],
    book: MetricBook,
    steps: int,
    *,
    since: int = 0,
    absent: bool = True,
) -> list[str]:
    """Return a clause for each live rule that had no point to judge in a run planned for `steps` steps.

    Rules that begin after the last step are omitted, because that was reported before. `absent`: whether to report metrics
    that were not logged at all. `since`: the step that the run was resumed from.
    """
    named = canonical_columns(columns, book)
    found: list[str] = []
    for rule in rules:
        watch, metrics = rule.watch, sorted(rule.when.metrics)
        if watch is None or not metrics or not (watch.first or watch.last is not None):
            continue
        if watch.first >= steps or since > watch.first:
            continue
        logged = {metric: named[metric] for each in metrics if (metric := found_as(each, book, named)) in named}
        if any(_has_point(series.steps, watch) for series in logged.values()) or not (logged or absent):
            continue
        points = ", ".join(f"{book.short(name)} at {_first_steps(series.steps)}" for name, series in logged.items())
        points = points or f"{', '.join(map(book.short, metrics))} was not logged"
        found.append(f"{rule.id} judges {steps_of(watch)}, but had no data there ({points})")
    return found


def steps_of(watch: LiveSchedule) -> str:
    if watch.once:
        return f"at step {watch.first}"
    return f"at steps {watch.first}–{watch.last}" if watch.last is not None else f"from step {watch.first} on"


def _frequency(metric: str, log_freq: int | None, eval_freq: int | None) -> tuple[str, int | None]:
    """The flag for the metric's logging interval, and its value."""
    of_evaluation = metric.partition("/")[0] in ("eval", "val", "valid", "validation", "test")
    return ("--eval-freq", eval_freq) if of_evaluation else ("--log-freq", log_freq)


def _has_point(steps: Sequence[int], watch: LiveSchedule) -> bool:
    at = bisect_left(steps, watch.first)
    return at < len(steps) and (watch.last is None or watch.once or steps[at] <= watch.last)


def _first_steps(steps: Sequence[int]) -> str:
    return ", ".join(map(str, steps[:3])) + (", …" if len(steps) > 3 else "")
