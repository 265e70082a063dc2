"""`decide(summary)` for people's scripts: the shipped rules on one entry of `autorun_summary.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from autoloop.metrics import from_json
from autoloop.model import Config, Summary
from autoloop.rules.book import act_ot_book
from autoloop.rules.clamp import Clamp
from autoloop.rules.judge import RuleSource, judge
from autoloop.rules.suggestions import edits_as_mapping
from autoloop.rules.view import RunView


class Decision(NamedTuple):
    """One proposal: why, and its changes as {"path@op": value}, so that f"{key}={value}" is an edit.

    `clamp`: the bounds within which the rule wants its values kept.
    """

    reason: str
    changes: dict[str, Any]
    clamp: Clamp


def decide(
    summary: Summary | Mapping[str, Any], rules: RuleSource | None = None, config: Config | None = None
) -> list[Decision]:
    """What the rules (default: the shipped book) propose for a run; nothing if it has no metric.

    `summary` is {metric: {first, last, best, best_step, delta, pct}, "steps": N}, as in the summary JSON, old or new, or
    such an entry as it was loaded. `config` is for rules that look at it. UserError if the summary has another shape.
    """
    view = RunView(summary if isinstance(summary, Summary) else from_json(dict(summary)), config or {})
    firings = judge(rules or act_ot_book(), view).firings
    return [Decision(firing.reason, edits_as_mapping(firing.edits), firing.clamp) for firing in firings]
