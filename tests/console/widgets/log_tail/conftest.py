"""A log of two hundred lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Any:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"line {n}\n" for n in range(200)))
    return path
