"""Decides when the loop's reports are written. A failed write is reported and stops nothing: reports can be rebuilt from the
store."""

from __future__ import annotations

import time

from autoloop import reports
from autoloop.engine.base.context import Context
from autoloop.model import EventKind, LoopState, Run

REST = 20.0
"""A summary of thousands of runs takes a while to write; it is then left alone for this many times as long."""


class Reporting:
    """Owned by the engine."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._due = False
        self._unwritten: list[Run] = []
        """Runs that have ended and are not in the summary yet."""
        self._next = 0.0
        self._markdown = reports.MarkdownReport(context.store, context.loop_id, context.metrics)

    def begin(self) -> None:
        """The last engine may have ended between a result and its line in the summary."""
        self._log_problem(reports.write_summary(self.context.store, self.context.loop_id))

    def settled(self, run: Run) -> None:
        """Bring the entry of a run that has ended into the summary, with others if the file takes long to be written."""
        self._unwritten.append(run)
        self._write_runs_if_due()

    def flush(self) -> None:
        """Write what has been kept back."""
        began = time.monotonic()
        self._log_problem(reports.write_runs(self.context.store, self.context.loop_id, self._unwritten))
        self._unwritten.clear()
        self._next = time.monotonic() + REST * (time.monotonic() - began)

    def _write_runs_if_due(self) -> None:
        if self._unwritten and time.monotonic() >= self._next:
            self.flush()

    def later(self) -> None:
        """Write the report at the end of this step, once for all that happens in it; a finished loop's is written."""
        self._due = self.context.loop.state is not LoopState.FINISHED

    def write_if_due(self) -> None:
        self._write_runs_if_due()
        if self._due:
            self.write()

    def finish(self) -> None:
        """Both files in full, as `autoloop-tui report` would write them."""
        self._unwritten.clear()
        self._log_problem(reports.write_summary(self.context.store, self.context.loop_id))
        self.write()

    def write(self) -> None:
        self._due = False
        self._log_problem(self._markdown.write())

    def _log_problem(self, problem: str | None) -> None:
        if problem:
            self.context.log_event(EventKind.NOTE, problem)
