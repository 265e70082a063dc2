"""The finish page: the winner and its margin, what was changed to get there, the course of the rounds, and what to do
next."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from autoloop.model import LoopState, Outcome, Run
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.pieces import Piece, heading
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.finish import changes_to_first, page
from autoloop_tui.console.present.proposals.detail import change_rows
from autoloop_tui.console.present.proposals.permitted import may_propose
from autoloop_tui.console.present.slots.best_chart import best_rows
from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.screens.proposals.writing import propose_variant
from autoloop_tui.console.screens.run.extending import extend_run
from autoloop_tui.console.widgets.row_pane import DrawnPane, ScrolledPane

NO_CHART = 6
"""Minimum rows of the chart."""
CHART, PER_ROUND = 6, 2
"""Rows of the chart: at most these, and these for each round with a result; few points need no more."""


class FinishScreen(LoopScreen):
    """The finish page. While the loop is active it shows the result so far."""

    SCOPE = "finish"
    TITLE = "finish"
    CSS_PATH = "finish.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("finish")

    def body(self) -> ComposeResult:
        yield ScrolledPane(id="page")
        with Container(id="below"):
            yield DrawnPane(id="rounds")
            yield DrawnPane(id="changes")

    def on_mount(self) -> None:
        self.equivalent("app.finish")

    def show_view(self, view: View) -> None:
        host = self.console
        short = self.has_class("-narrow")  # there is no pane for the changes
        rows = page(host.feed.store, view, self.size.width, short=short, key=host.keys_of, glyphs=host.glyphs)
        self.query_one(ScrolledPane).show_rows(rows)
        room = self.size.height - 3
        below = room - len(rows) - 1
        found = view.outcome
        pane = self.query_one("#below")
        pane.display = below >= NO_CHART and found is not None
        if found is not None:
            needs = max(CHART + PER_ROUND * len(found.rounds), 1 + len(changes_to_first(view, found)))
            pane.styles.height = min(below, needs)
        self.query_one(ScrolledPane).styles.height = len(rows) + 1 if below >= NO_CHART else room
        self.call_after_refresh(self._paint)

    def _paint(self) -> None:
        view = self.view
        if view is None:
            return
        if (found := view.outcome) is not None:
            self._paint_rounds(view, found)
            self.query_one("#changes", DrawnPane).show_drawn(partial(self._change_rows, view, found))

    def _paint_rounds(self, view: View, found: Outcome) -> None:
        """Paint the chart of the rounds as on Slots; after the loop has ended, only over the rounds that took place."""
        rounds = view.loop.spec.rounds if view.loop.state is LoopState.ACTIVE else len(view.snapshot.rounds)
        metric = view.metrics.short(found.metric)
        draw = partial(best_rows, found, rounds, metric, None, glyphs=self.console.glyphs)
        self.query_one("#rounds", DrawnPane).show_drawn(draw)

    def _change_rows(self, view: View, found: Outcome, width: int, height: int) -> list[list[Piece]]:
        glyphs = self.console.glyphs
        if width <= 0 or height <= 0:
            return []
        title = "changes from the baseline"
        rows: list[list[Piece]] = [heading(title, [], width, focused=False, glyphs=glyphs)]
        if changes := changes_to_first(view, found):
            rows += change_rows(changes, width - 2, glyphs)
        else:
            same = found.first.run == found.baseline.run
            rows.append([(" none: the baseline ranks first" if same else " known when the loop has ended", "dim")])
        if len(rows) > height:
            rows = [*rows[: height - 1], [(f"  {glyphs.ellipsis}", "dim")]]
        return rows

    # -------------------------------------------------------------------------------------------------------- actions

    def _first(self) -> Run | None:
        """Return the run that represents the best config."""
        view = self.view
        return view.run(view.outcome.first.run) if view and view.outcome else None

    def refusal(self, action: str) -> str:
        needed = ("finish.variant", "finish.extend", "finish.compare", "finish.open")
        if action in needed and self._first() is None:
            return "no leading config yet"
        return may_propose(self.view, self.console.keys_of) if action == "finish.variant" and self.view else ""

    def action_down(self) -> None:
        self.query_one(ScrolledPane).scroll(1)

    def action_up(self) -> None:
        self.query_one(ScrolledPane).scroll(-1)

    def action_open(self) -> None:
        if (run := self._first()) is not None:
            self.console.open_run(run.id)

    def action_variant(self) -> None:
        if (run := self._first()) is not None:
            propose_variant(self.console, run)

    def action_extend(self) -> None:
        view, run = self.view, self._first()
        if view is not None and run is not None:
            extend_run(self.console, view, run)

    def action_compare(self) -> None:
        """Compare the best config with the baseline, replacing the marked runs."""
        view = self.view
        if view is not None and view.outcome is not None:
            self.console.marked[:] = dict.fromkeys([view.outcome.baseline.run, view.outcome.first.run])
            self.console.action_compare()
