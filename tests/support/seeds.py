"""Seeds of random tests: printed, so that a test can be repeated. A conftest imports both functions; pytest calls them."""

from __future__ import annotations

import os

import pytest


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `seed` and is marked `@pytest.mark.seeds(20)` with seeds 1 … 20, or only with FAULT_SEED."""
    if "seed" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("seeds")
        one = os.environ.get("FAULT_SEED")
        metafunc.parametrize("seed", [int(one)] if one else range(1, (mark.args[0] if mark else 1) + 1))


@pytest.fixture(autouse=True)
def seed_is_printed(request: pytest.FixtureRequest) -> None:
    if "seed" in request.fixturenames:
        print(f"seed {request.getfixturevalue('seed')} of {request.node.nodeid}")
