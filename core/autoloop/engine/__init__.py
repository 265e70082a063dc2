"""The engine owns all state of a loop: it plans, starts, watches, judges and goes on. Clients send it commands."""

from autoloop.engine.create import create_loop
from autoloop.engine.lock import Holder, holder
from autoloop.engine.loop import Engine, drive
from autoloop.engine.plan import LoopPlan, plan_loop
from autoloop.engine.process import spawn

__all__ = ["Engine", "Holder", "LoopPlan", "create_loop", "drive", "holder", "plan_loop", "spawn"]
