"""The names, derived metrics and summary statistics of a run's metrics. No I/O."""

from autoloop.metrics.book import (
    DerivedMetric,
    Metric,
    MetricBook,
    MetricBooks,
    default_book,
    found_as,
    metric_book,
    parse_metric_book,
)
from autoloop.metrics.divergence import diverged_metrics, shows_divergence
from autoloop.metrics.entries import from_json, to_json
from autoloop.metrics.expectations import expectation_text, parse_expectation
from autoloop.metrics.gpu import together
from autoloop.metrics.main import LOOKED_AT, for_runs, main_metrics, main_names
from autoloop.metrics.seeds import ConfigSummary, by_config, config_label, config_name, mean_summary, over_seeds
from autoloop.metrics.summary import PLATEAU_POINTS, canonical_columns, summarise, summarise_named
from autoloop.metrics.wording import Direction

__all__ = [
    "LOOKED_AT",
    "PLATEAU_POINTS",
    "ConfigSummary",
    "DerivedMetric",
    "Direction",
    "Metric",
    "MetricBook",
    "MetricBooks",
    "by_config",
    "canonical_columns",
    "config_label",
    "config_name",
    "default_book",
    "diverged_metrics",
    "expectation_text",
    "for_runs",
    "found_as",
    "from_json",
    "main_metrics",
    "main_names",
    "mean_summary",
    "metric_book",
    "over_seeds",
    "parse_expectation",
    "parse_metric_book",
    "shows_divergence",
    "summarise",
    "summarise_named",
    "to_json",
    "together",
]
