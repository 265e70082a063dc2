"""A Slurm cluster for each test, and a project whose loops run on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import autoloop
import pytest

from tests.engine.project import EngineProject
from tests.slurm.cluster import SBIN, Cluster, missing, missing_accounting
from tests.support.seeds import pytest_generate_tests, seed_is_printed

__all__ = ["pytest_generate_tests", "seed_is_printed"]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster with the parameters given by the test."""
    cluster = Cluster(tmp_path / "cluster", **getattr(request, "param", {}))
    if lacking := missing() or (cluster.accounting and missing_accounting()):
        pytest.skip(lacking)
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    monkeypatch.setenv("PATH", SBIN)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def project(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineProject]:
    core = str(Path(autoloop.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [core, os.environ.get("PYTHONPATH")])))
    folder = tmp_path / "project"
    folder.mkdir()
    project = EngineProject(folder)
    yield project
    project.close()
