"""Packages that only some tests need."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


def needs(package: str) -> pytest.MarkDecorator:
    """For tests that are skipped where the package is not installed. It is not imported: each of pytest's workers reads all
    files of tests, and one runs this one."""
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")
