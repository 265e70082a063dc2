"""Home: what every slot does now; under it the log, charts or config of the run under the cursor; what happens next."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.worker import Worker, WorkerState

from autoloop.configs import diff, parse_config
from autoloop.model import LoopState, ProposalStatus, RoundState, Run, RunState, Series, UserError

from autoloop_tui.actions import bindings
from autoloop_tui.feed import View
from autoloop_tui.paint import clip, duration, look, plain
from autoloop_tui.screens.base import LoopScreen
from autoloop_tui.tail import last_line
from autoloop_tui.telemetry import Sample, Sampler
from autoloop_tui.widgets.chart import Chart, Line
from autoloop_tui.widgets.log_tail import LogTail
from autoloop_tui.widgets.rows import Piece, RowPane, heading
from autoloop_tui.widgets.slot_cards import SlotCards, SlotFacts, last_runs

SLOW = 4
"""Ticks between two looks at the cards and charts; twice as many where the screen is narrow, which a slow link often is.
The log is looked at in every tick."""

NARROW = 100

SAMPLE_EVERY = 2.0
"""Seconds between two samples of the machine."""

CHARTS = 3


class SlotsScreen(LoopScreen):
    SCOPE = "slots"
    TITLE = "slots"
    CSS_PATH = "slots.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("slots"),
        Binding("tab", "next_part", "Slots, log", show=False),
        *(Binding(str(n), f"slot({n - 1})", show=False) for n in range(1, 10)),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.cursor = 0
        self.part = "log"
        self.first_metric = 0
        self.sample: Sample | None = None
        self._sampler = Sampler()
        self._sampled_at = 0.0
        self._ticks = 0
        self._config_of: tuple[str, int] | None = None

    def body(self) -> list[SlotCards | Container | RowPane]:
        charts = [Chart(id=f"chart{n}") for n in range(CHARTS)]
        return [
            SlotCards(id="slots"),
            Container(LogTail(id="log"), Container(*charts, id="charts"), RowPane(id="config"), id="detail"),
            RowPane(id="next"),
        ]

    def on_mount(self) -> None:
        self.add_class("show-log")
        self.query_one(SlotCards).focus()

    # ------------------------------------------------------------------------------------------------------- painting

    def show_view(self, view: View) -> None:
        slots = view.loop.spec.slots
        self.cursor = min(self.cursor, len(slots) - 1)
        self._paint_cards(view)
        cards = self.query_one(SlotCards)
        wanted = cards.rows_wanted(self.size.width, max(3, self.size.height // 2 - 2))
        if cards.styles.height is None or cards.styles.height.value != wanted:
            cards.styles.height = wanted
            self.call_after_refresh(cards.repaint)
        self._open_log(view)
        self._paint_charts(view)
        self._paint_config(view)
        self.query_one("#next", RowPane).show([self._next(view)])

    def tick(self) -> None:
        view = self.view
        if view is None:
            return
        self._ticks += 1
        self.query_one(LogTail).tick()
        self._take_sample(view)
        if self._ticks % (2 * SLOW if self.size.width < NARROW else SLOW) == 1:
            self._read(view)
            self._paint_cards(view)
            self._paint_charts(view)
            self.query_one("#next", RowPane).show([self._next(view)])

    def _read(self, view: View) -> None:
        """Read on in the histories that are shown; painting takes what is known and never waits for a file."""
        for run in self._runs(view).values():
            self.console.feed.read(run)
        focused = self.focused_run(view)
        base = view.base_of(focused) if focused else None
        if base:
            self.console.feed.read(base)

    def focused_run(self, view: View) -> Run | None:
        return self._runs(view).get(self.cursor)

    def _runs(self, view: View) -> dict[int, Run]:
        """By slot: the run that holds it, else the one that held it last."""
        slots_of = {run: attempt.slot for run, attempt in view.snapshot.attempts.items()}
        held = last_runs(view.snapshot.runs, slots_of)
        for slot in view.loop.spec.slots:
            run = view.snapshot.in_slot(slot.index)
            if run is not None:
                held[slot.index] = run
        return held

    def _paint_cards(self, view: View) -> None:
        runs = self._runs(view)
        feed, metric = self.console.feed, view.key_metric
        facts = []
        for slot in view.loop.spec.slots:
            run = runs.get(slot.index)
            series: Series | None = None
            last = ""
            if run is not None:
                series = feed.known(run).get(metric)
                if run.state in (RunState.RUNNING, RunState.STOPPING):
                    path = view.log_path(run)
                    last = plain(last_line(path)) if path else ""
            base = view.base_of(run) if run else None
            base_summary = base.summary.metrics.get(metric) if base and base.summary else None
            gpu = self._gpu(slot.gpus[0]) if slot.gpus and self.sample else None
            facts.append(
                SlotFacts(
                    slot=slot,
                    run=run,
                    step=feed.step(run) if run else 0,
                    rate=feed.rate(run) if run else None,
                    metric=view.metrics.short(metric),
                    series=series,
                    base_last=base_summary.last if base_summary else None,
                    better_high=view.metrics.higher_is_better(metric),
                    gpu=gpu,
                    gpu_error=self.sample.gpus.error if self.sample else None,
                    foreign=self._foreign(gpu),
                    load=self.sample.loads.get(run.id) if run and self.sample else None,
                    last_line=last,
                )
            )
        self.query_one(SlotCards).set_facts(facts, self.cursor)

    def _gpu(self, index: int):  # noqa: ANN202
        assert self.sample is not None
        return next((gpu for gpu in self.sample.gpus.gpus if gpu.index == index), None)

    def _foreign(self, gpu) -> list[str]:  # noqa: ANN001
        if gpu is None or self.sample is None:
            return []
        return [
            f"{process.name or 'a process'} ({process.pid}, {process.user or '?'})"
            for process in gpu.processes
            if process.pid not in self.sample.own_pids
        ]

    def _open_log(self, view: View) -> None:
        run = self.focused_run(view)
        label = view.loop.spec.slots[self.cursor].label
        if run is None:
            self.query_one(LogTail).open(None, f"log · {label}", "this slot has not run anything yet")
        else:
            self.query_one(LogTail).open(
                view.log_path(run), f"log · {label} · {plain(run.name)}", "the log appears when the run starts"
            )

    def _paint_charts(self, view: View) -> None:
        charts = list(self.query(Chart))
        if not charts[0].is_on_screen:
            return
        run = self.focused_run(view)
        columns = self.console.feed.known(run) if run else {}
        names = [name for name in view.metrics.key_metrics if name in columns]
        names += sorted(name for name in columns if name not in names)
        names = names or list(view.metrics.key_metrics)
        base = view.base_of(run) if run else None
        base_columns = self.console.feed.known(base) if base else {}
        self.first_metric %= len(names)
        for place, chart in enumerate(charts):
            if place >= len(names):
                chart.set_title("")
                chart.set_series([])
                continue
            name = names[(self.first_metric + place) % len(names)]
            chart.set_title(view.metrics.short(name))
            lines = [Line(plain(run.name), columns[name])] if run and name in columns else []
            if base and name in base_columns:
                lines.append(Line(f"base {plain(base.name)}", base_columns[name], base=True))
            chart.set_series(lines, x_high=run.total_steps if run else None)

    def _paint_config(self, view: View) -> None:
        pane = self.query_one("#config", RowPane)
        if not pane.is_on_screen:
            return
        run = self.focused_run(view)
        width = pane.size.width
        title = f"config · {plain(run.name)}" if run else "config"
        rows = [heading(title, [], width, focused=False, ascii_only=self.console.ascii_only)]
        rows += self._config_rows(view, run, width) if run else [[("no run here", "dim")]]
        pane.show(rows)

    def _config_rows(self, view: View, run: Run, width: int) -> list[list[Piece]]:
        base = view.base_of(run)
        if base is None:
            return [[("a config of the first round: it has no base to differ from", "dim")]]
        try:
            before, after = (
                parse_config(Path(each.config_path).read_text(encoding="utf-8"), each.config_path)
                for each in (base, run)
            )
        except (OSError, UserError) as error:
            return [[(clip(plain(str(error)), width), "slot-failed")]]
        rows: list[list[Piece]] = [[(f"against {plain(base.name)} ({base.id})", "dim")]]
        for change in diff(before, after):
            rows.append([(plain(change.path), "bold")])
            rows.append([("  - ", "diff-before"), (plain(str(change.before)), "diff-before")])
            rows.append([("  + ", "diff-after"), (plain(str(change.after)), "diff-after")])
        return rows

    def _next(self, view: View) -> list[Piece]:
        """One line: the pending proposals and what happens next."""
        loop, round_ = view.loop, view.snapshot.round
        if round_ is None or loop.state is not LoopState.ACTIVE:
            return [(f" {plain(loop.reason or '')}", "dim")]
        if round_.state is RoundState.RUNNING:
            left = [run for run in view.snapshot.runs_of(round_.number) if not run.state.ended]
            then = "then its proposals" if loop.spec.decide and round_.number < loop.spec.rounds else "then it is done"
            return [(f" round {round_.number} goes on with {len(left)} run{'s' if len(left) != 1 else ''}, {then}", "dim")]
        proposals = [p for p in view.snapshot.proposals if p.round == round_.number]
        count = {status: sum(p.status is status for p in proposals) for status in ProposalStatus}
        seen = look("pending")
        pieces: list[Piece] = [
            (f" {seen.mark(ascii_only=self.console.ascii_only)} round {round_.number + 1}: ", f"bold {seen.variable}"),
            (f"{count[ProposalStatus.PENDING]} to decide, {count[ProposalStatus.APPROVED]} approved, ", ""),
            (f"{count[ProposalStatus.BLOCKED]} blocked", "slot-warn" if count[ProposalStatus.BLOCKED] else "dim"),
            ("   p decides", "bold key"),
        ]
        if loop.held:
            pieces.append(("   held: S starts it", "slot-warn"))
        elif round_.decide_by:
            pieces.append((f"   by itself in {duration(round_.decide_by - time.time())}", "dim"))
        return pieces

    # ------------------------------------------------------------------------------------------------------ telemetry

    def _take_sample(self, view: View) -> None:
        now = time.monotonic()
        if now - self._sampled_at < SAMPLE_EVERY or any(w.group == "sample" for w in self.workers if not w.is_finished):
            return
        self._sampled_at = now
        attempts = {
            run.id: view.snapshot.attempts[run.id]
            for slot in view.loop.spec.slots
            if (run := view.snapshot.in_slot(slot.index)) and run.id in view.snapshot.attempts
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
        self._move(self.cursor + 1)

    def action_up(self) -> None:
        self._move(self.cursor - 1)

    def action_slot(self, index: int) -> None:
        self._move(index)

    def on_slot_cards_chosen(self, event: SlotCards.Chosen) -> None:
        self._move(event.index)

    def _move(self, index: int) -> None:
        view = self.view
        if view is None:
            return
        self.cursor = max(0, min(index, len(view.loop.spec.slots) - 1))
        cards = self.query_one(SlotCards)
        cards.set_facts(cards.facts, self.cursor)
        self._open_log(view)
        self._paint_charts(view)
        self._paint_config(view)
        run = self.focused_run(view)
        if run:
            self.equivalent("slots.open", run=run.id)

    def action_next_part(self) -> None:
        log = self.query_one(LogTail)
        (self.query_one(SlotCards) if log.has_focus or not log.is_on_screen else log).focus()

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

    def action_next_metric(self) -> None:
        self.first_metric += CHARTS
        if self.view is not None:
            self._paint_charts(self.view)

    def action_open(self) -> None:
        run = self.focused_run(self.view) if self.view else None
        if run:
            self.console.open_run(run.id)

    def action_stop(self) -> None:
        run = self.focused_run(self.view) if self.view else None
        if run is None or run.state is not RunState.RUNNING:
            self.say("nothing runs in this slot")
            return
        self.console.confirm(
            f"Stop {plain(run.name)} at step {self.console.feed.step(run)} of {run.total_steps}?",
            "It is interrupted, then terminated, then killed. Its log, checkpoints and metrics so far are kept; "
            "it will not be judged.",
            "Stop the run",
            "stop",
            run=run.id,
        )

    def action_queue(self) -> None:
        from autoloop_tui.screens.queue import QueueScreen

        self.app.push_screen(QueueScreen())
