"""The compiled part of the readers (`_native.c`), if it is installed; otherwise the Python code gives the same results.

It is built with the package if a C compiler is available. It handles what wandb usually writes and leaves everything else to
the Python code, which can read complete files without it.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final
from zlib import crc32

_SOURCE: Final = Path(__file__).with_name("_native.c")
"""Absent from wheels. In an editable install, a build from an older source has another checksum and is not used."""


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
"""The extension module; None if only Python code is used."""
