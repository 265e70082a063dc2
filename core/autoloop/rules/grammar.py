"""Checks the text of a condition against the language of `expressions` and compiles it to closures.

The whole text is checked at once, so a mistake is refused before a run depends on it. Only the kinds of syntax that are
listed here are accepted; nothing is ever passed to Python's `eval`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from autoloop.metrics import MetricBook
from autoloop.model import GpuUse, MetricSummary, UserError
from autoloop.regex import Regex
from autoloop.rules import among_runs
from autoloop.rules.comparing import MIRRORED, OPERATORS, Comparison, Link, Threshold, kind_words, nearest_hint
from autoloop.rules.condition_text import ConditionText, named
from autoloop.rules.evaluation import Evaluation, Term, UndecidedError, finite, setting, show
from autoloop.rules.plateau import CHANGES
from autoloop.rules.view import compile_pattern, cut

MAX_DEPTH = 40
STATISTICS = MetricSummary.__struct_fields__
FUNCTIONS = (*among_runs.FUNCTIONS, "metric", "config", "has", "diverged", "infinite", "log_matches", "abs", "min", "max")
WORDS = ("steps", among_runs.RUNS, "True", "False", "None")
ALSO_METRICS = (among_runs.RUNS, *among_runs.FUNCTIONS)
"""Names that may also be metrics: followed by a statistic, they are."""
GPU = "gpu"
GPU_FACTS = GpuUse.__struct_fields__

_PICK: dict[str, Callable[[list[float]], float]] = {"abs": lambda given: abs(given[0]), "min": min, "max": max}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class Compiler:
    """Compiles a condition in one pass over the syntax tree; every kind of node that is not listed here is refused."""

    def __init__(self, text: str, book: MetricBook, *, live: bool = False) -> None:
        """`live`: whether the condition judges runs in training, which count in no comparison."""
        self.source = ConditionText(text)
        self.book = book
        self.live = live
        self.metrics: set[str] = set()
        """Canonical names of the metrics that the condition reads."""
        self.summarised: set[str] = set()
        """Those of them of which it needs more than whether the newest values are finite."""
        self.patterns: list[Regex] = []
        """The patterns that it searches for in the log."""
        self.plateaus: set[str] = set()
        """Canonical names of the metrics that the condition claims to be flat."""
        self.compared: set[str] = set()
        """Canonical names of the metrics of which it needs the noise or a verdict."""
        self.thresholds: list[Threshold] = []
        """Its comparisons of a metric's statistic with a number."""

    def compile(self) -> Callable[[Evaluation], bool]:
        return self.condition(self.source.parse(), 0)

    # ------------------------------------------------------------------------------------- truth

    def condition(self, node: ast.expr, depth: int, *, negated: bool = False) -> Callable[[Evaluation], bool]:
        """Compile a node to a function that decides it. `negated`: the node is below an odd number of `not`."""
        self._bound(node, depth)
        match node:
            case ast.BoolOp():
                parts = [self.condition(part, depth + 1, negated=negated) for part in node.values]
                together = all if isinstance(node.op, ast.And) else any
                return lambda evaluation: together(part(evaluation) for part in parts)
            case ast.UnaryOp(op=ast.Not()):
                inner = self.condition(node.operand, depth + 1, negated=not negated)
                return lambda evaluation: not inner(evaluation)
            case ast.Compare():
                return self._comparison(node, depth, negated)
        term = self.value(node, depth)
        if term.kind not in ("truth", "any"):
            what = f"{term.source} is {kind_words(term.kind)}, not a condition"
            raise self._error(node, f"{what}; compare it with something")

        def leaf(evaluation: Evaluation) -> bool:
            value = term.run(evaluation)
            if not isinstance(value, bool):
                raise UndecidedError(f"{term.source} is {show(value)}, not true or false")
            if term.kind == "any":  # has, diverged and log_matches record their own observations
                evaluation.observe(term.source, value, "==", True, value, term.metric)
            return value

        return leaf

    def _comparison(self, node: ast.Compare, depth: int, negated: bool) -> Callable[[Evaluation], bool]:
        if any(type(op) not in OPERATORS for op in node.ops):
            raise self._error(node, "conditions compare with < <= > >= == != only")
        sides = [self.value(side, depth + 1) for side in (node.left, *node.comparators)]
        pairs = zip(node.ops, sides, sides[1:], strict=False)
        links = [self._link(node, type(op), left, right, negated) for op, left, right in pairs]

        def compare(evaluation: Evaluation) -> bool:
            value = sides[0].run(evaluation)
            for link, side in zip(links, sides[1:], strict=True):
                following = side.run(evaluation)
                if not link(evaluation, value, following):
                    return False
                value = following
            return True

        return compare

    def _link(self, node: ast.Compare, op: type[ast.cmpop], left: Term, right: Term, negated: bool) -> Link:
        """Compile one comparison of a chain."""
        compared = Comparison(op, left, right, self.book, negated=negated)
        if wrong := compared.fault():
            raise self._error(node, wrong)
        for term, number, sign in ((left, right, compared.op), (right, left, MIRRORED[compared.op])):
            if term.statistic and number.constant and number.kind == "number":
                self.thresholds.append(Threshold(*term.statistic, sign, float(number.run(cast("Evaluation", None)))))
        if compared.flat:
            self.plateaus.add(self.book.resolve_name(compared.flat) or compared.flat)
        return compared.link()

    # ------------------------------------------------------------------------------------- values

    def value(self, node: ast.expr, depth: int) -> Term:
        self._bound(node, depth)
        source = self.source.segment(node)
        match node:
            case ast.Constant():
                return self._constant(node, source)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                sign = -1 if isinstance(node.op, ast.USub) else 1
                term = self._numeric(node.operand, depth)
                return replace(term, kind="number", run=lambda t: sign * finite(term.run(t), source), source=source)
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                return self._arithmetic(node, source, depth)
            case ast.Name():
                return self._name(node)
            case ast.Attribute():
                return self._statistic(node, source)
            case ast.Call():
                return self._call(node, source, depth)
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
                return Term("truth", self.condition(node, depth), source)
        raise self._error(node, f"{cut(source)} is not allowed in a condition")

    def _constant(self, node: ast.Constant, source: str) -> Term:
        value = node.value
        if value is None or isinstance(value, bool):
            return Term("truth" if value is not None else "none", lambda _: value, source, constant=True)
        if isinstance(value, str):
            text = self._text(node, value)
            return Term("text", lambda _: text, source, constant=True)
        if isinstance(value, int | float):
            try:
                number = finite(value, source)
            except UndecidedError:
                raise self._error(node, f"{cut(source)} is too large for a number") from None
            return Term("number", lambda _: number, source, constant=True)
        raise self._error(node, f"{cut(source)} is not allowed in a condition")

    def _numeric(self, node: ast.expr, depth: int) -> Term:
        term = self.value(node, depth + 1)
        if term.kind not in ("number", "any"):
            raise self._error(node, f"{term.source} is {kind_words(term.kind)}, not a number")
        return term

    def _arithmetic(self, node: ast.BinOp, source: str, depth: int) -> Term:
        left, right = self._numeric(node.left, depth), self._numeric(node.right, depth)
        compute = _ARITHMETIC[type(node.op)]

        def run(evaluation: Evaluation) -> float:
            a, b = finite(left.run(evaluation), left.source), finite(right.run(evaluation), right.source)
            try:
                return finite(compute(a, b), source)
            except ZeroDivisionError:
                raise UndecidedError(f"{source} divides by zero") from None

        return Term(
            "number",
            run,
            source,
            left.metric or right.metric,
            left.constant and right.constant,
            # A metric's change combined with anything but a constant is no longer a change.
            left.change if right.constant else right.change if left.constant else None,
            left.words or right.words,
        )

    def _name(self, node: ast.Name) -> Term:
        name = named(node.id)
        if name == "steps":
            return Term("number", lambda evaluation: evaluation.view.summary.steps, "steps")
        if name == among_runs.RUNS:
            self._after_the_end(node, name)
            return among_runs.number_of_runs(name)
        if name in FUNCTIONS:
            raise self._error(node, f"{name} is a function; write {name}(…)")
        if "/" in name or self.book.resolve_name(name):
            raise self._error(node, f"name a statistic of {name}, as in {name}.last")
        hint = nearest_hint(name, (*self._names(), *WORDS, *FUNCTIONS))
        hint = hint or f"; a metric is written with its statistic, as in {cut(name)}.last"
        raise self._error(node, f'unknown name "{cut(name)}"{hint}')

    def _statistic(self, node: ast.Attribute, source: str) -> Term:
        owner = node.value
        if isinstance(owner, ast.Name) and owner.id == GPU and node.attr not in STATISTICS:
            return self._gpu_fact(node, source)
        if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "metric":
            name = self._metric_named(owner)
        elif isinstance(owner, ast.Name) and (owner.id in ALSO_METRICS or owner.id not in (*FUNCTIONS, *WORDS)):
            name = named(owner.id)
            # Any name may be a metric of the trainer; one that is close to a short name of the book is probably a typo.
            known = self.book.resolve_name(name) or "/" in name
            if not known and (hint := nearest_hint(name, self._names())):
                raise self._error(owner, f'unknown name "{cut(name)}"{hint}')
        elif isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id not in FUNCTIONS:
            raise self._no_function(node, owner.func.id)
        else:
            raise self._error(node, f"{cut(source)}: only a metric has statistics, as in loss.last")
        statistic = node.attr
        if statistic not in STATISTICS:
            raise self._error(node, f'a metric has no statistic "{cut(statistic)}"{nearest_hint(statistic, STATISTICS)}')

        canonical = self.book.resolve_name(name) or name
        self.metrics.add(canonical)
        self.summarised.add(canonical)
        change = statistic in CHANGES

        def run(evaluation: Evaluation) -> Any:
            if change and evaluation.supposed is not None:
                return evaluation.supposed
            _, found = evaluation.reached(name)
            value = getattr(found, statistic)
            if value is None:
                raise UndecidedError(f"{source} is unknown, because the better direction of {name} is unknown")
            return finite(value, source)

        return Term("number", run, source, name, change=name if change else None, statistic=(canonical, statistic))

    def _gpu_fact(self, node: ast.Attribute, source: str) -> Term:
        name = node.attr
        if name not in GPU_FACTS:
            raise self._error(node, f"there is no gpu.{cut(name)}; use one of gpu.{', gpu.'.join(GPU_FACTS)}")
        if self.live:
            raise self._error(node, f"{source} is known only after a run has ended, but live rules judge running runs")

        def run(evaluation: Evaluation) -> float:
            use = evaluation.view.summary.gpu
            value = getattr(use, name) if use else None
            if value is None:
                why = "the GPU does not report it" if use else "no GPU was sampled"
                raise UndecidedError(f"{source} is unknown: {why}")
            return finite(value, source)

        return Term("number", run, source)

    def _call(self, node: ast.Call, source: str, depth: int) -> Term:
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name not in FUNCTIONS:
            raise self._no_function(node, name or self.source.segment(node.func))
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise self._error(node, f"{name} takes plain arguments only")
        if name in ("abs", "min", "max"):
            terms = [self._numeric(argument, depth) for argument in node.args]
            if len(terms) != 1 if name == "abs" else len(terms) < 2:
                raise self._error(node, f"{name} takes {'one number' if name == 'abs' else 'at least two numbers'}")
            pick = _PICK[name]
            return Term(
                "number",
                lambda evaluation: pick([finite(term.run(evaluation), term.source) for term in terms]),
                source,
                next((term.metric for term in terms if term.metric), None),
                all(term.constant for term in terms),
                terms[0].change if name == "abs" else None,
                next((term.words for term in terms if term.words), None),
            )
        times = self._times(node) if name == "diverged" else 1
        argument = self._literal(node) if name in ("config", "log_matches") else self._metric_named(node)
        if name == "metric":
            raise self._error(node, f"name a statistic, as in {source}.last")
        if name == "config":
            if "*" in argument or not all(argument.split(".")):
                raise self._error(node, 'config takes one dotted path without "*", as in config("policy.optimizer_lr")')
            return Term("any", lambda evaluation: setting(evaluation, argument, source), source)
        if name in ("has", "diverged", "infinite", *among_runs.FUNCTIONS):
            self.metrics.add(self.book.resolve_name(argument) or argument)
        if name == "has":
            self.summarised.add(self.book.resolve_name(argument) or argument)
        if name in among_runs.FUNCTIONS:
            self._after_the_end(node, name)
            self.compared.add(self.book.resolve_name(argument) or argument)
            return among_runs.function(name, argument, source)
        if name == "diverged":
            return Term(
                "truth", lambda t: t.observe(source, held := t.view.diverged(argument, times), "==", True, held), source
            )
        if name == "infinite":
            return Term("truth", lambda t: t.observe(source, held := t.view.infinite(argument), "==", True, held), source)
        if name == "has":
            return Term(
                "truth",
                lambda t: t.observe(source, held := t.view.metric(argument)[1] is not None, "==", True, held, argument),
                source,
            )
        return self._log_matches(node, argument, source)

    def _log_matches(self, node: ast.Call, text: str, source: str) -> Term:
        try:
            pattern = compile_pattern(text)
        except UserError as error:
            raise self._error(node, str(error)) from None
        self.patterns.append(pattern)

        def run(evaluation: Evaluation) -> bool:
            line, complete = evaluation.view.search(pattern)
            if line is None and not complete:
                evaluation.notes.append(f"{source} read only the beginning of a very long log")
            return evaluation.observe(source, line, "matches", text, line is not None)

        return Term("truth", run, source)

    def _times(self, node: ast.Call) -> int:
        """Remove and return the second argument of diverged("metric", 5), the number of values in a row; 1 without it."""
        match node.args:
            case [first, ast.Constant(value=int() as times)] if not isinstance(times, bool) and times >= 1:
                node.args = [first]
                return times
        return 1

    def _metric_named(self, node: ast.Call) -> str:
        """The one argument that names a metric: quoted text, or a name as elsewhere in conditions."""
        match node.args:
            case [ast.Name(id=name)] if not node.keywords and name not in (*WORDS, *FUNCTIONS):
                return named(name)
        return self._literal(node)

    def _literal(self, node: ast.Call) -> str:
        match node.args:
            case [ast.Constant(value=str() as text) as argument] if text and not node.keywords:
                return self._text(argument, text)
        name = node.func.id if isinstance(node.func, ast.Name) else "it"
        raise self._error(node, f'{name} takes one text in quotes, as in {name}("…")')

    def _text(self, node: ast.expr, text: str) -> str:
        if any("\ud800" <= char <= "\udfff" for char in text):  # such evidence could not be written to a file
            raise self._error(node, "the text holds half a surrogate pair")
        return text

    # ------------------------------------------------------------------------------------- errors

    def _after_the_end(self, node: ast.expr, name: str) -> None:
        if self.live and name in among_runs.AFTER_THE_END:
            why = "needs finished runs, but live rules judge running runs"
            raise self._error(node, f'{name} {why}; use it in a rule with scope = "end"')

    def _bound(self, node: ast.expr, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._error(node, "the condition is nested too deeply")

    def _no_function(self, node: ast.expr, name: str) -> UserError:
        return self._error(node, f'there is no function "{cut(name)}"{nearest_hint(name, FUNCTIONS)}')

    def _names(self) -> list[str]:
        """The names of the book's metrics that can be written without quotes."""
        short = [word for metric in self.book.metrics.values() for word in metric.short]
        return short + [word for each in self.book.derived.values() for word in (each.name, *each.short)]

    def _error(self, node: ast.expr, what: str) -> UserError:
        return self.source.error(node, what)
