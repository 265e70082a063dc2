"""The data of the Slots screen, taken from the view, the feed and the newest sample. Uses no widgets."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from autoloop.gpus import Gpu
from autoloop.model import LOCAL, LoopState, RoundState, Run, RunState, Series, Slot, UserError

from autoloop_tui.console.drawing.badges import Badge
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.drawing.lines import Line
from autoloop_tui.console.drawing.paint import clip, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.logs.tail import LastLines
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.divergence import Divergence, divergence
from autoloop_tui.console.present.metric_delta import Delta, against, at_the_step_of, so_far
from autoloop_tui.console.present.proposals.queue import why
from autoloop_tui.console.telemetry import Load, Sample


class Change(NamedTuple):
    """The key metric against the base run: the run's value at `step`, the base's at `base_step`."""

    delta: Delta
    step: int
    base_step: int


class SlotFacts(msgspec.Struct, frozen=True):
    """The data shown of a slot. `run` is the one that holds the slot, or held it last."""

    slot: Slot
    run: Run | None
    badge: Badge | None = None
    """The letter and colour of the run."""
    gone: str = ""
    """Set if the store calls the run running but it has no process: `ended` if a record says how it ended, else `gone`."""
    step: int = 0
    eta: int | None = None
    """Whole seconds until the last step."""
    metric: str = ""
    series: Series | None = None
    diverged: Divergence | None = None
    """The metric that shows divergence, by its short name."""
    change: Change | None = None
    gpu: Gpu | None = None
    gpu_error: str | None = None
    foreign: Sequence[str] = ()
    load: Load | None = None
    last_line: str = ""
    waits: str = ""
    """Why queued runs cannot start here yet."""
    asks: str = ""
    """The live rule that asks a user about the run."""
    would: str = "stop"
    """The rule's proposed action: stop or relaunch the run."""
    advice: str = ""
    """Advice on the last run's failure."""
    retries: bool = False
    """The last run did not succeed and its round is still running, so it can be retried."""

    @property
    def holds(self) -> bool:
        return self.run is not None and not self.gone and self.run.state in (RunState.RUNNING, RunState.STOPPING)

    @property
    def broken(self) -> bool:
        """Whether the last run here did not succeed and no other has taken its place."""
        broken = (RunState.FAILED, RunState.LOST, RunState.STOPPED)
        return bool(self.gone) or (self.run is not None and self.run.state in broken)

    @property
    def is_news(self) -> bool:
        """Whether the run is news: in training, or broken with nothing in its place."""
        return self.holds or (self.broken and not self.waits)

    @property
    def reason(self) -> str:
        """Why the last run did not succeed."""
        if self.gone == "ended":
            return "it has ended; the next engine will record how"
        if self.gone:
            return "its process is gone; the next engine will record how it ended"
        return why(self.run) if self.run else ""

    @property
    def state(self) -> str:
        if self.run and self.holds:
            return "waiting" if self.run.waits and self.run.state is RunState.RUNNING else self.run.state.value
        if self.waits:
            return "waiting"
        if self.gone:
            return self.gone
        return self.run.state.value if self.run and self.run.state.ended else "idle"

    @property
    def last(self) -> float | None:
        return self.series.values[-1] if self.series is not None and len(self.series) else None


def facts_of(slot: Slot, view: View, feed: Feed, sample: Sample | None, lines: LastLines | None) -> SlotFacts:
    """Return the data of a slot. `lines`: the caller's cache of last log lines; None if the slot is not visible."""
    run, metric = view.in_slots.get(slot.index), view.key_metric
    series: Series | None = None
    last = ""
    if run is not None:
        series = feed.known(run).get(metric)
        if lines is not None and run.state in (RunState.RUNNING, RunState.STOPPING) and not view.brief:
            path = view.log_path(run)
            last = plain(lines.of(path, feed.secrets(run))) if path else ""
    bad = divergence(feed.known(run), view.metrics) if run else None
    asked = view.questions.get(run.id) if run else None
    left = feed.seconds_left(run, time.time()) if run else None
    attempt = view.snapshot.attempts.get(run.id) if run else None
    failure = attempt.diagnosis if attempt and run and run.state in (RunState.FAILED, RunState.LOST) else None
    gpu = None
    if slot.gpus and slot.place == LOCAL and sample:
        gpu = next((gpu for gpu in sample.gpus.gpus if gpu.index == slot.gpus[0]), None)
    return SlotFacts(
        slot=slot,
        run=run,
        badge=view.badge(run) if run else None,
        gone=view.gone.get(run.id, "") if run else "",
        step=feed.step(run) if run else 0,
        eta=int(left) if left is not None and math.isfinite(left) else None,
        metric=view.metrics.short(metric),
        series=series,
        diverged=bad._replace(metric=view.metrics.short(bad.metric)) if bad else None,
        change=_change(view, feed, run, metric) if run else None,
        gpu=gpu,
        gpu_error=sample.gpus.error if sample and slot.place == LOCAL else None,
        foreign=_foreign(gpu, sample) if gpu and sample else (),
        load=sample.loads.get(run.id) if run and sample else None,
        last_line=last,
        waits=view.loop.slot_waits.get(slot.index, ""),
        asks=asked.origin if asked else "",
        would="relaunch" if asked and asked.edits else "stop",
        advice=failure.advice if failure else "",
        retries=run is not None and _retries(view, run),
    )


