"""A loop without the console: one line per event, the progress of runs, and a table at the end of each round."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from autoloop.metrics import MetricBook, for_runs
from autoloop.model import Event, EventKind, Loop, LoopState, Run
from autoloop.reports.replicates import replicates, verdict_lines
from autoloop.store import Store
from autoloop.text.number_column import aligned
from autoloop.text.values import duration

from autoloop_tui import client
from autoloop_tui.cli.output import printing

PROGRESS_EVERY = 10.0
"""Seconds between two progress lines of a run."""


class EventPrinter:
    """Prints events as they arrive. Output that cannot be written (to a closed terminal) is dropped without an error."""

    def __init__(self, store: Store, loop: Loop, metrics: MetricBook, write: Callable[[str], object] = print) -> None:
        self.store = store
        self.loop = loop
        self.metrics = metrics
        self._write = write
        self._progress: dict[str, tuple[float, int]] = {}

    def print_event(self, event: Event) -> None:
        # Users' scripts parse these lines, so they start with their text.
        self.line(event.text, None if event.kind is EventKind.VARIANT_WRITTEN else event.at)
        if event.kind == EventKind.RUN_ENDED and event.run:
            cause = self.store.attempts(event.run)[-1].diagnosis
            for text in cause.details if cause else []:
                self.line(" " * 12 + text, None)
        if event.kind == EventKind.ROUND_ENDED:
            # A reader outside of the engine may see this event after the next round has begun.
            begun = [round_.number for round_ in self.store.rounds(self.loop.id) if round_.started_at <= event.at]
            across = printing.across() if self._write is print else None
            for row in self.round_table(max(begun, default=1), across and across - 12).splitlines():
                self.line((" " * 12 + row).rstrip(), None)

    def line(self, text: str, at: float | None) -> None:
        stamp = time.strftime("%H:%M:%S  ", time.localtime(at)) if at is not None else ""
        try:
            self._write(stamp + printing.printable(text))
        except OSError:
            self._write = lambda _: None

    def progress(self, run: Run, step: int, rate: float | None) -> None:
        """Print a progress line for a run that has advanced, at most once every PROGRESS_EVERY seconds."""
        now = time.monotonic()
        last, at_step = self._progress.get(run.id, (now, 0))
        self._progress.setdefault(run.id, (now, 0))
        if now - last < PROGRESS_EVERY or step <= at_step:
            return
        self._progress[run.id] = (now, step)
        share = f" {step / run.total_steps:4.0%}" if run.total_steps else ""
        left = run.seconds_left(step, rate, time.time())
        eta = f"  eta {duration(left)}" if left else ""
        self.line(f"  {run.name} ({run.id})  step {step}/{run.total_steps}{share}{eta}", time.time())

    def round_table(self, number: int, cells: int | None = None) -> str:
        before = [run for run in self.store.runs(self.loop.id) if run.round < number]
        elsewhere = [*before, *self.store.replicates_elsewhere(self.loop.id)]
        return runs_table(self.store.runs(self.loop.id, number), self.metrics, cells, elsewhere)


def runs_table(runs: list[Run], metrics: MetricBook, cells: int | None = None, elsewhere: Sequence[Run] = ()) -> str:
    """Return a table of runs with the last values of their key metrics, followed by the verdicts.

    `elsewhere`: the loop's other runs, and replicates in other loops.
    """
    keys = for_runs(metrics, runs).key_metrics
    last = {key: aligned(_last(run, key) for run in runs) for key in keys}
    rows = [
        [
            run.round,
            run.id,
            printing.printable(run.name),
            run.state.value,
            f"{run.step}/{run.total_steps}",
            *(last[key][place] for key in keys),
            printing.printable(run.reason or ""),
        ]
        for place, run in enumerate(runs)
    ]
    head = ["round", "id", "run", "state", "steps", *(metrics.short(key) for key in keys), ""]
    table = printing.table(head, rows, texts=(2, len(head) - 1), spare=range(len(head) - 2, 4, -1), cells=cells)
    said = [printing.printable(text) for text in verdict_lines(runs, metrics, elsewhere)]
    verdicts = "".join(f"\n{line}" for text in said for line in printing.wrapped(text, cells, others="  "))
    groups = replicates(runs, keys)
    if not groups:
        return f"{table}\n{verdicts}" if verdicts else table
    rows = [[printing.printable(each.name), len(each.runs), *(each.text(key) for key in keys)] for each in groups]
    head = ["config", "runs", *(metrics.short(key) for key in keys)]
    seeds = printing.table(head, rows, texts=(0,), spare=range(len(head) - 1, 2, -1), cells=cells)
    return f"{table}\n\nOver seeds, mean ± standard deviation (finished runs):\n{seeds}{verdicts}"


def drive_loop(store: Store, loop: Loop, after: int = 0) -> int:
    """Run the loop's engine in the foreground, print its events after number `after`, and return the exit code.

    Ctrl-C stops the loop; a second Ctrl-C kills its runs.
    """
    from autoloop.engine import LoopDriver

    driver = LoopDriver(store, loop)
    printer = EventPrinter(store, loop, driver.metrics)
    for event in store.events(loop.id, after):
        printer.print_event(event)
    ended = driver.run(on_event=printer.print_event, on_progress=lambda each: printer.progress(*each), foreground=True)
    return client.exit_code(store, ended)


def follow_loop(store: Store, loop: Loop, on_event: Callable[[Event], None], after: int = 0) -> int:
    """Follow a loop that another process runs until it or its engine ends. Return its exit code."""
    ended = client.follow_events(store, loop, on_event, after)
    if ended.state is LoopState.ACTIVE:
        printing.complain(f"{ended.name} has not ended, but its engine has stopped: `autoloop-tui resume` continues it.")
    return client.exit_code(store, ended)


def _last(run: Run, key: str) -> float | None:
    return run.summary.metrics[key].last if run.summary and key in run.summary.metrics else None
