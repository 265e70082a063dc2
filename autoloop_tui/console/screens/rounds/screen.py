"""Rounds: every run of every round in one table, with filter, order, marks and lineage."""

from __future__ import annotations

import time
from typing import ClassVar

from autoloop.model import Loop, MetricSummary, Round, Run, RunState
from autoloop.protocol import Retry
from textual.app import ComposeResult
from textual.binding import BindingType

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.badges import Badge
from autoloop_tui.console.drawing.columns import Laid, lay_out, line
from autoloop_tui.console.drawing.paint import clip, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.metric_delta import at_the_step_of, so_far
from autoloop_tui.console.present.rounds.cells import FIXED, RunPainter, columns
from autoloop_tui.console.present.rounds.filter import Filter, parse_filter
from autoloop_tui.console.present.rounds.rows import LoopRuns, RunRow, RunRows, ordered
from autoloop_tui.console.screens.proposals.writing import propose_variant
from autoloop_tui.console.screens.table_screen import TableScreen
from autoloop_tui.console.widgets.rounds.filter_line import FilterLine
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.table import Table

MOST_MARKS = 6

LOAD_SECONDS = 0.01
"""At most so long, in one tick, other loops of the project are read: a key must not wait."""

SLOW = 4
"""Ticks between two looks at what changes by itself: times, and the metrics of running runs."""


