"""A project with a real trainer, and the interpreter that can run it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.project import CommandProject
from tests.real_trainers import environment
from tests.support.environments import CannotBuild


@pytest.fixture(scope="session")
def python() -> str:
    try:
        return str(environment.interpreter())
    except (CannotBuild, OSError) as problem:
        pytest.skip(str(problem))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandProject]:
    # A loop takes up to a minute, mostly for imports. Nothing may be requested from a hub.
    monkeypatch.setattr("tests.cli.project.PATIENCE", 900.0)
    for name, value in {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "OMP_NUM_THREADS": "1"}.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "project"
    folder.mkdir()
    project = CommandProject(folder)
    yield project
    project.close()
