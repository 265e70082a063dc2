"""The filter of the table of runs: words, and comparisons such as `ot_pi_sum>0.1`; all of them must match. Pure."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from autoloop.metrics import MetricBook
from autoloop.text.suggest import did_you_mean

from autoloop_tui.console.present.rounds.rows import RunRow

_CLAUSE = re.compile(r"([^<>=!]+)(<=|>=|!=|<|>|=)([^<>=!]+)")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}
_FIELDS: dict[str, Callable[[RunRow], float | None]] = {
    "round": lambda row: row.run.round,
    "step": lambda row: row.run.step,
    "steps": lambda row: row.run.step,
    "tries": lambda row: row.run.attempts,
    "attempts": lambda row: row.run.attempts,
}


class Clause(NamedTuple):
    """A comparison of a run's field or of the last value of a metric."""

    name: str
    holds: Callable[[float, float], bool]
    value: float

    def matches(self, row: RunRow) -> bool:
        if self.name in _FIELDS:
            mine = _FIELDS[self.name](row)
        else:
            summary = row.metric(self.name)
            mine = summary.last if summary else None
        return mine is not None and self.holds(mine, self.value)


class Filter(NamedTuple):
    """A parsed filter. `note`: a sentence on what could not be interpreted as intended."""

    text: str = ""
    words: tuple[str, ...] = ()
    clauses: tuple[Clause, ...] = ()
    note: str = ""

    def matches(self, row: RunRow) -> bool:
        text = row.text if self.words else ""
        return all(word in text for word in self.words) and all(clause.matches(row) for clause in self.clauses)


def parse_filter(text: str, book: MetricBook, metrics: Collection[str]) -> Filter:
    """Parse a filter; never fails. A comparison with an unknown metric is searched for as text, and the note says so.

    `metrics`: canonical names that runs have and that the book may not know.
    """
    words: list[str] = []
    clauses: list[Clause] = []
    note = ""
    for part in text.split():
        found = _CLAUSE.fullmatch(part)
        value = _number(found[3]) if found else None
        if found is None or value is None:
            words.append(part.lower())
            continue
        name = found[1]
        known = name if name in _FIELDS or name in metrics else book.resolve_name(name)
        known = known or next((metric for metric in metrics if book.short(metric) == name), None)
        if known is None:
            names = [*_FIELDS, *(book.short(each) for each in {*book.names, *metrics})]
            note = f"no metric {name}; {did_you_mean(name, names, 'searching for it as text')}"
            words.append(part.lower())
        else:
            clauses.append(Clause(known, _OPERATORS[found[2]], value))
    return Filter(" ".join(text.split()), tuple(words), tuple(clauses), note)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
