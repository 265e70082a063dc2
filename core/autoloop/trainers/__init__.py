"""Builds the exact command and environment of an attempt from a preset (data) and a run. Starts nothing."""

from autoloop.trainers.identity import trainer_identity
from autoloop.trainers.loading import is_preset_file, load_preset, parse_preset, preset_names
from autoloop.trainers.plan import LaunchPlan, LaunchRequest, checkpoint_path, environment, plan_launch
from autoloop.trainers.presets import Console, Failure, Preset, passes, passes_seed, passes_steps

__all__ = [
    "Console",
    "Failure",
    "LaunchPlan",
    "LaunchRequest",
    "Preset",
    "checkpoint_path",
    "environment",
    "is_preset_file",
    "load_preset",
    "parse_preset",
    "passes",
    "passes_seed",
    "passes_steps",
    "plan_launch",
    "preset_names",
    "trainer_identity",
]
