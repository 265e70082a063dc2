"""The store with a writer that is killed many times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.killing import killed_writers


@pytest.mark.faults
@pytest.mark.seeds(4)
def test_a_writer_killed_at_100_random_instants_leaves_whole_transactions(tmp_path: Path, seed: int) -> None:
    killed_writers(tmp_path, seed, times=25)
