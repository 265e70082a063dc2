"""A few steps of the trainer, to see what reaches it and what can be read of it: `Trial`.

It goes the way of every run (plan, launch, supervisor, follower, diagnosis), but in a scratch folder and without a store.
"""

from autoloop.trial.findings import Missing, missing
from autoloop.trial.reached import Reached, reached
from autoloop.trial.running import Interrupted, Outcome, carry_out
from autoloop.trial.setup import Attempted, planned_runs

__all__ = ["Attempted", "Interrupted", "Missing", "Outcome", "Reached", "carry_out", "missing", "planned_runs", "reached"]
