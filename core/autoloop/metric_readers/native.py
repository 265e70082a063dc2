"""The compiled part of the readers (`_native.c`), where the installation has it; else Python alone reads the same.

It is built with the package if there is a C compiler then. It takes what wandb usually writes, and leaves whatever else a
file holds to the Python that reads all of a file where nothing is compiled.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final
from zlib import crc32

_SOURCE: Final = Path(__file__).with_name("_native.c")
"""Not in a wheel. What an editable install built before the checkout changed has another checksum, and is not used."""


def _built() -> ModuleType | None:
    try:
        module = import_module("autoloop.metric_readers._native")
    except ImportError:
        return None
    try:
        return module if crc32(_SOURCE.read_bytes()) == module.SOURCE_SUM else None
    except FileNotFoundError:
        return module
    except (AttributeError, OSError):
        return None


compiled = _built()
"""None: read by Python alone."""
