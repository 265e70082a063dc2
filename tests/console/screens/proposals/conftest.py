"""A round that waits for decisions."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.model import RoundState

from tests.console.projects import RecordedProject


@pytest.fixture
def project(tmp_path: Path) -> RecordedProject:
    """A round that has been judged, with one run and no proposals yet."""
    made = RecordedProject(tmp_path)
    made.run("demo_baseline")
    made.round(1, RoundState.DECIDING)
    return made
