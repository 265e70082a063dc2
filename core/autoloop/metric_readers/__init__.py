"""What a run wrote, read while it grows: W&B log, JSONL, console log, behind one `follow(run_dir)`."""

from autoloop.metric_readers.console_log import LEROBOT, ConsolePatterns
from autoloop.metric_readers.find import tap_base, wandb_runs
from autoloop.metric_readers.follow import Follower, follow
from autoloop.metric_readers.tail import Lines

__all__ = ["LEROBOT", "ConsolePatterns", "Follower", "Lines", "follow", "tap_base", "wandb_runs"]
