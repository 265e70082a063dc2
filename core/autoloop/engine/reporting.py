"""When the loop's reports are written. One that cannot be is said and stops nothing: it can be made again from the store."""

from __future__ import annotations

from autoloop import reports
from autoloop.engine import events
from autoloop.engine.context import Context
from autoloop.model import LoopState, Run


class Reporting:
    """Owned by the engine."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._due = False
        self._markdown = reports.MarkdownReport(context.store, context.loop_id, context.metrics)

    def begin(self) -> None:
        """The last engine may have ended between a result and its line in the summary."""
        self._tell(reports.write_summary(self.context.store, self.context.loop_id))

    def settled(self, run: Run) -> None:
        """Bring the line of a run that has ended into the summary."""
        self._tell(reports.write_run(self.context.store, run))

    def later(self) -> None:
        """Write the report at the end of this step, once for all that happens in it; a finished loop's is written."""
        self._due = self.context.loop.state is not LoopState.FINISHED

    def write_if_due(self) -> None:
        if self._due:
            self.write()

    def finish(self) -> None:
        """Both files in full, as `autoloop-tui report` would write them."""
        self._tell(reports.write_summary(self.context.store, self.context.loop_id))
        self.write()

    def write(self) -> None:
        self._due = False
        self._tell(self._markdown.write())

    def _tell(self, problem: str | None) -> None:
        if problem:
            self.context.say(events.NOTE, problem)
