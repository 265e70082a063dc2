"""What holds for every test."""

from __future__ import annotations

import gc
import os

import pytest
from autoloop import profiles, whoami
from hypothesis import settings

from autoloop_tui.cli.output import printing
from tests.support.schemas import checked_answer, checked_parts

# The same examples each time, however long each takes: a run of the suite says something about the change, and
# nothing about its luck or the machine. `make test-faults` takes more of them.
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=60)
settings.register_profile("thorough", derandomize=True, deadline=None, max_examples=1500)
settings.load_profile("suite")

# A seventh of the console's tests went to looking for garbage among what pytest and the product keep for good.
gc.set_threshold(20_000, 10, 10)

# What a coding agent that runs these tests says of itself is not said to the programs they start.
for name in profiles.agent_variables():
    os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests ask for in their own process a person asks for."""
    monkeypatch.setattr(whoami, "terminal", lambda: "/dev/pts/7")


@pytest.fixture(autouse=True)
def answers_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """What any test lets a command print as JSON in this process is held against its schema."""
    monkeypatch.setattr(printing, "answer", checked_answer)
    monkeypatch.setattr(printing, "answer_parts", checked_parts)
