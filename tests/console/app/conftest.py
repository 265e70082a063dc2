"""A project, and an empty folder for the user's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from autoloop.model import (
    RunState,
)

from tests.console.projects import RecordedProject


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The folder of the user's settings."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("TMUX", raising=False)
    folder = tmp_path / "config" / "autoloop"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> RecordedProject:
    made = RecordedProject(tmp_path)
    base = made.run("base")
    made.run("some", RunState.RUNNING, base=base, log="x\n")
    return made