class RoundsScreen(TableScreen):
    SCOPE = "rounds"
    TITLE = "rounds"
    CSS_PATH = "rounds.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("rounds")

    def __init__(self) -> None:
        super().__init__()
        self.known = RunRows()
        self.sort, self.reverse = "round", False
        self.filter = Filter()
        self.first_metric = 0
        self.all_loops = False
        self._others: dict[int, LoopRuns] = {}
        """Loops of the project besides the one that is looked at, as far as they have been read."""
        self._to_load: list[Loop] = []
        self._shown: list[str] = []
        self._painter: RunPainter | None = None
        self._live: dict[str, dict[str, MetricSummary]] = {}
        self._live_bases: dict[str, dict[str, MetricSummary]] = {}
        self._live_steps: dict[str, int] = {}
        self._laid: Laid = []
        self._ticks = 0

    def body(self) -> ComposeResult:
        yield Table(id="runs")
        yield RowPane(id="lineage")
        yield FilterLine("words, or comparisons such as ot_pi_sum>0.1; empty shows every run", id="filter")

    @property
    def table(self) -> Table:
        return self.query_one("#runs", Table)

    # ------------------------------------------------------------------------------------------------------- painting

    def show_view(self, view: View) -> None:
        here = LoopRuns.of(view.snapshot)
        loops = [here]
        if self.all_loops:
            self._others.pop(here.loop.id, None)
            loops += self._others.values()
            loops.sort(key=lambda each: -each.loop.id)
        self.known.update(loops)
        self._arrange(view)

    def _arrange(self, view: View) -> None:
        """Filter and order anew, and show the result."""
        rows = [row for row in self.known.rows.values() if self.filter.matches(row)]
        rows = ordered(rows, self.sort, reverse=self.reverse, book=view.metrics, now=time.time())
        keys: list[str] = []
        heads: dict[str, tuple[int, int]] = {}
        for row in rows:
            place = (row.run.loop, row.run.round)
            head = f"round {place[0]}/{place[1]}"
            if self.sort == "round" and head not in heads:
                heads[head] = place
                keys.append(head)
            keys.append(row.run.id)
        table = self.table
        painter = self._painter = RunPainter(view.metrics, gone=view.gone, glyphs=self.console.glyphs, judge=view.judge)
        self._refresh_painter()
        self._lay_out(view, table, rows)
        widths = {column.key: width for column, width in self._laid}

        def paint(key: str, width: int) -> list[Piece]:
            if key in heads:
                loop, number = heads[key]
                facts = self.known.round_facts(loop, number, view.metrics)
                loops = self.known.loops[loop]
                return painter.round_head(facts, loops, width, name_loop=self.all_loops) if facts else []
            return line(self._laid, painter.row(self.known.rows[key], widths), painter.mark)

        table.title = "every loop of this project" if self.all_loops else "this loop"
        table.status, table.empty = self._status(), self._empty()
        table.set_rows(keys, paint, heads.keys())
        self._paint_lineage()

    def _lay_out(self, view: View, table: Table, rows: list[RunRow]) -> None:
        every = columns(
            view.metrics,
            rows,
            self.sort,
            reverse=self.reverse,
            first_metric=self.first_metric % max(1, len(view.metrics.key_metrics)),
            glyphs=self.console.glyphs,
            width=table.size.width,
        )
        self._laid = lay_out(every, table.row_width)
        titles = {column.key: (column.title, "bold key" if column.key == self.sort else "dim") for column in every}
        table.head = line(self._laid, titles, self.console.glyphs.ellipsis)

    def _refresh_painter(self) -> None:
        """What changes by itself between two views."""
        painter = self._painter
        if painter is not None:
            painter.now, painter.marked = time.time(), self._marks()
            painter.live, painter.live_bases, painter.live_steps = self._live, self._live_bases, self._live_steps

    def _marks(self) -> dict[str, Badge]:
        return self.view.badges(self.console.marked) if self.view else {}

    def _status(self) -> list[Piece]:
        dot = self.console.glyphs.dot
        parts: list[Piece] = []
        if self._to_load:
            parts.append((f"reading {len(self._to_load)} more loops", "slot-warn"))
        if self.filter.note:
            parts.append((plain(self.filter.note), "slot-warn"))
        if self.filter.text:
            parts.append((f"filter: {clip(plain(self.filter.text), 30)}", "key"))
        if self.sort != "round" or self.reverse:
            parts.append((f"by {self._sort_name()}{', turned round' if self.reverse else ''}", "key"))
        if self.console.marked:
            parts.append((f"{len(self.console.marked)} marked", "key"))
        return [piece for part in parts for piece in (part, (dot, "rule"))][:-1]

    def _sort_name(self) -> str:
        return self.view.metrics.short(self.sort) if self.view and self.sort not in (*FIXED, "round") else self.sort

    def _empty(self) -> list[Piece]:
        if self.filter.text:
            none = f"none of the {len(self.known.rows)} runs matches {clip(plain(self.filter.text), 40)}"
            again = f"{self.console.keys_of('rounds.filter')} changes the filter; an empty one shows every run again"
            return [(none, ""), (again, "dim")]
        return [("no run yet", ""), ("the first round's runs appear here when the engine has queued them", "dim")]

    def _paint_lineage(self) -> None:
        pane = self.query_one("#lineage", RowPane)
        width, height = pane.size
        chain = self.known.lineage(self.table.cursor or "")
        if not chain or self._painter is None or height < 2:
            pane.show([])
        else:
            after = self.known.rows.get(self.known.relaunched.get(chain[-1].run.id, ""))
            name = after.run.name if after else None
            pane.show(self._painter.detail(chain, width, height, name_loop=self.all_loops, successor=name))

    def on_table_moved(self) -> None:
        self._paint_lineage()
        if (row := self._current()) is not None:
            self.equivalent("rounds.open", run=plain(row.run.id))

    # ---------------------------------------------------------------------------------------------------------- clock

    def tick(self) -> None:
        view = self.view
        if view is None:
            return
        self._ticks += 1
        if self._to_load:
            self._load(view)
        if self._ticks % SLOW == 0 and self._painter is not None:
            self._read_live(view)
            self._refresh_painter()
            self.table.repaint()

    def _load(self, view: View) -> None:
        """Read on in the other loops of the project."""
        store, until = self.console.feed.store, time.monotonic() + LOAD_SECONDS
        while self._to_load and time.monotonic() < until:
            loop = self._to_load.pop(0)
            parts = store.rounds(loop.id), store.runs(loop.id), store.proposals(loop.id)
            self._others[loop.id] = LoopRuns(loop, *parts)
        self.show_view(view)

    def _read_live(self, view: View) -> None:
        """What the running runs in the window have reached; one history is read on each time, in turn."""
        table, feed = self.table, self.console.feed
        active = (RunState.RUNNING, RunState.STOPPING)
        rows = [row for key in table.in_window if (row := self.known.rows.get(key)) and row.run.state in active]
        rows = [row for row in rows if row.loop.id == view.loop.id]
        if rows:
            run = rows[self._ticks // SLOW % len(rows)].run
            reached = self._live[run.id] = so_far(feed.read(run), view.metrics)
            if base := view.base_of(run):
                self._live_bases[run.id] = at_the_step_of(reached, feed.read(base), view.metrics)
            self._live_steps[run.id] = feed.step(run)

    # -------------------------------------------------------------------------------------------------------- actions

    def _current(self) -> RunRow | None:
        return self.known.rows.get(self.table.cursor or "")

    def _again(self) -> None:
        if self.view is not None:
            self._arrange(self.view)

    def action_left(self) -> None:
        self.action_right(-1)

    def action_right(self, step: int = 1) -> None:
        self.first_metric += step
        self._again()

    def action_sort(self) -> None:
        cycle = ["round", *(column.key for column, _ in self._laid if column.key not in ("mark", "round"))]
        place = cycle.index(self.sort) if self.sort in cycle else -1
        self.sort, self.reverse = cycle[(place + 1) % len(cycle)], False
        self._again()
        self.show_message(f"sorted by {self._sort_name()}" + (", newest round first" if self.sort == "round" else ""))

    def action_reverse(self) -> None:
        self.reverse = not self.reverse
        self._again()

    def action_open(self) -> None:
        row = self._current()
        if row is None or self.view is None:
            return
        if row.loop.id != self.view.loop.id:
            self._go_to_loop(self.view, row.loop)
        self.console.open_run(row.run.id)

    def _go_to_loop(self, view: View, loop: Loop) -> None:
        """Look at another loop from now on, on every screen."""
        self._others[view.loop.id] = LoopRuns.of(view.snapshot)
        self.console.feed.follow_loop(loop.id)
        self.console.feed.poll()
        self.refresh_view()
        self.app.notify(f"The console looks at {loop.name} now.", markup=False)

    def action_mark(self) -> None:
        row, marked = self._current(), self.console.marked
        if row is None:
            return
        name = plain(row.run.name)
        if row.run.id in marked:
            marked.remove(row.run.id)
            self.show_message(f"{name} is no longer marked")
        elif len(marked) >= MOST_MARKS:
            mark = self.console.keys_of("rounds.mark")
            self.show_message(f"{MOST_MARKS} runs are compared at most; {mark} takes a mark off", "slot-warn")
        else:
            marked.append(row.run.id)
            letter, key = self._marks()[row.run.id].letter, self.console.keys_of("app.compare")
            self.show_message(f"{name}, run {letter}, is marked, {len(marked)} in all; {key} compares them")
        self._again()

    def action_clear(self) -> None:
        self.console.marked.clear()
        self._again()
        self.show_message("no run is marked any more")

    def action_loops(self) -> None:
        self.all_loops = not self.all_loops
        self._others, self._to_load = {}, []
        if self.view is not None:
            if self.all_loops:
                here = self.view.loop.id
                self._to_load = [loop for loop in self.console.feed.store.loops() if loop.id != here]
            self.show_view(self.view)
        self.equivalent("rounds.loops")

    def action_retry(self) -> None:
        if (row := self._own("retry")) is not None:
            self.equivalent("rounds.retry", run=plain(row.run.id))
            self.console.ask(Retry(run=row.run.id))

    def action_variant(self) -> None:
        row = self._own("propose from")
        if row is not None:
            self.equivalent("rounds.variant", run=plain(row.run.id))
            propose_variant(self.console, row.run)

    def subject(self, view: View) -> Run | Round | None:
        row = self._current()
        return row.run if row is not None and row.loop.id == view.loop.id else view.snapshot.round

    def _own(self, what: str) -> RunRow | None:
        """The run under the cursor if commands reach it: they go to the engine of the loop that is looked at."""
        row = self._current()
        if row is not None and self.view is not None and row.loop.id != self.view.loop.id:
            self.show_message(f"this run is of {row.loop.name}: open it first, then the console can {what} it", "slot-warn")
            return None
        return row

    # --------------------------------------------------------------------------------------------------------- filter

    def action_filter(self) -> None:
        self.query_one(FilterLine).ask(self.filter.text)

    def on_filter_line_typed(self, event: FilterLine.Typed) -> None:
        if self.view is not None:
            self.filter = parse_filter(event.text, self.view.metrics, self.known.metric_names())
            self._again()
