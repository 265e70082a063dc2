"""Decides when the loop's reports are written. A failed write is reported and stops nothing: reports can be rebuilt from the
store."""

from __future__ import annotations

import time

from autoloop import reports
from autoloop.engine.base.context import Context
from autoloop.model import EventKind, LoopState, Run

REST = 20.0
"""Writing a summary of thousands of runs takes a while; the next write waits for this many times as long."""


class Reporting:
    """Owned by the engine."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._due = False
        self._unwritten: list[Run] = []
        """Ended runs that are not in the summary yet."""
        self._next = 0.0
        self._markdown = reports.MarkdownReport(context.store, context.loop_id, context.metrics)

    def begin(self) -> None:
        """Rewrite the summary: the last engine may have ended after a result but before its line in the summary."""
        self._log_problem(reports.write_summary(self.context.store, self.context.loop_id))

    def settled(self, run: Run) -> None:
        """Write an ended run to the summary, later together with others if writing the file is slow."""
        self._unwritten.append(run)
        self._write_runs_if_due()

    def flush(self) -> None:
        """Write the runs that have not been written yet."""
        began = time.monotonic()
        self._log_problem(reports.write_runs(self.context.store, self.context.loop_id, self._unwritten))
        self._unwritten.clear()
        self._next = time.monotonic() + REST * (time.monotonic() - began)

    def _write_runs_if_due(self) -> None:
        if self._unwritten and time.monotonic() >= self._next:
            self.flush()

    def later(self) -> None:
        """Write the report at the end of this step, once for all its events. A finished loop's report is already written."""
        self._due = self.context.loop.state is not LoopState.FINISHED

    def write_if_due(self) -> None:
        self._write_runs_if_due()
        if self._due:
            self.write()

    def finish(self) -> None:
        """Write both files in full, as `autoloop-tui report` would."""
        self._unwritten.clear()
        self._log_problem(reports.write_summary(self.context.store, self.context.loop_id))
        self.write()

    def write(self) -> None:
        self._due = False
        self._log_problem(self._markdown.write())

    def _log_problem(self, problem: str | None) -> None:
        if problem:
            self.context.log_event(EventKind.NOTE, problem)
