"""Expectations as people write them: `eval_l1 lower`."""

from __future__ import annotations

from autoloop.metrics.book import MetricBook
from autoloop.model import Expectation, UserError
from autoloop.text.suggest import did_you_mean


def parse_expectation(text: str, book: MetricBook) -> Expectation:
    """The metric, however it is written, and `lower` or `higher`. UserError in one sentence if it is neither.

    Any name may be a metric of this trainer; one that is nearly a name of the book is a slip.
    """
    name, _, direction = " ".join(text.split()).rpartition(" ")
    if not name or direction not in ("lower", "higher"):
        raise UserError(f'"{text}" is no expectation; write a metric and lower or higher, as in "eval_l1 lower"')
    canonical = book.resolve_name(name)
    if canonical is None and "/" not in name and (hint := did_you_mean(name, map(book.short, book.names), quote='"')):
        raise UserError(f'unknown metric "{name}"; {hint}')
    return Expectation(metric=canonical or name, direction="lower" if direction == "lower" else "higher")


def expectation_text(expected: Expectation, book: MetricBook) -> str:
    """As it is written in a rule: `eval_l1 lower`."""
    return f"{book.short(expected.metric)} {expected.direction}"
