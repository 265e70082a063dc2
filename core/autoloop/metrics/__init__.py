"""What a run's metrics are called and what they came to: names, derived metrics and summary statistics. No I/O."""

from autoloop.metrics.book import Derived, Metric, MetricBook, default_book, parse_metric_book
from autoloop.metrics.entries import from_json, to_json
from autoloop.metrics.main import main_metrics
from autoloop.metrics.summary import canonical_columns, summarise, summarise_named

__all__ = [
    "Derived",
    "Metric",
    "MetricBook",
    "canonical_columns",
    "default_book",
    "from_json",
    "main_metrics",
    "parse_metric_book",
    "summarise",
    "summarise_named",
    "to_json",
]
