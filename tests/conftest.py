"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# The same examples each time, however long each takes: a run of the suite says something about the change, and
# nothing about its luck or the machine. `make test-faults` takes more of them.
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=60)
settings.register_profile("thorough", derandomize=True, deadline=None, max_examples=1500)
settings.load_profile("suite")
