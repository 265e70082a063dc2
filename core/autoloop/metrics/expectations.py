"""Expectations as users write them: `eval_l1 lower`."""

from __future__ import annotations

from autoloop.metrics.book import MetricBook
from autoloop.model import Expectation, UserError
from autoloop.text.suggest import did_you_mean


def parse_expectation(text: str, book: MetricBook) -> Expectation:
    """Parse a metric, by any of its names, and `lower` or `higher`. UserError if the text is not an expectation.

    Any name may be a metric of the trainer, but one very similar to a name in the book is refused as a probable typo.
    """
    name, _, direction = " ".join(text.split()).rpartition(" ")
    if not name or direction not in ("lower", "higher"):
        raise UserError(f'"{text}" is not an expectation; write a metric and lower or higher, as in "eval_l1 lower"')
    canonical = book.resolve_name(name)
    if canonical is None and "/" not in name and (hint := did_you_mean(name, map(book.short, book.names), quote='"')):
        raise UserError(f'unknown metric "{name}"; {hint}')
    return Expectation(metric=canonical or name, direction="lower" if direction == "lower" else "higher")


def expectation_text(expected: Expectation, book: MetricBook) -> str:
    """The expectation as written in a rule: `eval_l1 lower`."""
    return f"{book.short(expected.metric)} {expected.direction}"
