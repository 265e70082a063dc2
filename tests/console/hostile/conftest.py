"""A project, and a clock that only the test advances."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import autoloop_tui.console.app
from tests.console.projects import RecordedProject


@pytest.fixture(autouse=True)
def clock_turned_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autoloop_tui.console.app, "CLOCK", 1e6)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Any]:
    made = RecordedProject(tmp_path)
    yield made
    made.store.close()
