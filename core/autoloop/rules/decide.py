"""`decide(summary)` for people's scripts: the shipped rules on one entry of `autorun_summary.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from autoloop.metrics import from_json
from autoloop.rules.book import act_ot_book
from autoloop.rules.judge import judge
from autoloop.rules.suggestions import edits_as_mapping
from autoloop.rules.view import RunView


class Decision(NamedTuple):
    """One proposal: why, and its changes as {"path@op": value}, so that f"{key}={value}" is an edit."""

    reason: str
    changes: dict[str, Any]


def decide(summary: Mapping[str, Any]) -> list[Decision]:
    """What the ACT-OT book proposes for a run; nothing if it has no metric.

    `summary` is {metric: {first, last, best, best_step, delta, pct}, "steps": N}, as in the summary JSON, old or new.
    UserError if it has another shape.
    """
    view = RunView(from_json(dict(summary)))
    return [Decision(firing.reason, edits_as_mapping(firing.edits)) for firing in judge(act_ot_book(), view).firings]
