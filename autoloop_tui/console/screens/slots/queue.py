"""The queue of the round: which run starts next."""

from __future__ import annotations

from typing import ClassVar

from autoloop.model import Run
from autoloop.protocol import Move, Stop
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Label

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.paint import fit, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.screens.base import host_of
from autoloop_tui.console.screens.dialogs import dialog_css
from autoloop_tui.console.standing import StackedScreen
from autoloop_tui.console.widgets.row_pane import DrawnPane

MOST = 12
"""Maximum number of visible rows."""


class QueueScreen(StackedScreen, ModalScreen[None]):
    """Lists the queued runs in order and sends `Move` and `Stop` requests."""

    SCOPE: ClassVar[str] = "queue"
    DEFAULT_CSS = f"QueueScreen {{ {dialog_css()} }}"
    BINDINGS: ClassVar[list[BindingType]] = bindings("queue")

    def __init__(self) -> None:
        super().__init__()
        self.chosen: str | None = None

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label(Content("The queue"), classes="what")
            key = host_of(self).keys_of
            moves = f"{key('queue.earlier')} {key('queue.later')} move the run"
            yield Label(
                Content(f"{moves}, {key('queue.stop')} removes it (asks), {key('queue.back')} goes back"), classes="why"
            )
            yield DrawnPane()

    def on_mount(self) -> None:
        self.set_interval(0.25, self.repaint)
        self.repaint()

    @property
    def queue(self) -> list[Run]:
        view = host_of(self).feed.view
        return list(view.queue) if view else []

    def repaint(self) -> None:
        pane = self.query_one(DrawnPane)
        pane.styles.height = max(1, min(MOST, len(self.queue)))
        pane.show_drawn(self._rows)

    def _rows(self, width: int, height: int) -> list[list[Piece]]:
        queue = self.queue
        if not queue:
            return [[("nothing is queued", "dim")]]
        if self.chosen not in [run.id for run in queue]:
            self.chosen = queue[0].id
        at = self._at(queue)
        first = max(0, at - height + 1)
        rows: list[list[Piece]] = []
        for index, run in enumerate(queue[first : first + height], first):
            here = run.id == self.chosen
            text = fit(f"{'>' if here else ' '} {index + 1:>3}  {plain(run.name)} ({run.id})", width)
            rows.append([(text, "bold line" if here else "")])
        return rows

    def _at(self, queue: list[Run]) -> int:
        return next((index for index, run in enumerate(queue) if run.id == self.chosen), 0)

    def action_back(self) -> None:
        self.dismiss()

    def action_down(self) -> None:
        self._go(1)

    def action_up(self) -> None:
        self._go(-1)

    def action_earlier(self) -> None:
        self._shift(-1)

    def action_later(self) -> None:
        self._shift(1)

    def _go(self, step: int) -> None:
        queue = self.queue
        if queue:
            self.chosen = queue[max(0, min(self._at(queue) + step, len(queue) - 1))].id
            self.repaint()

    def _shift(self, step: int) -> None:
        queue = self.queue
        at = self._at(queue)
        to = at + step
        if queue and 0 <= to < len(queue):
            # The run goes before the one at its new position, or to the end.
            others = [run for run in queue if run.id != self.chosen]
            before = others[to].id if to < len(others) else None
            host_of(self).ask(Move(run=queue[at].id, before=before))

    def action_stop(self) -> None:
        queue = self.queue
        if queue:
            run = queue[self._at(queue)]
            host_of(self).confirm(
                f"Remove {plain(run.name)} from the queue?",
                "It has not started; its config is kept.",
                "Remove",
                Stop(run=run.id),
            )
