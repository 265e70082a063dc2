"""Three hosts for each test, and a project whose loops run on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import autoloop
import pytest

from tests.ssh.hosts import Lab, missing
from tests.ssh.project import HostProject
from tests.support.seeds import pytest_generate_tests, seed_is_printed

__all__ = ["pytest_generate_tests", "seed_is_printed"]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    if lacking := missing():
        pytest.skip(lacking)
    lab = Lab(tmp_path / "lab")
    monkeypatch.setenv("PATH", f"{lab.bin}:{os.environ['PATH']}")
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture
def project(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostProject]:
    core = str(Path(autoloop.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [core, os.environ.get("PYTHONPATH")])))
    folder = tmp_path / "project"
    folder.mkdir()
    project = HostProject(folder, lab)
    yield project
    project.close()
