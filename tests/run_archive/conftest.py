"""Real W&B files, and a separate cache folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import call, project
from tests.metric_readers.conftest import finished_dir, start_wandb

__all__ = ["call", "finished_dir", "project", "start_wandb"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    return tmp_path / "user-cache/autoloop/cache"
