"""What a run wrote, read while it grows: W&B log, JSONL, console log, behind one `follow(run_dir)`."""

from autoloop.history.console_log import LEROBOT, ConsolePatterns
from autoloop.history.find import tap_base, wandb_runs
from autoloop.history.follow import Follower, follow
from autoloop.history.tail import Lines

__all__ = ["LEROBOT", "ConsolePatterns", "Follower", "Lines", "follow", "tap_base", "wandb_runs"]
