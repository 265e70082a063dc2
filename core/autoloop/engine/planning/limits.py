"""The limits of a loop: hours, runs, and the quiet hours in which nothing starts. No I/O; times are Unix seconds."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

import msgspec

from autoloop.model import Loop, LoopSpec, Run, UserError
from autoloop.protocol import Resume
from autoloop.text.plural import plural

MOST_HOURS = 24 * 365
QUIET = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)")


def deadline(hours: float | None, now: float) -> float | None:
    """The time `hours` after `now`, or None without `hours`. Raises UserError if they are out of range."""
    if hours is None:
        return None
    if not 0 < hours <= MOST_HOURS:  # also refuses NaN
        raise UserError(f"--max-hours must be more than 0 and at most {MOST_HOURS}, not {hours:g}.")
    return now + hours * 3600


def check_budget(spec: LoopSpec) -> None:
    """Raise UserError if a limit is out of range."""
    deadline(spec.max_hours, 0.0)
    if spec.max_runs is not None and not 1 <= spec.max_runs <= 10**6:
        raise UserError(f"--max-runs must be from 1 to {10**6}, not {spec.max_runs}.")
    if spec.quiet_hours is not None:
        _minutes(spec.quiet_hours)


def apply_resume_limits(request: Resume, loop: Loop, started: int, now: float) -> Loop:
    """The loop with the limits in `request`. Raises UserError if one is out of range or already used up."""
    if request.max_hours is not None:
        loop = msgspec.structs.replace(loop, deadline=deadline(request.max_hours, now))
    runs = request.max_runs
    if runs is not None:
        if runs > 10**6:
            raise UserError(f"--max-runs {runs} is too large; give a total of at most {10**6}.")
        if runs <= started:
            raise UserError(f"{loop.name} has started {started} runs already; give a total larger than --max-runs {runs}.")
        loop = msgspec.structs.replace(loop, max_runs=runs)
    return loop


def exhausted_reason(loop: Loop, started: int, now: float) -> str | None:
    """Why no new run may ever start under the current limits; None while there is budget left. `started`: the number of runs
    that have had an attempt."""
    if loop.deadline is not None and now >= loop.deadline:
        return (
            f"stopped by --max-hours: time ran out at {_clock(loop.deadline)}; "
            "`autoloop-tui resume --max-hours H` adds H hours"
        )
    if loop.max_runs is not None and started >= loop.max_runs:
        return (
            f"stopped by --max-runs: {started} of {loop.max_runs} runs have been started; "
            "`autoloop-tui resume --max-runs N` raises it to N"
        )
    return None


def startable(loop: Loop, queue: Sequence[Run], started: int) -> list[Run]:
    """The part of the queue that may still start. A retry uses no budget, as its run has already been counted."""
    if loop.max_runs is None:
        return list(queue)
    room = loop.max_runs - started
    allowed = []
    for run in queue:
        if run.attempts == 0:
            room -= 1
            if room < 0:
                continue
        allowed.append(run)
    return allowed


def quiet_until(hours: str | None, now: float) -> float | None:
    """The end of the quiet hours that contain `now`, in the machine's local time; None outside quiet hours."""
    if hours is None:
        return None
    begin, end = _minutes(hours)
    local = time.localtime(now)
    minute = local.tm_hour * 60 + local.tm_min
    inside = begin <= minute < end if begin < end else minute >= begin or minute < end
    if not inside:
        return None
    day = local.tm_mday + (1 if end <= minute else 0)
    return time.mktime((local.tm_year, local.tm_mon, day, end // 60, end % 60, 0, 0, 0, -1))


def quiet_in_words(until: float) -> str:
    return f"quiet hours until {_clock(until)}: no new run starts"


def in_words(loop: Loop, started: int) -> str | None:
    """`31 of 40 runs started, until Tue 14:03, no new run 22:00-07:00`; None for a loop without limits."""
    parts = []
    if loop.max_runs is not None:
        parts.append(f"{started} of {loop.max_runs} runs started")
    if loop.deadline is not None:
        parts.append(f"until {_clock(loop.deadline)}")
    if loop.spec.quiet_hours:
        parts.append(f"no new run {loop.spec.quiet_hours}")
    return ", ".join(parts) or None


def describe_plan(spec: LoopSpec) -> str | None:
    """The limits of a plan: `stops after 12 h or 40 runs, no new run starts 22:00-07:00`."""
    limits = [f"{spec.max_hours:g} h"] if spec.max_hours is not None else []
    limits += [plural(spec.max_runs, "run")] if spec.max_runs is not None else []
    parts = [f"stops after {' or '.join(limits)}"] if limits else []
    parts += [f"no new run starts {spec.quiet_hours}"] if spec.quiet_hours else []
    return ", ".join(parts) or None


def inside_hours(hours: str, now: float) -> bool:
    """Whether `now` is within these hours of the day."""
    return quiet_until(hours, now) is not None


def _minutes(hours: str) -> tuple[int, int]:
    """The beginning and the end, as minutes of the day."""
    match = QUIET.fullmatch(hours)
    if match is None:
        raise UserError(f'Quiet hours cannot be "{hours}"; write them as 22:00-07:00, in the machine\'s local time.')
    begin, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if begin == end:
        raise UserError(f'Quiet hours "{hours}" start and end at the same time; write them as 22:00-07:00.')
    return begin, end


def _clock(at: float) -> str:
    return time.strftime("%a %H:%M", time.localtime(at))
