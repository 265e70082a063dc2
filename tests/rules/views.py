"""Runs to judge, built by hand."""

from __future__ import annotations

from typing import Any

from autoloop.model import MetricSummary, Summary
from autoloop.rules import RunView


def metric(first: float = 1.0, last: float = 1.0, **given: Any) -> MetricSummary:
    values: dict[str, Any] = {
        "first": first,
        "last": last,
        "best": min(first, last),
        "best_step": 2000 if last < first else 50,
        "delta": last - first,
        "pct": (last - first) / first * 100 if first else 0.0,
        "n": 40,
        "min": min(first, last),
        "max": max(first, last),
        "tail_mean": last,
        "tail_mad": 0.01,
        "first_step": 50,
        "last_step": 2000,
    }
    return MetricSummary(**{**values, **given})


def quiet(**replaced: MetricSummary | None) -> dict[str, MetricSummary]:
    """Return a run on which no built-in rule fires; metrics by short name, None removes one."""
    names = {
        "ot_pi_sum": "train/ot_pi_sum",
        "ot_loss": "train/ot_loss",
        "ot_cost": "ot_cost",
        "l1_loss": "train/l1_loss",
        "grad_norm": "train/grad_norm",
        "eval_l1": "eval/offline_eval/avg_l1",
    }
    metrics: dict[str, MetricSummary | None] = {
        "ot_pi_sum": metric(0.1, 0.2),
        "ot_loss": metric(1.0, 0.5),
        "ot_cost": metric(1.0, 0.5),
        "l1_loss": metric(1.0, 0.5),
        "grad_norm": metric(50.0, 20.0),
        "eval_l1": metric(0.5, 0.4),
    }
    metrics.update(replaced)
    return {names[short]: summary for short, summary in metrics.items() if summary is not None}


def view(metrics: dict[str, MetricSummary] | None = None, steps: int = 2000, **rest: Any) -> RunView:
    return RunView(Summary(metrics=quiet() if metrics is None else metrics, steps=steps), **rest)
