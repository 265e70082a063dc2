"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# The same examples each time, however long each takes: a run of the suite says something about the change, and
# nothing about its luck or the machine.
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=200)
settings.load_profile("suite")
