"""Rules map one run's metrics, log and config to requests for variants, with their evidence. No I/O."""

from autoloop.rules.book import criterion, default_rules, parse_book
from autoloop.rules.expressions import Expression, compile_expression, evaluate
from autoloop.rules.live import LiveFiring, LiveWatch, describe, live_rules
from autoloop.rules.python_rules import python_rules
from autoloop.rules.rule import LiveSchedule, Rule
from autoloop.rules.source import Judgement, RuleSource
from autoloop.rules.view import RunView
from autoloop.rules.windows import no_point_ahead, no_point_seen

__all__ = [
    "Expression",
    "Judgement",
    "LiveFiring",
    "LiveSchedule",
    "LiveWatch",
    "Rule",
    "RuleSource",
    "RunView",
    "compile_expression",
    "criterion",
    "default_rules",
    "describe",
    "evaluate",
    "live_rules",
    "no_point_ahead",
    "no_point_seen",
    "parse_book",
    "python_rules",
]