def _retries(view: View, run: Run) -> bool:
    round_, broken = view.snapshot.round, (RunState.FAILED, RunState.LOST, RunState.STOPPED)
    running = round_ is not None and round_.state is RoundState.RUNNING and run.round == round_.number
    return running and run.state in broken and view.loop.state is LoopState.ACTIVE and view.engine is not None


def _change(view: View, feed: Feed, run: Run, metric: str) -> Change | None:
    """Return the metric's change against the base at the same step; None if one has not been read or has no value by
    then."""
    mine, base = feed.known(run).get(metric), view.base_of(run)
    theirs = feed.known(base).get(metric) if base else None
    if mine is None or theirs is None or base is None:
        return None
    reached = so_far({metric: mine}, view.metrics)
    before = at_the_step_of(reached, {metric: theirs}, view.metrics)
    if metric not in reached or metric not in before:
        return None
    delta = against(reached[metric], before[metric], view.judge.between(run, base, metric))
    return Change(delta, reached[metric].last_step, before[metric].last_step)


def _foreign(gpu: Gpu, sample: Sample) -> list[str]:
    """Return the processes on the GPU that do not belong to our runs."""
    return [
        f"{process.name or 'a process'} ({process.pid}, {process.user or '?'})"
        for process in gpu.processes
        if process.pid not in sample.own_pids
    ]


def chart_lines(view: View, feed: Feed, run: Run | None, first: int, most: int) -> list[tuple[str, list[Line]]]:
    """Return up to `most` charts as titles and lines, beginning with metric number `first`; key metrics come first."""
    columns = feed.known(run) if run else {}
    names = [name for name in view.metrics.key_metrics if name in columns]
    names += sorted(name for name in columns if name not in names)
    names = names or list(view.metrics.key_metrics)
    base = view.base_of(run) if run else None
    base_columns = feed.known(base) if base else {}
    charts = []
    for place in range(min(most, len(names))):
        name = names[(first + place) % len(names)]
        lines: list[Line] = []
        if run and name in columns:
            lines.append(Line(plain(run.name), columns[name], view.badge(run).colour, letter=view.badge(run).letter))
        if base and name in base_columns:
            letter = view.badge(base).letter
            lines.append(Line(f"base {plain(base.name)}", base_columns[name], base=True, letter=letter))
        charts.append((view.metrics.short(name), lines))
    return charts


def config_rows(view: View, run: Run, width: int, *, glyphs: Glyphs) -> list[list[Piece]]:
    """Return the changes of the run's frozen config against its base's."""
    from autoloop.configs import diff
    from autoloop.engine.base.frozen_config import frozen_config

    from autoloop_tui.console.present.proposals.detail import change_rows

    mark = glyphs.ellipsis
    base = view.base_of(run)
    if base is None:
        return [[(" a first-round config, without a base to compare with", "dim")]]
    try:
        changes = diff(frozen_config(base), frozen_config(run))
    except UserError as error:
        return [[(clip(str(error), width, mark), "slot-failed")]]
    rows: list[list[Piece]] = [[(clip(f" against {base.name} ({base.id})", width, mark), "dim")]]
    return rows + (change_rows(changes, width, glyphs) if changes else [[("  no differences", "dim")]])


def cut(rows: Sequence[list[Piece]], height: int) -> list[list[Piece]]:
    """Return at most `height` rows; the last says how many were left out."""
    if len(rows) <= height:
        return list(rows)
    kept = max(0, height - 1)
    return [*rows[:kept], [(f"  and {len(rows) - kept} more rows: open the run", "dim")]]
