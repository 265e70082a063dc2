"""The keys of Slots, the console's home screen, to open, stop and retry a run. `browsing.py` has its contents."""

from __future__ import annotations

from collections.abc import Sequence

from autoloop.model import LoopState, RunState, Slot
from autoloop.protocol import Retry, Stop

from autoloop_tui.console.drawing.paint import clip
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.screens.slots.browsing import SlotBrowser


class SlotsScreen(SlotBrowser):
    """Shows what is running and acts on it."""

    def action_open(self) -> None:
        run = self.focused_run(self.view) if self.view else None
        if run:
            self.console.open_run(run.id)

    def subject(self, view: View) -> Slot:
        return self.slot(view)

    def urgent(self, view: View) -> Sequence[str]:
        """Return the urgent actions; after the loop has ended also the finish page."""
        ended = view.loop.state is not LoopState.ACTIVE
        return [*super().urgent(view), "app.finish"] if ended else super().urgent(view)

    def refusal(self, action: str) -> str:
        run = self.focused_run(self.view) if self.view else None
        if action == "slots.stop" and (run is None or run.state is not RunState.RUNNING):
            return "nothing runs in this slot"
        if action == "slots.retry" and not (run and self.table.facts[self.table.place].retries):
            return "only unsuccessful runs of this round can be retried"
        if action == "slots.queue" and not (self.view and self.view.queue):
            return "the queue is empty"
        return "this slot has not run anything yet" if action == "slots.open" and run is None else ""

    def action_stop(self) -> None:
        run = self.focused_run(self.view) if self.view else None
        if run is None:
            return
        self.console.confirm(
            f"Stop {clip(run.name, 60)} at step {self.console.feed.step(run)} of {run.total_steps}?",
            "It is interrupted, then terminated, then killed. Its log, checkpoints and metrics so far are kept; "
            "it will not be judged.",
            "Stop the run",
            Stop(run=run.id),
        )

    def action_retry(self) -> None:
        run = self.focused_run(self.view) if self.view else None
        if run is not None:
            self.equivalent("slots.retry", run=run.id)
            self.console.ask(Retry(run=run.id))

    def action_queue(self) -> None:
        from autoloop_tui.console.screens.slots.queue import QueueScreen

        self.app.push_screen(QueueScreen())
