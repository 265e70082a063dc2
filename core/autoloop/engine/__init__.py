"""The engine owns all state of a loop: it plans, starts, watches, judges and goes on. Clients send it commands.

Names are loaded when they are used: a client that only asks whether an engine lives must not load the whole of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoloop.engine.create import create_loop
    from autoloop.engine.lock import holder
    from autoloop.engine.loop import Engine
    from autoloop.engine.plan import LoopPlan, plan_loop
    from autoloop.engine.process import drive, spawn
    from autoloop.store.access import Holder

__all__ = ["Engine", "Holder", "LoopPlan", "create_loop", "drive", "holder", "plan_loop", "spawn"]

_HOMES = {
    "Engine": "loop",
    "Holder": "lock",
    "LoopPlan": "plan",
    "create_loop": "create",
    "drive": "process",
    "holder": "lock",
    "plan_loop": "plan",
    "spawn": "process",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
