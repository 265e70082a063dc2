"""The stand-in service, and the environment that points to it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cli.conftest import call, project
from tests.wandb_cloud.stand_in import StandIn

__all__ = ["call", "project", "service"]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The service, which receives every request."""
    stand_in = StandIn()
    for name in [name for name in os.environ if name.startswith("WANDB_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in stand_in.environment.items():
        monkeypatch.setenv(name, value)
    yield stand_in
    stand_in.close()
