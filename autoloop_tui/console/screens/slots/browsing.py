"""Contents and navigation of Slots: what every slot is doing, the selected run, and what happens next.

`screen.py` adds the keys that act on a run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from autoloop.model import Run, Slot
from textual.binding import Binding, BindingType
from textual.widget import Widget

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.logs.tail import LastLines
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.slots.facts import SlotFacts, facts_of
from autoloop_tui.console.present.slots.next_up import proposals_shown, upcoming
from autoloop_tui.console.present.slots.rows import queue_row
from autoloop_tui.console.screens.slots.reading import Histories, Machine
from autoloop_tui.console.screens.table_screen import TableKeys
from autoloop_tui.console.widgets.row_pane import DrawnPane, RowPane
from autoloop_tui.console.widgets.slots.detail import SlotDetail
from autoloop_tui.console.widgets.slots.table import SlotTable
from autoloop_tui.console.widgets.table import Table

SLOW = 4
"""Ticks between two refreshes of the table and charts; doubled while no history grows, and on narrow screens, which often
have a slow link. The log is polled at every tick."""

NARROW = 100

TYPING = 1.0
"""Seconds within which a second digit belongs to the same slot number."""


class SlotBrowser(TableKeys):
    """The table of slots and the selected run below it; has no key that sends a request."""

    SCOPE = "slots"
    TITLE = ""
    BACK = "quit"
    CSS_PATH = "slots.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("slots"),
        *(Binding(str(digit), f"slot('{digit}')", show=False) for digit in range(10)),
    ]

    def __init__(self) -> None:
        super().__init__(classes="show-log")
        self.part = "log"
        self.machine = Machine(self)
        self._histories = Histories()
        self._last_lines = LastLines()
        self._facts: tuple[View, list[SlotFacts]] | None = None
        """The facts painted last, and their view."""
        self._ticks = 0
        self._typed = ("", 0.0)
        """Typed digits of a slot number, and when the last was typed."""
        self._details_due = False
        """Whether the details of the selected run are still to be painted, after the cursor."""
        self._news = True
        """Whether a history has grown since the last refresh."""
        self._pointed = ""
        """The run for which the command on the last line was last generated automatically."""

    def body(self) -> list[Widget]:
        return [
            SlotTable(self.console.keys_of, id="slots"),
            RowPane(id="queue"),
            SlotDetail(id="detail"),
            DrawnPane(id="next"),
        ]

    @property
    def table(self) -> SlotTable:
        return self.query_one(SlotTable)

    @property
    def detail(self) -> SlotDetail:
        return self.query_one(SlotDetail)

    def on_mount(self) -> None:
        self.table.focus()
        view = self.view
        if view is not None:  # Every height change after the first layout causes another layout.
            self.table.styles.height = self._table_height(view, self.app.size.height)

    def on_screen_resume(self) -> None:
        self._ticks = 0  # read at the next tick: nothing was read while the screen was hidden

    # ------------------------------------------------------------------------------------------------------- painting

    def show_view(self, view: View) -> None:
        table = self.table
        wanted = self._table_height(view, self.size.height)
        if table.styles.height is None or table.styles.height.value != wanted:
            table.styles.height = wanted
            self.call_after_refresh(self._paint_table, view)
        self._paint_table(view)
        if view.brief:
            return
        self.detail.show(view, self.console.feed, self.slot(view))
        self._paint_next(view)
        run = self.focused_run(view)
        if run and run.id != self._pointed:
            self._pointed = run.id
            self.equivalent("slots.open", keep=True, run=run.id)

    def _table_height(self, view: View, room: int) -> int:
        """Return the height of the table on a screen with `room` rows."""
        return min(len(view.loop.spec.slots) + 1, max(3, room // 2 - 1))

    def tick(self) -> None:
        view = self.view
        if view is None:
            return
        self._ticks += 1
        feed, detail = self.console.feed, self.detail
        detail.log_pane.tick()
        self.machine.look(self.console.feed, view)
        round_ = view.snapshot.round
        if round_ and round_.start_at is not None and self._ticks % SLOW == 0:
            self._paint_next(view)  # it contains a countdown
        if self._ticks % (SLOW if self._news and self.size.width >= NARROW else 2 * SLOW) == 1:
            self._histories.ask(view, feed, self._in_window(view), self.focused_run(view))
            self._news = self._histories.read(feed)
            self._paint_table(view)
            detail.show_charts(view, feed, self.slot(view))
            self._paint_next(view)
        else:
            self._news |= self._histories.read(feed)

    def slot(self, view: View) -> Slot:
        """Return the selected slot."""
        return view.loop.spec.slots[self.table.place]

    def focused_run(self, view: View) -> Run | None:
        return view.in_slots.get(self.slot(view).index)

    def _in_window(self, view: View) -> Sequence[Slot]:
        first, last = self.table.window
        return view.loop.spec.slots[first - 1 : last]

    def _paint_table(self, view: View) -> None:
        feed, sample, lines = self.console.feed, self.machine.sample, self._last_lines
        seen = {slot.index for slot in self._in_window(view)}
        # Slots outside the window are not read, so they change only with the view.
        kept = self._facts[1] if self._facts is not None and self._facts[0] is view else None
        facts = [
            kept[place]
            if kept is not None and slot.index not in seen
            else facts_of(slot, view, feed, sample, lines if slot.index in seen else None)
            for place, slot in enumerate(view.loop.spec.slots)
        ]
        self._facts = view, facts
        self.table.set_facts(facts)
        self.detail.gpus = {each.slot.index: each.gpu for each in facts if each.gpu is not None}
        self._paint_queue(view)

    def _paint_queue(self, view: View) -> None:
        """Paint the row below the table: the full message of the selected slot if its row has no room for it, otherwise what
        starts next and which slots are visible."""
        pane, table = self.query_one("#queue", RowPane), self.table
        row = table.said_whole(self.size.width) or queue_row(
            [run.name for run in view.queue],
            table.window,
            len(view.loop.spec.slots),
            self.size.width,
            glyphs=self.console.glyphs,
        )
        pane.show([row])

    def _paint_next(self, view: View) -> None:
        pane = self.query_one("#next", DrawnPane)
        proposals = proposals_shown(view, self.size.width, self.size.height)
        rows = upcoming(
            view,
            proposals,
            self.size.width,
            key=self.console.keys_of,
            now=time.time(),
            glyphs=self.console.glyphs,
        )
        pane.styles.height = len(rows)
        pane.show_drawn(lambda width, height: rows)

    # --------------------------------------------------------------------------------------------------------- moving

    def action_slot(self, digit: str) -> None:
        """Go to the slot whose label has this number, including digits typed shortly before."""
        typed, at = self._typed
        now = time.monotonic()
        numbers = (
            [slot.label.partition(" ")[2] or str(slot.index) for slot in self.view.loop.spec.slots] if self.view else []
        )
        tries = [typed + digit, digit] if typed and now - at < TYPING else [digit]
        found = next((each for each in tries if each in numbers), None)
        self._typed = (found or digit, now)
        if found is not None:
            self.table.go_to(str(numbers.index(found)))

    def on_table_moved(self, event: Table.Moved) -> None:
        view = self.view
        if view is None or view.brief:
            return
        self._paint_queue(view)
        run = self.focused_run(view)
        if run:
            self.equivalent("slots.open", run=run.id)
            if not self.console.feed.known(run):
                self._ticks = 0  # read it at the next tick
        if not self._details_due:  # Paint the cursor first; after several keys, only the last run's details are painted.
            self._details_due = True
            self.call_after_refresh(self._paint_details)

    def _paint_details(self) -> None:
        """Paint the details of the selected run."""
        self._details_due = False
        view = self.view
        if view is not None:
            self.detail.show(view, self.console.feed, self.slot(view))

    def action_next_part(self) -> None:
        log = self.detail.log_pane
        (self.table if log.has_focus or not log.is_on_screen else log).focus()

    def action_log(self) -> None:
        self._show_part("log")

    def action_charts(self) -> None:
        self._show_part("charts")

    def action_config(self) -> None:
        self._show_part("config")

    def _show_part(self, part: str) -> None:
        for name in ("log", "charts", "config"):
            self.set_class(name == part, f"show-{name}")
        self.part = part
        view = self.view
        if view is not None:
            run = self.focused_run(view)
            self.equivalent(f"slots.{part}", run=run.id if run else "RUN")
            self.call_after_refresh(self.show_view, view)

    def action_log_y(self) -> None:
        self.detail.toggle_log_y()

    def action_left(self) -> None:
        self._turn_metrics(-1)

    def action_right(self) -> None:
        self._turn_metrics(1)

    def _turn_metrics(self, pages: int) -> None:
        self.detail.turn_metrics(pages)
        if self.view is not None:
            self.detail.show_charts(self.view, self.console.feed, self.slot(self.view))
