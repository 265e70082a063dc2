"""Reads a run's output while it grows (W&B log, JSONL, console log, …) through one function, `follow(run_dir)`.

Each kind of source is a `MetricReader`.
"""

from autoloop.metric_readers.find import tap_base, wandb_runs
from autoloop.metric_readers.follow import Follower, follow
from autoloop.metric_readers.reader import MetricReader
from autoloop.metric_readers.tail import Lines

__all__ = ["Follower", "Lines", "MetricReader", "follow", "tap_base", "wandb_runs"]
