"""Runs a few steps of the trainer, to find out which config values reach it and which of its output can be read.

A trial uses the same path as every run (plan, launch, supervisor, follower, diagnosis), but in a scratch folder and without
a store.
"""

from autoloop.trial.findings import MissingSetting, missing, refused_seed
from autoloop.trial.reached import ChangeTrace, reached
from autoloop.trial.running import Interrupted, Outcome, carry_out
from autoloop.trial.setup import TrialRun, planned_runs

__all__ = [
    "ChangeTrace",
    "Interrupted",
    "MissingSetting",
    "Outcome",
    "TrialRun",
    "carry_out",
    "missing",
    "planned_runs",
    "reached",
    "refused_seed",
]
