"""Which metrics that are NaN or infinite show that a training has diverged. Others may be undefined at times."""

from __future__ import annotations

from autoloop.metrics.book import MetricBook
from autoloop.model import Summary

GRADIENTS_IN_A_ROW = 5
"""Consecutive non-finite gradient norms that count as divergence. In mixed precision single ones are normal: such a step is
skipped on purpose."""


def diverged_metrics(summary: Summary, book: MetricBook) -> list[str]:
    """The metrics of a summary whose newest values show divergence."""
    return [name for name in summary.not_finite if shows_divergence(name, summary.in_a_row.get(name, 1), book)]


def shows_divergence(metric: str, in_a_row: int, book: MetricBook) -> bool:
    """Whether a metric whose newest `in_a_row` values are NaN or infinite shows divergence: only losses and key metrics
    do."""
    name = metric.rpartition("/")[2]
    if "grad" in name:
        return metric in book.key_metrics and in_a_row >= GRADIENTS_IN_A_ROW
    return metric in book.key_metrics or name.endswith("loss")
