"""Rules: a run's metrics, log and config in, proposals with their evidence out. No I/O: one run, one answer."""

from autoloop.rules.book import Criterion, Default, LiveSchedule, Rule, RuleBook, act_ot_book, criterion, parse_book
from autoloop.rules.clamp import Bounds, Clamp, clamp_changes
from autoloop.rules.decide import Decision, decide
from autoloop.rules.expressions import Expression, Verdict, compile_expression, evaluate
from autoloop.rules.judge import Firing, Judgement, RuleSource, judge
from autoloop.rules.live import LiveFiring, LiveWatch, describe, in_words, live_rules
from autoloop.rules.python_rules import PythonRules, python_rules
from autoloop.rules.suggestions import Suggestion, applicable, suggestions
from autoloop.rules.view import RunView
from autoloop.rules.windows import no_point_ahead, no_point_seen

__all__ = [
    "Bounds",
    "Clamp",
    "Criterion",
    "Decision",
    "Default",
    "Expression",
    "Firing",
    "Judgement",
    "LiveFiring",
    "LiveSchedule",
    "LiveWatch",
    "PythonRules",
    "Rule",
    "RuleBook",
    "RuleSource",
    "RunView",
    "Suggestion",
    "Verdict",
    "act_ot_book",
    "applicable",
    "clamp_changes",
    "compile_expression",
    "criterion",
    "decide",
    "describe",
    "evaluate",
    "in_words",
    "judge",
    "live_rules",
    "no_point_ahead",
    "no_point_seen",
    "parse_book",
    "python_rules",
    "suggestions",
]
