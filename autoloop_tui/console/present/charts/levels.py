"""The thresholds of rules as named lines in the charts of the metrics that they look at."""

from __future__ import annotations

from collections.abc import Iterable

from autoloop.model import MetricSummary
from autoloop.rules import Rule

from autoloop_tui.console.drawing.backdrop import Level
from autoloop_tui.console.drawing.paint import number, plain

LEVELS = ("first", "last", "best", "min", "max", "tail_mean")
"""What of a metric is measured on its own axis; a threshold of a percentage or a count is not."""

MOST = 3
"""Lines in one chart."""


def live_levels(rules: Iterable[Rule]) -> dict[str, list[Level]]:
    """By metric: what live rules compare it with, each line with the rule's name."""
    found: dict[str, list[Level]] = {}
    for rule in rules:
        for each in rule.when.thresholds if rule.watch else ():
            known = found.setdefault(each.metric, [])
            if each.statistic in LEVELS and len(known) < MOST:
                known.append(Level(each.value, f"{plain(rule.id)} {each.op} {number(each.value)}"))
    return found


def in_reach(levels: Iterable[Level], seen: MetricSummary | None) -> list[Level]:
    """Those that a chart can show beside the values without pressing these flat."""
    if seen is None:
        return []
    span = seen.max - seen.min or abs(seen.max) or 1.0
    return [level for level in levels if seen.min - span <= level.value <= seen.max + span]
