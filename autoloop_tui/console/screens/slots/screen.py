"""Home: what every slot does now; under it the log, charts or config of the run under the cursor; what happens next."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from autoloop.model import LoopState, Run, RunState, Slot
from autoloop.protocol import Retry, Stop
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.worker import Worker, WorkerState

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.paint import clip, plain
from autoloop_tui.console.drawing.pieces import Piece, heading
from autoloop_tui.console.logs.tail import LastLines
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.slots.best_chart import best_rows
from autoloop_tui.console.present.slots.facts import chart_lines, config_rows, cut, facts_of
from autoloop_tui.console.present.slots.gpu_rows import gpu_rows
from autoloop_tui.console.present.slots.next_up import proposals_shown, upcoming
from autoloop_tui.console.present.slots.rows import queue_row
from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.telemetry import GpuFile, Sample, Sampler
from autoloop_tui.console.widgets.chart import Chart
from autoloop_tui.console.widgets.log_tail import LogTail
from autoloop_tui.console.widgets.row_pane import DrawnPane, RowPane
from autoloop_tui.console.widgets.slots.table import SlotTable
from autoloop_tui.console.widgets.table import Table

SLOW = 4
"""Ticks between two looks at the table and charts; twice as many where the screen is narrow, which a slow link often
is. The log is looked at in every tick."""

NARROW = 100

READ_SECONDS = 0.015
"""About so long, in one tick, histories are read: a key must not wait for 64 of them."""

READ_BYTES = 64 << 10
"""Of one history at a time."""

SAMPLE_EVERY = 2.0
"""Seconds between two samples of the machine."""

CHARTS = 3

TALL = 30
"""Rows of a screen from which on it shows what a run uses of its GPUs."""

TYPING = 1.0
"""Seconds within which a second digit belongs to the number of a slot that is typed."""


class SlotsScreen(LoopScreen):
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
        self.first_metric = 0
        self.sample: Sample | None = None
        self._sampler = Sampler()
        self._last_lines = LastLines()
        self._sampled_at = 0.0
        self._ticks = 0
        self._to_read: list[Run] = []
        """Runs whose histories have been asked for and not been read to their ends."""
        self._typed = ("", 0.0)
        """Digits of a slot's number, and when the last was typed."""
        self._details_due = False
        """What is shown of the run under the cursor will be painted after the cursor."""
        self._pointed = ""
        """The run that the command on the last line was last made for by itself."""
        self._best: object = None
        """What the chart of the best was drawn from last."""
        self._gpu_file = GpuFile()
        self._config: tuple[str, int, list[list[Piece]]] | None = None
        """The config rows shown last: of which run, how wide."""

    def body(self) -> list[Container | RowPane]:
        first, *others = [Chart(id=f"chart{n}") for n in range(CHARTS)]
        charts = Container(Container(first, DrawnPane(id="best"), *others, id="charts-grid"), RowPane(id="gpu"), id="charts")
        return [
            SlotTable(self.console.keys_of, id="slots"),
            RowPane(id="queue"),
            Container(LogTail(id="log"), charts, RowPane(id="config"), id="detail"),
            RowPane(id="next"),
        ]

    def on_mount(self) -> None:
        self.query_one(SlotTable).focus()
        view = self.view
        if view is not None:  # Each change of a height after the first layout is another layout.
            self.query_one(SlotTable).styles.height = self._table_height(view, self.app.size.height)

    def on_screen_resume(self) -> None:
        self._ticks = 0  # the next one reads on: what was not shown was not read

    # ------------------------------------------------------------------------------------------------------- painting

    def show_view(self, view: View) -> None:
        table = self.query_one(SlotTable)
        wanted = self._table_height(view, self.size.height)
        if table.styles.height is None or table.styles.height.value != wanted:
            table.styles.height = wanted
            self.call_after_refresh(self._paint_table, view)
        self._paint_table(view)
        if view.brief:
            return
        self._open_log(view)
        self._paint_charts(view)
        self._paint_config(view)
        self._paint_next(view)
        run = self.focused_run(view)
        if run and run.id != self._pointed:
            self._pointed = run.id
            self.equivalent("slots.open", run=run.id)

    def _table_height(self, view: View, room: int) -> int:
        """Of the table on a screen of so many rows."""
        return min(len(view.loop.spec.slots) + 1, max(3, room // 2 - 1))

    def tick(self) -> None:
        view = self.view
        if view is None:
            return
        self._ticks += 1
        self.query_one(LogTail).tick()
        self._take_sample(view)
        round_ = view.snapshot.round
        if round_ and round_.start_at is not None and self._ticks % SLOW == 0:
            self._paint_next(view)  # its countdown
        if self._ticks % (2 * SLOW if self.size.width < NARROW else SLOW) == 1:
            self._to_read = self._to_read or self._histories(view)
            self._read()
            self._paint_table(view)
            self._paint_charts(view)
            self._paint_next(view)
        else:
            self._read()

    def _histories(self, view: View) -> list[Run]:
        """The runs whose histories are shown, the one under the cursor first."""
        shown = [run for slot in view.loop.spec.slots if (run := view.in_slots.get(slot.index))]
        first = self.focused_run(view)
        shown.sort(key=lambda run: run is not first)
        found = {run.id: run for run in shown}
        return list((found | {base.id: base for run in shown if (base := view.base_of(run))}).values())

    def _read(self) -> None:
        """Read on in the histories for a moment; painting takes what is known and never waits for a file."""
        until, feed = time.monotonic() + READ_SECONDS, self.console.feed
        while self._to_read:
            run = self._to_read.pop(0)
            before = sum(map(len, feed.known(run).values()))
            if sum(map(len, feed.read(run, budget=READ_BYTES).values())) > before:
                self._to_read.append(run)  # there may be more
            if time.monotonic() > until:
                return

    @property
    def cursor(self) -> int:
        """The place of the slot under it."""
        return self.query_one(SlotTable).place

    def focused_run(self, view: View) -> Run | None:
        return view.in_slots.get(view.loop.spec.slots[self.cursor].index)

    @property
    def _dot(self) -> str:
        return self.console.glyphs.dot

    def _paint_table(self, view: View) -> None:
        feed, sample = self.console.feed, self.sample
        facts = [facts_of(slot, view, feed, sample, self._last_lines) for slot in view.loop.spec.slots]
        self.query_one(SlotTable).set_facts(facts)
        self._paint_queue(view)

    def _paint_queue(self, view: View) -> None:
        """The row under the table: what its row had no room to say of a slot, else what starts next and which of many
        slots are shown."""
        pane, table = self.query_one("#queue", RowPane), self.query_one(SlotTable)
        row = table.said_whole(self.size.width) or queue_row(
            [run.name for run in view.queue],
            table.window,
            len(view.loop.spec.slots),
            self.size.width,
            glyphs=self.console.glyphs,
        )
        pane.show([row])

    def _open_log(self, view: View) -> None:
        run = self.focused_run(view)
        title = f"log{self._dot}{view.loop.spec.slots[self.cursor].label}"
        log = self.query_one(LogTail)
        if run is None:
            log.open(None, title, "this slot has not run anything yet")
        else:
            title = self._dot.join(filter(None, [title, plain(run.name), self.console.feed.unmasked]))
            secrets = self.console.feed.secrets(run)
            log.ended = run.state.ended
            log.open(view.log_path(run), title, "the log appears when the run starts", secrets)

    def _paint_charts(self, view: View) -> None:
        charts = list(self.query(Chart))
        if not charts[0].is_on_screen:
            return
        run = self.focused_run(view)
        lines = chart_lines(view, self.console.feed, run, self.first_metric, CHARTS)
        for chart, (title, series) in zip(charts, lines, strict=False):
            if title != chart.chart_title:
                chart.set_title(title)
            chart.set_series(series, x_high=run.total_steps if run else None)
        self._paint_best(view)
        self._paint_gpu(view, run)

    def _paint_best(self, view: View) -> None:
        found = view.outcome
        first = view.snapshot.runs[0] if found is None and view.snapshot.runs else None
        drawn = (found, first and first.state, view.key_metric, self.console.glyphs)
        if drawn != self._best:
            self._best = drawn
            metric = view.metrics.short(found.metric if found else view.key_metric)
            draw = partial(best_rows, found, view.loop.spec.rounds, metric, first, glyphs=self.console.glyphs)
            self.query_one("#best", DrawnPane).show_drawn(draw)

    def _paint_gpu(self, view: View, run: Run | None) -> None:
        """The rows are there only for a run whose GPUs were sampled."""
        pane = self.query_one("#gpu", RowPane)
        attempt = view.snapshot.attempts.get(run.id) if run else None
        history = self._gpu_file.of(Path(attempt.directory)) if attempt else None
        shown = bool(history and history.points) and self.size.height >= TALL
        if pane.display != shown:
            pane.display = shown
            self.call_after_refresh(self._paint_charts, view)
        elif history and shown:
            label = view.loop.spec.slots[self.cursor].label
            pane.show(gpu_rows(history, label, pane.size.width, glyphs=self.console.glyphs))

    def _paint_config(self, view: View) -> None:
        pane = self.query_one("#config", RowPane)
        if not pane.is_on_screen:
            return
        run = self.focused_run(view)
        width, height = pane.size
        title = f"config{self._dot}{plain(run.name)}" if run else "config"
        rows = [heading(title, [], width, focused=False, glyphs=self.console.glyphs)]
        pane.show([*rows, *cut(self._config_of(view, run, width) if run else [[("no run here", "dim")]], height - 1)])

    def _config_of(self, view: View, run: Run, width: int) -> list[list[Piece]]:
        """Frozen configs never change: read and compared once for a run under the cursor."""
        if self._config is None or self._config[:2] != (run.id, width):
            self._config = (run.id, width, config_rows(view, run, width, glyphs=self.console.glyphs))
        return self._config[2]

    def _paint_next(self, view: View) -> None:
        pane = self.query_one("#next", RowPane)
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
        if pane.size.height == len(rows):
            pane.show(rows)
        else:
            self.call_after_refresh(pane.show, rows)

    # ------------------------------------------------------------------------------------------------------ telemetry

    def _take_sample(self, view: View) -> None:
        now = time.monotonic()
        if now - self._sampled_at < SAMPLE_EVERY or any(w.group == "sample" for w in self.workers if not w.is_finished):
            return
        self._sampled_at = now
        attempts = {
            run.id: view.snapshot.attempts[run.id]
            for slot in view.loop.spec.slots
            if (run := view.in_slots.get(slot.index))
            and run.state in (RunState.RUNNING, RunState.STOPPING)
            and run.id in view.snapshot.attempts
        }
        with_gpus = any(slot.gpus for slot in view.loop.spec.slots)
        if attempts or with_gpus:
            self.run_worker(
                lambda: self._sampler.take(attempts, with_gpus=with_gpus),
                thread=True,
                group="sample",
                exit_on_error=False,
            )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.group == "sample" and event.state is WorkerState.SUCCESS:
            self.sample = event.worker.result

    # -------------------------------------------------------------------------------------------------------- actions

    def action_down(self) -> None:
        self.query_one(SlotTable).move(1)

    def action_up(self) -> None:
        self.query_one(SlotTable).move(-1)

    def action_first(self) -> None:
        self.query_one(SlotTable).first()

    def action_last(self) -> None:
        self.query_one(SlotTable).last()

    def action_page_down(self) -> None:
        self.query_one(SlotTable).page(1)

    def action_page_up(self) -> None:
        self.query_one(SlotTable).page(-1)

    def action_slot(self, digit: str) -> None:
        """To the slot whose label has this number, and digits typed before it within a moment."""
        typed, at = self._typed
        now = time.monotonic()
        numbers = [slot.label.partition(" ")[2] for slot in self.view.loop.spec.slots] if self.view else []
        tries = [typed + digit, digit] if typed and now - at < TYPING else [digit]
        found = next((each for each in tries if each in numbers), None)
        self._typed = (found or digit, now)
        if found is not None:
            self.query_one(SlotTable).go_to(str(numbers.index(found)))

    def on_table_moved(self, event: Table.Moved) -> None:
        view = self.view
        if view is None or view.brief:
            return
        self._paint_queue(view)
        run = self.focused_run(view)
        if run:
            self.equivalent("slots.open", run=run.id)
        if not self._details_due:  # The cursor is painted first; of several keys the last one's run is shown.
            self._details_due = True
            self.call_after_refresh(self._paint_details)

    def _paint_details(self) -> None:
        """What stands under the table, of the run under the cursor."""
        self._details_due = False
        view = self.view
        if view is not None:
            self._open_log(view)
            self._paint_charts(view)
            self._paint_config(view)

    def action_next_part(self) -> None:
        log = self.query_one(LogTail)
        (self.query_one(SlotTable) if log.has_focus or not log.is_on_screen else log).focus()

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
        for chart in self.query(Chart):
            chart.toggle_log_y()

    def action_left(self) -> None:
        self._turn_metrics(-1)

    def action_right(self) -> None:
        self._turn_metrics(1)

    def _turn_metrics(self, pages: int) -> None:
        """On or back by as many metrics as have a chart."""
        self.first_metric += pages * max(1, sum(chart.is_on_screen for chart in self.query(Chart)))
        if self.view is not None:
            self._paint_charts(self.view)

    def action_open(self) -> None:
        run = self.focused_run(self.view) if self.view else None
        if run:
            self.console.open_run(run.id)

    def subject(self, view: View) -> Slot:
        return view.loop.spec.slots[self.cursor]

    def urgent(self, view: View) -> Sequence[str]:
        """Of a loop that has ended, the page that says what it came to."""
        ended = view.loop.state is not LoopState.ACTIVE
        return [*super().urgent(view), "app.finish"] if ended else super().urgent(view)

    def refusal(self, action: str) -> str:
        run = self.focused_run(self.view) if self.view else None
        if action == "slots.stop" and (run is None or run.state is not RunState.RUNNING):
            return "nothing runs in this slot"
        if action == "slots.retry" and not (run and self.query_one(SlotTable).facts[self.cursor].retries):
            return "only a run of this round that did not succeed can be tried again"
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
