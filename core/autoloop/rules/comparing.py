"""One comparison in a condition: which terms can be compared, and the evidence that is recorded."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from autoloop.metrics import MetricBook
from autoloop.model import Summary
from autoloop.rules.evaluation import Evaluation, Term, finite, same
from autoloop.rules.plateau import claims_plateau, require_points
from autoloop.rules.view import RunView, cut
from autoloop.text.suggest import did_you_mean

Link = Callable[[Evaluation, Any, Any], bool]
"""Whether a comparison holds for the values of its two sides."""


class Threshold(NamedTuple):
    """A comparison of a metric's statistic with a number, as `eval_l1.last > 0.5`. `metric`: the canonical name."""

    metric: str
    statistic: str
    op: str
    value: float


OPERATORS: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.Eq: ("==", same),
    ast.NotEq: ("!=", lambda a, b: not same(a, b)),
}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_NO_RUN = Evaluation(RunView(Summary()))
"""For evaluating constants, which use no run."""


class Comparison:
    """A comparison of two checked terms. `negated`: the condition needs it to fail. `flat`: the metric, as written, that
    counts as flat when the comparison is satisfied; None without one."""

    def __init__(self, op: type[ast.cmpop], left: Term, right: Term, book: MetricBook, *, negated: bool) -> None:
        self._negated = negated
        self.op, self._test = OPERATORS[op]
        self.left, self.right = left, right
        self._ordered = self.op not in ("==", "!=")
        self.flat = None if self.fault() else self._plateau(book)

    def fault(self) -> str | None:
        """Return why the two terms cannot be compared with this operator; None if they can."""
        left, right = self.left, self.right
        for side in (left, right):
            if self._ordered and side.kind not in ("number", "any"):
                return f"{side.source} is {kind_words(side.kind)}, which {self.op} cannot compare"
        if "any" not in (left.kind, right.kind) and left.kind != right.kind:
            kinds = f"{left.source} is {kind_words(left.kind)} and {right.source} is {kind_words(right.kind)}"
            return f"{kinds}, which are never equal"
        for asked, other in ((left, right), (right, left)):
            if asked.choices and other.constant and (word := other.run(_NO_RUN)) not in asked.choices:
                hint = nearest_hint(word, asked.choices) or f"; it is one of {', '.join(asked.choices)}"
                return f'{asked.source} is never "{cut(word)}"{hint}'
        return None

    def link(self) -> Link:
        """Return the evaluated comparison. Evidence is recorded as metric, operator, threshold: `1 > x.last` as
        `x.last < 1`."""
        left, right, op, test, flat, ordered = self.left, self.right, self.op, self._test, self.flat, self._ordered
        counts = not self._negated
        flip = left.constant and not right.constant

        def link(evaluation: Evaluation, a: Any, b: Any) -> bool:
            if ordered:
                a, b = finite(a, left.source), finite(b, right.source)
            holds = test(a, b)
            if flat and holds is counts:
                require_points(evaluation, f"{left.source} {op} {right.source}", flat)
            words = next((term.words(evaluation) for term in (left, right) if term.words), None)
            if flip:
                return evaluation.observe(right.source, b, MIRRORED[op], a, holds, right.metric, words)
            return evaluation.observe(left.source, a, op, b, holds, left.metric or right.metric, words)

        return link

    def _plateau(self, book: MetricBook) -> str | None:
        """The metric that counts as flat; known only if a metric's change is compared with a constant."""
        left, right = self.left, self.right
        change, metric = (left, left.change) if left.change else (right, right.change)
        if metric is None or not (left.constant or right.constant):
            return None

        def holds(value: float) -> bool:
            held = self._test(value, right.run(_NO_RUN)) if change is left else self._test(left.run(_NO_RUN), value)
            return held is not self._negated

        good = book.direction(book.resolve_name(metric) or metric)
        return metric if claims_plateau(change, holds, good) else None


def nearest_hint(word: str, choices: Iterable[str]) -> str:
    """Return `; did you mean "x"?` with the nearest choice, or an empty text if none is near."""
    hint = did_you_mean(word, choices, quote='"')
    return f"; {hint}" if hint else ""


def kind_words(kind: str) -> str:
    return {"number": "a number", "truth": "true or false", "text": "text", "none": "nothing"}.get(kind, "some value")
