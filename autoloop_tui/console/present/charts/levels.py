"""Thresholds of rules as named lines in the charts of their metrics."""

from __future__ import annotations

from collections.abc import Iterable

from autoloop.model import MetricSummary
from autoloop.rules import Rule

from autoloop_tui.console.drawing.backdrop import Level
from autoloop_tui.console.drawing.paint import number, plain

LEVELS = ("first", "last", "best", "min", "max", "tail_mean")
"""Statistics measured on the metric's own axis; a threshold of a percentage or count is not."""

MOST = 3
"""Maximum number of lines in a chart."""


def live_levels(rules: Iterable[Rule]) -> dict[str, list[Level]]:
    """Return, by metric, the thresholds of live rules, each line labelled with its rule."""
    found: dict[str, list[Level]] = {}
    for rule in rules:
        for each in rule.when.thresholds if rule.watch else ():
            known = found.setdefault(each.metric, [])
            if each.statistic in LEVELS and len(known) < MOST:
                known.append(Level(each.value, f"{plain(rule.id)} {each.op} {number(each.value)}"))
    return found


def in_reach(levels: Iterable[Level], seen: MetricSummary | None) -> list[Level]:
    """Return the levels that fit into a chart without flattening the curve."""
    if seen is None:
        return []
    span = seen.max - seen.min or abs(seen.max) or 1.0
    return [level for level in levels if seen.min - span <= level.value <= seen.max + span]
