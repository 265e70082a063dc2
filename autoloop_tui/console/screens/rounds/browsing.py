"""The contents of Rounds: every run of every round in one table, in the chosen order, and a preview of the selected run.

`screen.py` adds the keys.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from autoloop.model import Loop, Round, Run, RunState
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Size

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.badges import Badge
from autoloop_tui.console.drawing.columns import Laid, lay_out, line
from autoloop_tui.console.drawing.paint import clip, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.rounds.arranging import Place, by_config, tree, unfolded
from autoloop_tui.console.present.rounds.cells import OF_FIRST, SORTED, RunPainter, columns
from autoloop_tui.console.present.rounds.figures import Figures
from autoloop_tui.console.present.rounds.filter import Filter
from autoloop_tui.console.present.rounds.heads import first_pieces, round_head
from autoloop_tui.console.present.rounds.lineage import LineagePainter
from autoloop_tui.console.present.rounds.rows import LoopRuns, RunRow, RunRows, ordered
from autoloop_tui.console.present.rounds.winners import Winners, winners
from autoloop_tui.console.screens.rounds.reading import Curves
from autoloop_tui.console.screens.table_screen import TableScreen
from autoloop_tui.console.widgets.bars import HintBar
from autoloop_tui.console.widgets.rounds.filter_line import FilterLine
from autoloop_tui.console.widgets.rounds.preview import RunPreview
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.table import Table

LOAD_SECONDS = 0.01
"""Maximum seconds per tick spent reading other loops of the project: a key must not wait."""

SLOW = 4
"""Ticks between two refreshes of what changes on its own: times, and the metrics of running runs."""


class RoundsBrowser(TableScreen):
    """The table and the preview, with navigation keys only."""

    SCOPE = "rounds"
    TITLE = "rounds"
    KEPT = True
    CSS_PATH = "rounds.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("rounds")

    def __init__(self) -> None:
        super().__init__()
        self.known = RunRows()
        self.sort, self.reverse = "round", False
        self.filter = Filter()
        self.first_metric = 0
        self.all_loops = False
        self.as_tree = False
        """Arrange the runs by lineage instead of by round."""
        self.open: set[str] = set()
        """Configs whose replicates are shown."""
        self._others: dict[int, LoopRuns] = {}
        """Other loops of the project, as far as they have been read."""
        self._here: LoopRuns | None = None
        """The loop shown last."""
        self._to_load: list[Loop] = []
        self._loops_due = False
        """Whether the other loops must be read again, because they progressed or another loop is now shown."""
        self._shown: tuple[Size, int] | None = None
        """The screen size and table width of the last layout."""
        self._arranged: View | None = None
        self._painter: RunPainter | None = None
        self._curves = Curves()
        self._places: dict[str, Place] = {}
        self._winners: dict[int, Winners] = {}
        self._laid: Laid = []
        self._going: set[str] = set()
        """Rows that change on their own: those of unfinished runs and rounds."""
        self._ticks = 0
        self._details_due = False
        """Whether the details of the selected run are still to be painted, after the cursor."""

    def body(self) -> ComposeResult:
        yield Table(id="runs")
        yield RunPreview(id="preview")
        yield RowPane(id="lineage")
        yield FilterLine("text, or comparisons such as ot_pi_sum>0.1; empty shows all runs", id="filter")

    @property
    def table(self) -> Table:
        return self.query_one("#runs", Table)

    # ------------------------------------------------------------------------------------------------------- painting

    def show_view(self, view: View) -> None:
        now = (self.size, self.table.size.width)
        if self._shown == now and self._arranged is view:  # the screen was left and shown again
            self._refresh_painter()
            self.table.status = self._status()
            self.table.repaint()
            self._paint_preview(view)
        else:
            self._shown = now
            self._show_loops(view)

    def _show_loops(self, view: View) -> None:
        """Lay out everything known about the loops shown."""
        here = LoopRuns.of(view.snapshot)
        loops, before, self._here = [here], self._here, here
        if self.all_loops:
            if before is not None and before.loop.id != here.loop.id:
                self._others[before.loop.id] = before
                self._loops_due = True
            self._others.pop(here.loop.id, None)
            loops += self._others.values()
            loops.sort(key=lambda each: -each.loop.id)
        self.known.update(loops)
        self._winners = {
            each.loop.id: winners(each.loop.outcome, {run.id: run for run in each.runs})
            for each in loops
            if each.loop.id != view.loop.id
        }
        self._winners[view.loop.id] = winners(view.outcome, view.runs, view.judge)
        self._arrange(view)

    @property
    def _metrics(self) -> list[str]:
        """The key metrics, beginning with the one shown first."""
        keys = self.view.metrics.key_metrics if self.view else ()
        first = self.first_metric % max(1, len(keys))
        return [*keys[first:], *keys[:first]]

    def _arrange(self, view: View) -> None:
        """Filter and sort the rows and show the result."""
        self._arranged = view
        metric = next(iter(self._metrics), "")
        rows = [row for row in by_config(self.known.rows.values()) if self._matches(row)]
        glyphs = self.console.glyphs
        if self.as_tree:
            places = tree(rows, self.open, glyphs)
        else:
            by = ordered(rows, self.sort, reverse=self.reverse, book=view.metrics, now=time.time(), metric=metric)
            places = unfolded(by, self.open, glyphs)
        self._places = {place.row.key: place for place in places}
        self._going = {key for key, place in self._places.items() if not place.row.run.state.ended}
        over = {(each.loop, each.number) for loop in self.known.loops.values() for each in loop.rounds if each.ended_at}
        keys: list[str] = []
        heads: dict[str, tuple[int, int]] = {}
        for key, place in self._places.items():
            of = (place.row.run.loop, place.row.run.round)
            head = f"round {of[0]}/{of[1]}"
            if self.sort == "round" and not self.as_tree and head not in heads:
                heads[head] = of
                keys.append(head)
                if of not in over:
                    self._going.add(head)
            keys.append(key)
        table = self.table
        painter = self._painter = RunPainter(view.metrics, gone=view.gone, glyphs=glyphs, judge=view.judge)
        painter.winners = self._winners
        sums = [row.run.summary.metrics for row in rows if row.run.summary]
        metrics = [each for at, each in enumerate(self._metrics) if at == 0 or any(each in held for held in sums)]
        painter.figures = [Figures.of(each, rows, view.metrics, self._curves.live) for each in metrics]
        self._refresh_painter()
        self._lay_out(view, table, places)
        widths = {column.key: width for column, width in self._laid}

        def paint(key: str, width: int) -> list[Piece]:
            if key in heads:
                return self._head(*heads[key], view, width)
            cells = painter.row(self._places[key], widths, folded=key not in self.open)
            return line(self._laid, cells, painter.mark)

        table.title = "every loop of this project" if self.all_loops else "this loop"
        if metric:
            good = glyphs.towards(view.metrics.direction(metric))
            table.title += f"{glyphs.dot}{view.metrics.short(metric)} {good}".rstrip()
        table.status, table.empty = self._status(), self._empty()
        table.set_rows(keys, paint, heads.keys())
        self._share_height()
        self._paint_preview(view)

    def _matches(self, row: RunRow) -> bool:
        return self.filter.matches(row) or any(map(self.filter.matches, row.members))

    def _head(self, loop: int, number: int, view: View, width: int) -> list[Piece]:
        facts, loops = self.known.round_facts(loop, number), self.known.loops[loop]
        if facts is None:
            return []
        found = view.outcome if loop == view.loop.id else loops.loop.outcome
        glyphs, first = self.console.glyphs, self._winners[loop].rounds.get(number)
        star = self._winners[loop].star(first.run, glyphs) if first else ""
        pieces = first_pieces(first, star, found, self.known, view.metrics)
        return round_head(facts, loops, pieces, width, now=time.time(), name_loop=self.all_loops, glyphs=glyphs)

    def _lay_out(self, view: View, table: Table, places: list[Place]) -> None:
        assert self._painter is not None
        every = columns(
            places,
            self._painter.figures,
            view.metrics,
            "" if self.as_tree else self.sort,
            reverse=self.reverse,
            glyphs=self.console.glyphs,
            width=table.size.width,
        )
        self._laid = lay_out(every, table.row_width)
        titles = {column.key: (column.title, "bold key" if column.key == self.sort else "dim") for column in every}
        table.head = line(self._laid, titles, self.console.glyphs.ellipsis)

    def _share_height(self) -> None:
        """Give the table the height it needs, at most three fifths; the preview gets the rest."""
        room = self.size.height - 3 - self.query_one("#lineage").size.height
        wanted = len(self.table.keys) + 2
        self.table.styles.height = max(6, min(wanted, room * 3 // 5)) if room >= 14 else "1fr"
        self.query_one(RunPreview).display = room >= 14

    def _refresh_painter(self) -> None:
        """Update what changes on its own between two views."""
        painter = self._painter
        if painter is not None:
            painter.now, painter.marked = time.time(), self._marks()
            curves = self._curves
            painter.live, painter.live_bases, painter.live_steps = curves.live, curves.live_bases, curves.live_steps
            painter.trends = curves.trends(next(iter(self._metrics), ""))

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
        if self.as_tree:
            parts.append(("by lineage", "key"))
        elif self.sort != "round" or self.reverse:
            parts.append((f"by {self._sort_name()}{', reversed' if self.reverse else ''}", "key"))
        if self.console.marked:
            parts.append((f"{len(self.console.marked)} marked", "key"))
        return [piece for part in parts for piece in (part, (dot, "rule"))][:-1]

    def _sort_name(self) -> str:
        if self.sort in SORTED:
            return OF_FIRST.get(self.sort, self.sort)
        return self.view.metrics.short(self.sort) if self.view else self.sort

    def _empty(self) -> list[Piece]:
        key = self.console.keys_of
        if self.filter.text:
            none = f"no run matches {clip(plain(self.filter.text), 40)}"
            again = f"{key('app.escape')} clears the filter, {key('rounds.filter')} changes it"
            return [(none, ""), (again, "dim")]
        why = f"the runs of the first round appear here once the engine has queued them; {key('app.slots')}: progress"
        return [("no run yet", ""), (why, "dim")]

    def _paint_preview(self, view: View) -> None:
        """Show the selected run: its curve and changes, and below them its state, reason and lineage in words."""
        pane, row = self.query_one("#lineage", RowPane), self._current()
        width, height = pane.size
        if row is None:
            self.query_one(RunPreview).show_run(view, None, None, "", {})
            pane.show([])
            return
        run = self._with_history(row)
        mine = run if row.loop.id == view.loop.id else None
        base = view.base_of(run) if mine else None
        known = {each.id: self.console.feed.known(each) for each in (mine, base) if each}
        self.query_one(RunPreview).show_run(view, mine, base, next(iter(self._metrics), ""), known)
        chain = self.known.lineage(run.id)
        if chain and height >= 2:
            after = self.known.rows.get(self.known.relaunched.get(chain[-1].run.id, ""))
            name = after.run.name if after else None
            lineage = LineagePainter(self.console.glyphs, view.metrics)
            pane.show(lineage.detail(chain, width, height, name_loop=self.all_loops, successor=name))

    def _with_history(self, row: RunRow) -> Run:
        """Return the row's run; for a config the first finished run, or the first one."""
        runs = [member.run for member in row.members]
        return next((run for run in runs if run.state is RunState.FINISHED), runs[0]) if runs else row.run

    def on_table_moved(self) -> None:
        self.query_one(HintBar).forget()  # before the details, so that they do not clear the next key's message
        if not self._details_due:  # Paint the cursor first; after several keys, only the last run's details are painted.
            self._details_due = True
            self.call_after_refresh(self._paint_details)

    def _paint_details(self) -> None:
        """Paint the details below the table, with as much of the curve as can be read quickly."""
        self._details_due = False
        if self.view is not None:
            self._paint_preview(self.view)
            self.query_one(RunPreview).read(self.console.feed)
        if (row := self._current()) is not None:
            self.equivalent("rounds.open", keep=True, run=plain(row.run.id))

    # ---------------------------------------------------------------------------------------------------------- clock

    def tick(self) -> None:
        view = self.view
        if view is None:
            return
        self._ticks += 1
        if self._loops_due:
            self._list_loops(view)
        if self._to_load:
            self._load(view)
        feed, curves, window = self.console.feed, self._curves, self.table.in_window
        read = self.query_one(RunPreview).read(feed)
        if read:
            runs = [self._with_history(place.row) for key in window if (place := self._places.get(key))]
            read = curves.read_trends(feed, view, runs, next(iter(self._metrics), ""), self.console.glyphs)
        if (self._ticks % SLOW == 0 or read) and self._painter is not None:
            shown = [row for key in window if (row := self.known.rows.get(key))]
            new = self._ticks % SLOW == 0 and curves.read_live(feed, view, [row.run for row in shown], self._ticks // SLOW)
            if new and (self.sort == "took" or not self._take(shown)):
                self._arrange(view)  # the columns depend on the widths of the numbers, and running times may overtake others
                return
            self._refresh_painter()
            if new:
                self._paint_preview(view)
            if read:
                self.table.repaint()
            else:
                self.table.repaint_rows(*(key for key in window if key in self._going))

    def _take(self, rows: Sequence[RunRow]) -> bool:
        """Return whether the progress of running runs fits into the current columns."""
        figures, live = self._painter.figures if self._painter else (), self._curves.live
        return all(
            each.take(row, found)
            for row in rows
            for each in figures
            if not row.run.state.ended and (found := live.get(row.run.id, {}).get(each.metric))
        )

    def on_screen_resume(self) -> None:
        self._details_due = False  # calls deferred when the screen was left have been dropped
        self._loops_due = True  # listed by the timer, which reports errors of the store

    def _list_loops(self, view: View) -> None:
        """List the other loops to be read; until then, earlier data about them stays on screen."""
        self._to_load = (
            [loop for loop in self.console.feed.store.loops() if loop.id != view.loop.id] if self.all_loops else []
        )
        self._loops_due = False

    def _load(self, view: View) -> None:
        """Continue reading the other loops of the project."""
        store, until = self.console.feed.store, time.monotonic() + LOAD_SECONDS
        while self._to_load and time.monotonic() < until:
            loop = self._to_load.pop(0)
            parts = store.rounds(loop.id), store.runs(loop.id), store.proposals(loop.id)
            self._others[loop.id] = LoopRuns(loop, *parts)
        self._show_loops(view)

    # ------------------------------------------------------------------------------------------- selection

    def _current(self) -> RunRow | None:
        place = self._places.get(self.table.cursor or "")
        return place.row if place else None

    def _again(self) -> None:
        if self.view is not None:
            self._arrange(self.view)

    def subject(self, view: View) -> Run | Round | None:
        row = self._current()
        return row.run if row is not None and row.loop.id == view.loop.id else view.snapshot.round
