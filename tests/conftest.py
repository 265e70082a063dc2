"""Settings and fixtures that apply to every test."""

from __future__ import annotations

import gc
import os

import pytest
from autoloop import profiles, whoami
from hypothesis import settings

from autoloop_tui.cli.output import printing
from tests.support.schemas import checked_answer, checked_parts

# Use the same examples in every run, however long each takes, so that the result of a run depends on the change, not on luck
# or the machine. `make test-faults` uses more examples.
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=60)
settings.register_profile("thorough", derandomize=True, deadline=None, max_examples=1500)
settings.load_profile("suite")

# A seventh of the console tests' time went into collecting garbage among objects that pytest and the product keep anyway.
gc.set_threshold(20_000, 10, 10)

# Variables by which a coding agent that runs these tests identifies itself must not reach the programs that they start.
for name in profiles.agent_variables():
    os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that tests send from their own process come from a person at a terminal."""
    monkeypatch.setattr(whoami, "terminal", lambda: "/dev/pts/7")


@pytest.fixture(autouse=True)
def answers_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every JSON answer that a test prints in this process is checked against its schema."""
    monkeypatch.setattr(printing, "answer", checked_answer)
    monkeypatch.setattr(printing, "answer_parts", checked_parts)
