"""Rounds: every run of every round in one table, with filter, order, marks, lineage, and a preview of the one pointed at."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import ClassVar

from autoloop.model import Loop, MetricSummary, Round, Run, RunState, Series
from autoloop.protocol import Retry
from textual.app import ComposeResult
from textual.binding import BindingType

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.badges import Badge
from autoloop_tui.console.drawing.columns import Laid, lay_out, line
from autoloop_tui.console.drawing.paint import clip, plain, sparkline
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.metric_delta import at_the_step_of, so_far
from autoloop_tui.console.present.rounds.arranging import Place, by_config, tree, unfolded
from autoloop_tui.console.present.rounds.cells import OF_FIRST, SORTED, TREND, RunPainter, columns
from autoloop_tui.console.present.rounds.figures import Figures
from autoloop_tui.console.present.rounds.filter import Filter, parse_filter
from autoloop_tui.console.present.rounds.heads import first_pieces, round_head
from autoloop_tui.console.present.rounds.lineage import LineagePainter
from autoloop_tui.console.present.rounds.rows import LoopRuns, RunRow, RunRows, ordered
from autoloop_tui.console.present.rounds.winners import Winners, winners
from autoloop_tui.console.screens.letter_menu import LetterMenu
from autoloop_tui.console.screens.proposals.writing import propose_variant
from autoloop_tui.console.screens.table_screen import TableScreen
from autoloop_tui.console.widgets.rounds.filter_line import FilterLine
from autoloop_tui.console.widgets.rounds.preview import RunPreview
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.table import Table

MOST_MARKS = 6

RETRIED = (RunState.FAILED, RunState.STOPPED, RunState.LOST)
"""States from which a run can be tried again."""

FIXED_MENU = ("state", "steps", "took", "from", "tries", "reason", "id")
"""Columns besides those of metrics, round and name, in the order of the menu."""

LOAD_SECONDS = 0.01
"""At most so long, in one tick, other loops of the project are read: a key must not wait."""

TRIES = 4
"""Times that a run's history is looked for before it has no trend."""

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
        self.as_tree = False
        """By lineage in place of rounds."""
        self.open: set[str] = set()
        """Configs whose runs are shown."""
        self._others: dict[int, LoopRuns] = {}
        """Loops of the project besides the one that is looked at, as far as they have been read."""
        self._to_load: list[Loop] = []
        self._shown: list[str] = []
        self._painter: RunPainter | None = None
        self._live: dict[str, dict[str, MetricSummary]] = {}
        self._live_bases: dict[str, dict[str, MetricSummary]] = {}
        self._live_steps: dict[str, int] = {}
        self._places: dict[str, Place] = {}
        self._winners: dict[int, Winners] = {}
        self._trends: dict[tuple[str, str, int], str] = {}
        """By run, metric and attempts: the curves that have been read."""
        self._unread: Run | None = None
        """The run whose curve is being read for its trend."""
        self._tries = 0
        self._laid: Laid = []
        self._ticks = 0

    def body(self) -> ComposeResult:
        yield Table(id="runs")
        yield RunPreview(id="preview")
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
        self._winners = {
            each.loop.id: winners(each.loop.outcome, {run.id: run for run in each.runs})
            for each in loops
            if each.loop.id != view.loop.id
        }
        self._winners[view.loop.id] = winners(view.outcome, view.runs, view.judge)
        self._arrange(view)

    @property
    def _metrics(self) -> list[str]:
        """The key metrics, the one that is shown first at the head."""
        keys = self.view.metrics.key_metrics if self.view else ()
        first = self.first_metric % max(1, len(keys))
        return [*keys[first:], *keys[:first]]

    def _arrange(self, view: View) -> None:
        """Filter and order anew, and show the result."""
        metric = next(iter(self._metrics), "")
        rows = [row for row in by_config(self.known.rows.values()) if self._matches(row)]
        glyphs = self.console.glyphs
        if self.as_tree:
            places = tree(rows, self.open, glyphs)
        else:
            by = ordered(rows, self.sort, reverse=self.reverse, book=view.metrics, now=time.time(), metric=metric)
            places = unfolded(by, self.open, glyphs)
        self._places = {place.row.key: place for place in places}
        keys: list[str] = []
        heads: dict[str, tuple[int, int]] = {}
        for key, place in self._places.items():
            of = (place.row.run.loop, place.row.run.round)
            head = f"round {of[0]}/{of[1]}"
            if self.sort == "round" and not self.as_tree and head not in heads:
                heads[head] = of
                keys.append(head)
            keys.append(key)
        table = self.table
        painter = self._painter = RunPainter(view.metrics, gone=view.gone, glyphs=glyphs, judge=view.judge)
        painter.winners = self._winners
        held = {name for row in rows if row.run.summary for name in row.run.summary.metrics}
        metrics = [each for at, each in enumerate(self._metrics) if at == 0 or each in held]
        painter.figures = [Figures.of(each, rows, view.metrics, self._live) for each in metrics]
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
        pieces = first_pieces(first, found, self.known, view.metrics, glyphs)
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
        """The table takes what it needs, at most three fifths; below it is the preview."""
        room = self.size.height - 3 - self.query_one("#lineage").size.height
        wanted = len(self.table.keys) + 2
        self.table.styles.height = max(6, min(wanted, room * 3 // 5)) if room >= 14 else "1fr"
        self.query_one(RunPreview).display = room >= 14

    def _refresh_painter(self) -> None:
        """What changes by itself between two views."""
        painter = self._painter
        if painter is not None:
            painter.now, painter.marked = time.time(), self._marks()
            painter.live, painter.live_bases, painter.live_steps = self._live, self._live_bases, self._live_steps
            metric = next(iter(self._metrics), "")
            painter.trends = {run: trend for (run, of, _), trend in self._trends.items() if of == metric}

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
        why = f"the first round's runs appear here when the engine has queued them; {key('app.slots')}: what it is doing"
        return [("no run yet", ""), (why, "dim")]

    def _paint_preview(self, view: View) -> None:
        """The run under the cursor: its curve, its changes, and below in words how it stands and where it came from."""
        pane, row = self.query_one("#lineage", RowPane), self._current()
        width, height = pane.size
        if row is None:
            self.query_one(RunPreview).show_run(view, None, None, "")
            pane.show([])
            return
        run = self._with_history(row)
        mine = run if row.loop.id == view.loop.id else None
        base = view.base_of(run) if mine else None
        self.query_one(RunPreview).show_run(view, mine, base, next(iter(self._metrics), ""))
        chain = self.known.lineage(run.id)
        if chain and height >= 2:
            after = self.known.rows.get(self.known.relaunched.get(chain[-1].run.id, ""))
            name = after.run.name if after else None
            lineage = LineagePainter(self.console.glyphs)
            pane.show(lineage.detail(chain, width, height, name_loop=self.all_loops, successor=name))

    def _with_history(self, row: RunRow) -> Run:
        """The run itself; of a config the first that has finished, else the first."""
        runs = [member.run for member in row.members]
        return next((run for run in runs if run.state is RunState.FINISHED), runs[0]) if runs else row.run

    def on_table_moved(self) -> None:
        if self.view is not None:
            self._paint_preview(self.view)
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
        read = self.query_one(RunPreview).read(self.console.feed) and self._read_trends(view)
        if (self._ticks % SLOW == 0 or read) and self._painter is not None:
            if self._ticks % SLOW == 0 and self._read_live(view):
                self._arrange(view)  # the columns are as wide as the numbers
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

    def _read_live(self, view: View) -> bool:
        """What the running runs in the window have reached; one history is read on each time, in turn. Whether it is new."""
        table, feed = self.table, self.console.feed
        active = (RunState.RUNNING, RunState.STOPPING)
        rows = [row for key in table.in_window if (row := self.known.rows.get(key)) and row.run.state in active]
        rows = [row for row in rows if row.loop.id == view.loop.id]
        if not rows:
            return False
        # What other screens have read is shown at once.
        found = [self._reached(row.run, feed.known) for row in rows if row.run.id not in self._live and feed.known(row.run)]
        return self._reached(rows[self._ticks // SLOW % len(rows)].run, feed.read) or any(found)

    def _reached(self, run: Run, columns_of: Callable[[Run], Mapping[str, Series]]) -> bool:
        """Where a run stands and where its base stood then; whether that is new."""
        view, before = self.view, self._live.get(run.id)
        if view is None:
            return False
        self._live[run.id] = reached = so_far(columns_of(run), view.metrics)
        if base := view.base_of(run):
            self._live_bases[run.id] = at_the_step_of(reached, columns_of(base), view.metrics)
        self._live_steps[run.id] = self.console.feed.step(run)
        return reached != before

    def _read_trends(self, view: View) -> bool:
        """Read on in the curves of the runs in the window, one after the other; whether there is a new trend to show."""
        until, found = time.monotonic() + LOAD_SECONDS, False
        while self._read_trend(view):
            found = True
            if time.monotonic() > until:
                break
        return found

    def _read_trend(self, view: View) -> bool:
        metric, feed = next(iter(self._metrics), ""), self.console.feed
        if self._unread is None:
            runs = [self._with_history(place.row) for key in self.table.in_window if (place := self._places.get(key))]
            self._unread = next(
                (
                    run
                    for run in runs
                    if run.loop == view.loop.id and run.state.ended and (run.id, metric, run.attempts) not in self._trends
                ),
                None,
            )
        run = self._unread
        if run is None or not metric:
            return False
        before = feed.known(run)
        columns = feed.read(run)
        series = columns.get(metric)
        self._tries = 0 if columns is not before else self._tries + 1
        if columns is not before or (not series and self._tries < TRIES):
            return False
        self._unread = None
        glyphs = self.console.glyphs
        self._trends[run.id, metric, run.attempts] = sparkline(series.values, TREND, glyphs=glyphs) if series else ""
        return True

    # -------------------------------------------------------------------------------------------------------- actions

    def _current(self) -> RunRow | None:
        place = self._places.get(self.table.cursor or "")
        return place.row if place else None

    def _again(self) -> None:
        if self.view is not None:
            self._arrange(self.view)

    def action_left(self) -> None:
        self.action_right(-1)

    def action_right(self, step: int = 1) -> None:
        self.first_metric += step
        self._again()

    def action_sort(self) -> None:
        """A menu of the columns that there are; the rows are then read from the top."""
        if self.view is None:
            return
        others = {metric: self.view.metrics.short(metric) for metric in self._metrics[1:]}
        names = {"round": "round, newest first", **OF_FIRST, "name": "run", **dict.fromkeys(FIXED_MENU), **others}
        entries = [(key, name or key) for key, name in names.items()]

        def chosen(column: str | None) -> None:
            if column is None:
                return
            self.reverse = column == self.sort and not self.reverse
            self.sort, self.as_tree = column, False
            self._again()
            self.table.first()
            self.show_message(f"sorted by {self._sort_name()}{', reversed' if self.reverse else ''}")

        self.app.push_screen(LetterMenu("Sort by", entries, self.sort), chosen)

    def action_reverse(self) -> None:
        self.reverse = not self.reverse
        self._again()
        self.table.first()

    def action_tree(self) -> None:
        """By rounds, or each run below the one that it was made from."""
        self.as_tree = not self.as_tree
        self.sort, self.reverse = "round", False
        self._again()
        self.show_message("each run below the one that it was made from" if self.as_tree else "by rounds")

    def refusal(self, action: str) -> str:
        row = self._current()
        if action in ("rounds.open", "rounds.mark", "rounds.variant", "rounds.retry", "rounds.round-chart") and row is None:
            return "there is no run here"
        if action == "rounds.fold" and self._folded() is None:
            return "this run has no replicates in its round"
        if action == "rounds.clear" and not self.console.marked:
            return "no run is marked"
        if action == "rounds.retry" and row is not None and row.run.state not in RETRIED:
            return f"it is {row.run.state.value}: only a run that failed, was stopped or lost is tried again"
        return ""

    def _folded(self) -> str | None:
        """The config under the cursor that has replicates, or whose replicate is there."""
        cursor = self.table.cursor or ""
        for place in self._places.values():
            row = place.row
            if row.members and (row.key == cursor or cursor in [each.run.id for each in row.members]):
                return row.key
        return None

    def action_fold(self) -> None:
        """Show or hide the replicates of the config under the cursor."""
        key = self._folded()
        if key is None:
            return
        self.open ^= {key}
        self._again()
        self.table.go_to(key)

    def action_open(self) -> None:
        row = self._current()
        if row is None or self.view is None:
            return
        if row.loop.id != self.view.loop.id:
            self._go_to_loop(self.view, row.loop)
        self.console.open_run(self._with_history(row).id)

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

    def action_round_chart(self) -> None:
        from autoloop_tui.console.screens.round_chart.screen import RoundChartScreen

        if (row := self._own("draw the round of")) is not None:
            self.equivalent("rounds.round-chart")
            self.app.push_screen(RoundChartScreen(row.run.id))

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

    def step_back(self) -> bool:
        if not self.filter.text:
            return False
        self.filter = Filter()
        self._again()
        return True

    def action_filter(self) -> None:
        self.query_one(FilterLine).ask(self.filter.text)

    def on_filter_line_typed(self, event: FilterLine.Typed) -> None:
        if self.view is not None:
            self.filter = parse_filter(event.text, self.view.metrics, self.known.metric_names())
            self._again()
