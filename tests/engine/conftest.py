"""Fixtures for loops that really run, with a trainer that takes almost no time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import autoloop
import pytest

from tests.engine.project import EngineProject


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineProject]:
    # Engines that run as separate processes must import the package under test.
    core = str(Path(autoloop.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [core, os.environ.get("PYTHONPATH")])))
    project = EngineProject(tmp_path)
    yield project
    project.close()
