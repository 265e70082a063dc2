"""The metric book that a loop was created with, also used by everything that shows the loop."""

from __future__ import annotations

from pathlib import Path

from autoloop.files import read_text
from autoloop.metrics import MetricBook, MetricBooks, parse_metric_book
from autoloop.model import Loop
from autoloop.profiles import planned_methods
from autoloop.store import Places
from autoloop.toml import SETTINGS_FILE

METRICS = "metrics.toml"
"""The name of the copy beside the loop's configs."""


def metrics_of(places: Places, loop: Loop) -> MetricBook:
    """The loop's own copy, or the project's current book if an earlier version created the loop. Raises UserError if it
    cannot be read."""
    folder = places.frozen(loop.name)
    if not folder.is_dir():
        from autoloop.settings import load_settings  # only few loops need it, and clients paint sooner without it

        return load_settings(Path(loop.spec.cwd)).loop_book(loop.spec)
    return _kept_books(folder).of(planned_methods(loop.spec)).naming(loop.spec.named_metrics)


def _kept_books(folder: Path) -> MetricBooks:
    if (folder / METRICS).exists():
        return MetricBooks(parse_metric_book(read_text(folder / METRICS, "metric book"), METRICS))
    if (folder / SETTINGS_FILE).exists():
        from autoloop.settings import load_settings

        kept = load_settings(folder)
        if isinstance(kept.metrics, dict):
            return kept.metric_books(folder)
    return MetricBooks()
