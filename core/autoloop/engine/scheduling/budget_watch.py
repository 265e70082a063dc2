"""Notifies hooks when a loop's budget (`--max-hours`, `--max-runs`) is nearly spent."""

from __future__ import annotations

from autoloop.engine.base.context import Context
from autoloop.model import HookEvent, LoopState

PART = 0.9
"""The fraction of the budget at which hooks are notified."""


class BudgetWatch:
    """Owned by the engine."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._told: set[str] = set()

    def look(self) -> None:
        """Check the budget. Called at each turn."""
        context = self.context
        if not context.hooks or (loop := context.loop).state is not LoopState.ACTIVE:
            return
        if loop.deadline is not None:
            began = loop.resumed_at or loop.created_at
            left = loop.deadline - context.clock()
            if left <= (1 - PART) * (loop.deadline - began):
                self._tell(
                    f"hours {loop.deadline}", f"{max(0.0, left) / 60:.0f} min of --max-hours are left", "--max-hours 6"
                )
        if loop.max_runs is not None and f"runs {loop.max_runs}" not in self._told:
            started = context.store.started_runs(loop.id)
            if started >= PART * loop.max_runs:
                text = f"{started} of the {loop.max_runs} runs of --max-runs have been started"
                self._tell(f"runs {loop.max_runs}", text, f"--max-runs {2 * loop.max_runs}")

    def _tell(self, key: str, text: str, more: str) -> None:
        if key not in self._told:
            self._told.add(key)
            name = self.context.loop.name
            self.context.tell(HookEvent.BUDGET, key, f"{name}: {text}", next=f"autoloop-tui resume --loop {name} {more}")
