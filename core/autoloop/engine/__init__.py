"""The engine owns all state of a loop: it plans, starts, watches and judges its runs, round by round. Clients send commands.

Names are loaded on first use: a client that only asks whether an engine is running must not load all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from autoloop.lazy import loading

if TYPE_CHECKING:
    from autoloop.engine.driver.driver import LoopDriver, Progress
    from autoloop.engine.driver.engine import Engine
    from autoloop.engine.driver.lock import holder
    from autoloop.engine.driver.process import spawn
    from autoloop.engine.planning.create import create_loop
    from autoloop.engine.planning.plan import LoopPlan, plan_loop
    from autoloop.store.access import Holder

__all__ = ["Engine", "Holder", "LoopDriver", "LoopPlan", "Progress", "create_loop", "holder", "plan_loop", "spawn"]

_HOMES = {
    "Engine": "driver.engine",
    "Holder": "driver.lock",
    "LoopDriver": "driver.driver",
    "LoopPlan": "planning.plan",
    "Progress": "driver.driver",
    "create_loop": "planning.create",
    "holder": "driver.lock",
    "plan_loop": "planning.plan",
    "spawn": "driver.process",
}

__getattr__ = loading(__name__, _HOMES)
