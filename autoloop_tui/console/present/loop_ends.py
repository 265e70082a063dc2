"""Estimates of when the round and the loop will end, based on the durations of runs."""

from __future__ import annotations

import heapq
import time
from statistics import median
from typing import NamedTuple

from autoloop.model import ApprovalMode, LoopState, RoundState, Run, RunState

from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import View

LOOKED_AT = 50
"""Number of newest finished runs used to estimate the time per step."""


class Ends(NamedTuple):
    """Unix seconds; None if unknown."""

    round: float | None = None
    loop: float | None = None


def ends(view: View, feed: Feed, now: float) -> Ends:
    """Estimate the ends from the pace of running runs and the durations of finished ones; empty while no round is
    running."""
    loop, round_ = view.loop, view.snapshot.round
    stands = loop.state is not LoopState.ACTIVE or view.orphaned or loop.paused or loop.waits_for
    if stands or round_ is None or round_.state is not RoundState.RUNNING or not view.unended:
        return Ends()
    free, pace = [], _pace(view)
    for slot in loop.spec.slots:
        run = view.in_slots.get(slot.index)
        if run is None or run.state not in (RunState.RUNNING, RunState.STOPPING):
            free.append(0.0)
            continue
        left = feed.seconds_left(run, now)
        if left is None and pace is not None:
            left = pace * max(0, run.total_steps - feed.step(run))
        if left is None:
            return Ends()
        free.append(left)
        if pace is None and (rate := feed.rate(run)):
            pace = 1 / rate
    if view.queue and pace is None:
        return Ends()
    heapq.heapify(free)
    over = max(free)
    for run in view.queue:
        end = heapq.heappop(free) + (pace or 0.0) * run.total_steps
        over = max(over, end)
        heapq.heappush(free, end)
    return Ends(now + over, _loop_end(view, now + over, pace))


def _loop_end(view: View, round_end: float, pace: float | None) -> float | None:
    """Return the end of the loop, assuming that the remaining rounds are as large as this one; None if a user decides when
    they start."""
    spec, round_ = view.loop.spec, view.snapshot.round
    left = spec.rounds - (round_.number if round_ else 0) if spec.proposes else 0
    end: float | None = round_end
    if left > 0:
        if pace is None or spec.approve.mode is ApprovalMode.MANUAL or not view.in_round:
            end = None
        else:
            steps = median(run.total_steps for run in view.in_round)
            turns = -(-len(view.in_round) // max(1, len(spec.slots)))
            end = round_end + left * turns * pace * steps
    if spec.extend_winner:
        end = None  # the additional training is known only once there is a winner
    deadline = view.loop.deadline
    return end if deadline is None else min(deadline, end) if end is not None else None


def _pace(view: View) -> float | None:
    """Return the median seconds per step of the newest finished runs."""
    took = [each for run in view.snapshot.runs[-LOOKED_AT:] if (each := _seconds_a_step(run)) is not None]
    return median(took) if took else None


def _seconds_a_step(run: Run) -> float | None:
    if run.state is not RunState.FINISHED or run.started_at is None or run.ended_at is None or not run.total_steps:
        return None
    return max(0.0, run.ended_at - run.started_at) / run.total_steps


def clock(at: float, now: float) -> str:
    """Return `03:40`, or `Sat 03:40` on another day."""
    when = time.localtime(at)
    same = when[:3] == time.localtime(now)[:3]
    return time.strftime("%H:%M" if same else "%a %H:%M", when)


def texts(found: Ends, now: float) -> list[str]:
    """Return texts such as `round ends ~03:40, loop ~05:10`, longest first."""
    if found.round is None:
        return [""]
    round_ = clock(found.round, now)
    if found.loop is None:
        return [f"round ends ~{round_}", f"~{round_}"]
    loop = clock(found.loop, now)
    if loop == round_:
        return [f"ends ~{loop}", f"~{loop}"]
    return [f"round ends ~{round_}, loop ~{loop}", f"ends ~{loop}", f"~{loop}"]
