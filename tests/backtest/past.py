"""Past runs in memory, built from points."""

from __future__ import annotations

from array import array
from typing import Any

from autoloop.backtest import Facts, PastRun
from autoloop.metrics import MetricBook, MetricBooks
from autoloop.model import Config, Series
from autoloop.rules import RuleSource, parse_book

BOOKS = MetricBooks()
BOOK = BOOKS.of(())


def series(*points: tuple[int, float]) -> Series:
    return Series(steps=array("q", [step for step, _ in points]), values=array("d", [value for _, value in points]))


def past(
    name: str = "a",
    *points: tuple[int, float],
    cohort: str = "loop_1",
    total: int = 1000,
    config: Config | None = None,
    finished: bool = True,
    metric: str = "loss",
    seconds: float | None = 0.5,
    relaunched: dict[str, int] | None = None,
    group: str = "",
    confirms: bool = False,
    **history: Any,
) -> PastRun:
    """Return a run that completed all its steps and logged the points as `metric`."""
    used = {} if config is None else config
    facts = Facts(name, name, cohort, used, total, total, finished, group, seconds, relaunched or {}, confirms)
    return PastRun(facts, {metric: series(*points)} if points else {}, BOOK, **history)


def live(*rules: dict[str, Any], book: MetricBook = BOOK) -> RuleSource:
    """Return a book of live rules, with keys as in TOML."""
    tables = []
    for index, keys in enumerate(rules):
        lines = {"id": f'"r{index}"', "scope": '"live"', "when": '"loss.last > 5"', "reason": '"why"', **keys}
        tables.append("\n".join(["[[rule]]", *(f"{key} = {value}" for key, value in lines.items())]))
    return parse_book('name = "n"\nversion = "1"\n' + "\n".join(tables), "book.toml", book)
