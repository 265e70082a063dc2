"""Packages that only some tests need."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


def needs(package: str) -> pytest.MarkDecorator:
    """Skip a test if the package is not installed.

    It is not imported: each pytest worker reads all test files, but only one runs the test.
    """
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")
