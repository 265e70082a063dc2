"""The contents of a run's page: its charts, log, config with changes, and launch; Tab or 1-4 choose the part.

`screen.py` adds the keys that act on the run.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from autoloop.model import Run, RunState
from textual.binding import BindingType
from textual.widget import Widget

from autoloop_tui.console.actions import BY_ID, bindings
from autoloop_tui.console.drawing.backdrop import Level
from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.drawing.smoothing import WEIGHT
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.pane_bindings import PANE_KEYS, hint
from autoloop_tui.console.present.charts.levels import live_levels
from autoloop_tui.console.present.notes import note_text, notes_of_run
from autoloop_tui.console.present.run import header as run_header
from autoloop_tui.console.present.run.cause import cause
from autoloop_tui.console.present.run.gpu import gpu_row
from autoloop_tui.console.present.run.launch import launch_page
from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.telemetry import GpuFile
from autoloop_tui.console.widgets.chart_grid import ChartGrid
from autoloop_tui.console.widgets.document import Document
from autoloop_tui.console.widgets.log_tail import LogTail
from autoloop_tui.console.widgets.row_pane import RowPane
from autoloop_tui.console.widgets.run.charts import RunCharts
from autoloop_tui.console.widgets.text_pane import TextPane

PARTS = ("charts", "log", "config", "launch")
LAYOUTS = 20
"""Maximum refreshes that a newly shown part may take to get its size."""

SLOW = 4
"""Ticks between two paints; the log is painted and the history read at every tick."""

HINTS = {
    "charts": (
        ("grid.left grid.down grid.up grid.right", "walk"),
        ("grid.open", "zoom"),
        ("grid.filter", "filter"),
        ("grid.pin", "pin"),
        ("grid.read_left grid.read_right", "read at a step"),
        ("run.log-y", "log axis"),
        ("run.smooth", "smoothing"),
    ),
    "log": (
        ("log.search", "search"),
        ("log.filter", "filter"),
        ("log.error", "error"),
        ("log.wrap", "wrap"),
        ("log.freeze", "pause"),
        ("log.pager", "pager"),
    ),
    "config": (("text.down text.up", "scroll"), ("text.search", "search")),
    "launch": (("text.down text.up", "scroll"), ("text.search", "search")),
}
"""The hints of each part: ids of actions, and a word."""


class RunBrowser(LoopScreen):
    """Shows a run of the loop; has no key that sends a request."""

    SCOPE = "run"
    TITLE = "run"
    CSS_PATH = "run.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = bindings("run")

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id
        self.part = "charts"
        self._pages: dict[str, object] = {}
        """The inputs that the config and launch parts were created from."""
        self._ticks = 0
        self._gpu = GpuFile()
        self._levels: dict[str, list[Level]] = {}
        """Thresholds of live rules, by metric."""
        self._unsized = 0
        """How often the current part was found without a size since it last had one."""

    def body(self) -> list[Widget]:
        return [
            RowPane(id="run-head"),
            RowPane(id="run-gpu"),
            TextPane(id="run-cause"),
            TextPane(id="run-notes"),
            RowPane(id="run-parts"),
            RunCharts(id="part-charts"),
            LogTail(id="part-log"),
            Document("config", id="part-config"),
            Document("launch", id="part-launch"),
        ]

    def on_mount(self) -> None:
        self.query_one("#run-head", RowPane).waiting = "reading the run …"
        self._charts.grid.waiting = "reading its history …"
        self._charts.pins = self.console.preferences.pinned(self.console.feed.known_as)
        self._show_part("charts")  # painted together with the first layout of the screen

    @property
    def _charts(self) -> RunCharts:
        return self.query_one("#part-charts", RunCharts)

    # ------------------------------------------------------------------------------------------------------- painting

    def show_view(self, view: View) -> None:
        run = view.run(self.run_id)
        if run is None:
            head = self.query_one("#run-head", RowPane)
            head.show([[(f" This loop has no run {plain(self.run_id)}; q goes back.", "slot-warn")]])
            return
        notes = map(note_text, notes_of_run(view.snapshot.notes, run))
        self.query_one("#run-notes", TextPane).show_text(self.console.glyphs.dot.join(notes), "")
        self._paint_parts()
        self._paint(view, run)

    def tick(self) -> None:
        view = self.view
        run = view.run(self.run_id) if view else None
        if view is None or run is None:
            return
        self._ticks += 1
        if self.part == "log":
            self.query_one("#part-log", LogTail).tick()
        elif self.part == "charts":
            self._charts.read_on(self.console.feed)
        if self._ticks % SLOW == 0:
            self._paint(view, run)
        else:
            self.console.feed.read(run)

    def _paint(self, view: View, run: Run) -> None:
        """Paint the header and the current part."""
        base = view.base_of(run)
        columns = self.console.feed.read(run)
        base_columns = self.console.feed.read(base) if base and (self.part == "charts" or not run.state.ended) else {}
        self._charts.update(view, run, columns, base, base_columns)
        self._paint_head(view, run)
        self._paint_cause(view, run)
        self._paint_gpu(view, run)
        if self.part == "charts":
            self._charts.levels = self._levels = self._levels or live_levels(self.console.feed.rules())
            self._charts.paint()
        elif self.part == "log":
            waits = run.state is RunState.QUEUED
            empty = "queued: the log appears when it starts" if waits else "it never started"
            log, secrets = self.query_one("#part-log", LogTail), self.console.feed.secrets(run)
            title = self.console.glyphs.dot.join(filter(None, [f"log of {plain(run.name)}", self.console.feed.unmasked]))
            log.ended = run.state.ended
            log.open(view.log_path(run), title, empty, secrets)
        elif self.part == "config":
            self._page("config", (run.state, run.config_path, base and base.state))
        else:
            attempt = view.snapshot.attempts.get(run.id)
            self._page("launch", (run.state, run.output_dir, run.wandb_url, attempt, self.size.width))

    def _paint_head(self, view: View, run: Run) -> None:
        feed, pane = self.console.feed, self.query_one("#run-head", RowPane)
        rows = run_header.header(
            view,
            run,
            step=feed.step(run),
            rate=feed.rate(run),
            reached=self._charts.figure(view.key_metric),
            theirs=self._charts.base_figure(view.key_metric),
            now=time.time(),
            width=pane.size.width,
            glyphs=self.console.glyphs,
        )
        pane.show(rows)

    def _paint_gpu(self, view: View, run: Run) -> None:
        """Show the GPU usage; without a history, the pane is hidden."""
        attempt = view.snapshot.attempts.get(run.id)
        history = self._gpu.of(Path(attempt.directory) if attempt else None)
        pane = self.query_one("#run-gpu", RowPane)
        pane.display = history is not None
        if history is not None:
            pane.show([gpu_row(history, self.size.width, glyphs=self.console.glyphs)])

    def _paint_cause(self, view: View, run: Run) -> None:
        """Show above every part why the run did not finish, what a rule asks or which metric diverged; otherwise hidden."""
        text, seen = cause(
            view, run, self.console.feed.known(run), self.console.keys_of("app.proposals"), self.console.glyphs
        )
        self.query_one("#run-cause", TextPane).show_text(text, seen)

    def _paint_parts(self) -> None:
        pane = self.query_one("#run-parts", RowPane)
        width = pane.size.width
        row: list[Piece] = [(" ", "")]
        for number_, part in enumerate(PARTS, 1):
            shown = part == self.part
            row += [(f" {number_}", "key line" if shown else "key"), (f" {part} ", "bold line" if shown else "dim")]
            row.append((" ", ""))
        left = width - sum(len(text) for text, _ in row) - 1
        defaults = {key: action.keys for key, action in BY_ID.items()}
        defaults |= {key.id: key.keys for keys in PANE_KEYS.values() for key in keys}
        enter, remapped = self.console.glyphs.of("⏎", "enter"), self.console.preferences.keys
        hints = [hint(ids, word, defaults, remapped).replace("⏎", enter) for ids, word in HINTS[self.part]]
        while hints and len("  ".join(hints)) > left:
            hints.pop()
        row.append((f"{'  '.join(hints):>{max(0, left)}} ", "dim"))
        pane.show([row])

    def _page(self, part: str, made_from: object) -> None:
        """Rebuild a page if its inputs have changed."""
        pane = self.query_one(f"#part-{part}", Document)
        if self._pages.get(part) == made_from:
            return
        view = self.view
        run = view.run(self.run_id) if view else None
        if view is None or run is None:
            return
        if not pane.size.width:  # Just shown and not laid out yet: a refresh may come before its layout.
            # In a window without room it never gets a width; the timer and the next resize paint it.
            if pane.display and self.is_current and self._unsized < LAYOUTS:
                self._unsized += 1
                self.call_after_refresh(self._repaint)
            return
        self._unsized = 0
        self._pages[part] = made_from
        glyphs = self.console.glyphs
        if part == "config":
            pane.set_rows(run_header.config_page(view, run, glyphs=glyphs), f"config of {plain(run.name)}")
        else:
            attempts = self.console.feed.attempts(run)
            rows = launch_page(view, run, attempts, pane.size.width, glyphs=glyphs)
            pane.set_rows(rows, f"launch of {plain(run.name)}")

    # --------------------------------------------------------------------------------------------------------- charts

    def on_chart_grid_pinned(self, event: ChartGrid.Pinned) -> None:
        charts, name = self._charts, event.name
        charts.pins = [each for each in charts.pins if each != name] if name in charts.pins else [*charts.pins, name]
        self.console.preferences.remember_pins(self.console.feed.known_as, charts.pins)
        short = plain(self.view.metrics.short(name)) if self.view else name
        self.show_message(f"{short} is {'pinned: shown first' if name in charts.pins else 'no longer pinned'}")
        charts.paint()

    def _repaint(self) -> None:
        if self.view is not None:
            self.show_view(self.view)

    def action_log_y(self) -> None:
        if self.part == "charts":
            log_y = self._charts.grid.toggle_log_y()
            self.show_message("logarithmic value axis" if log_y else "linear value axis")

    def action_smooth(self) -> None:
        if self.part != "charts":
            return
        smooth = self._charts.toggle_smooth()
        on = f"smoothing on: exponential, weight {WEIGHT:g}, drawn over the raw values"
        self.show_message(on if smooth else "smoothing off: raw values")

    # ---------------------------------------------------------------------------------------------------------- parts

    def action_next_part(self) -> None:
        self._choose(PARTS[(PARTS.index(self.part) + 1) % len(PARTS)])

    def action_charts(self) -> None:
        self._choose("charts")

    def action_log(self) -> None:
        self._choose("log")

    def action_config(self) -> None:
        self._choose("config")

    def action_launch(self) -> None:
        self._choose("launch")

    def _choose(self, part: str) -> None:
        self._show_part(part)
        self.call_after_refresh(self._repaint)

    def _show_part(self, part: str) -> None:
        self.part = part
        for each in PARTS:
            self.query_one(f"#part-{each}").display = each == part
        (self._charts.grid if part == "charts" else self.query_one(f"#part-{part}")).focus()
        self.equivalent(f"run.{part}", run=self.run_id)

    # ------------------------------------------------------------------------------------------- selection

    def _run(self) -> Run | None:
        return self.view.run(self.run_id) if self.view else None

    def subject(self, view: View) -> Run | None:
        return view.run(self.run_id)
