"""The compiled part of the readers (`_native.c`), where the installation has it; else Python alone reads the same.

It is built with the package if there is a C compiler then. It takes what wandb usually writes, and leaves whatever else a
file holds to the Python that reads all of a file where nothing is compiled.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Final

INTERFACE: Final = 2
"""Another is another version's: what an editable install built before the checkout changed."""


def _built() -> ModuleType | None:
    try:
        module = import_module("autoloop.metric_readers._native")
    except ImportError:
        return None
    return module if module.INTERFACE == INTERFACE else None


compiled = _built()
"""None: read by Python alone."""
