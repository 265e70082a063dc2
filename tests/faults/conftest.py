"""Shared by the fault tests: a project whose loops really run, and seeds that are printed and can be repeated.

A random test takes `seed` and need not print anything: the seed appears in its name and output. `FAULT_SEED=7 make
test-faults` runs every random test with that seed only.
"""

from __future__ import annotations

from tests.engine.conftest import project
from tests.runners.conftest import bench
from tests.support.seeds import pytest_generate_tests, seed_is_printed

__all__ = ["bench", "project", "pytest_generate_tests", "seed_is_printed"]
