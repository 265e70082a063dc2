"""Carries out one short run: starts it, follows it until its steps are made or its time is over, stops and explains it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from autoloop.diagnose.diagnosis import diagnose
from autoloop.engine.runs.following import follow_attempt
from autoloop.engine.runs.launching import attempt_environment, prepare
from autoloop.logs import read_log_tail
from autoloop.metric_readers import Follower
from autoloop.model import Attempt, Cause, ExitRecord, Series
from autoloop.runners import local, runner
from autoloop.secrets import mask_lines
from autoloop.trial.setup import TrialRun
from autoloop.wandb_cloud.key import known_secrets

MAX_LOG = 64 << 20
TURN = 0.1
LINGERS = 5.0
"""Seconds that a run may continue after its steps (a last evaluation, a checkpoint) before it is stopped."""
LOOKED_AT = 20_000
"""The most files of the project that are checked for having been written elsewhere."""
_PASSED_OVER = {".git", ".autoloop", ".venv", "venv", "node_modules", "__pycache__", ".wandb_cache", ".envs", ".mypy_cache"}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a short run. `stopped`: why we ended it; None if it ended on its own."""

    exit: ExitRecord | None
    stopped: str | None
    cause: Cause | None
    seconds: float
    sources: list[str]
    columns: dict[str, Series]
    step: int
    total_steps: int | None
    rate: float | None
    config: dict[str, Any]
    """The config as W&B or TensorBoard recorded it."""
    lines: list[str]
    """The lines of its log, with secrets masked."""
    log: str
    written: list[str]
    """The files that it wrote to its own folder, relative to that."""
    elsewhere: list[str]
    """The files that it seems to have written elsewhere below the project, relative to the project."""
    problems: list[str]


class Interrupted(Exception):
    """The user stopped the trial; the trainer has ended."""


def carry_out(run: TrialRun, scratch: Path, seconds: float, stop_asked: Callable[[], bool]) -> Outcome:
    """Run it for at most `seconds`. `stop_asked` is called repeatedly: true ends the run and raises Interrupted.

    OSError or ValueError if it cannot be started. No process of it is left when this returns.
    """
    attempt = _attempt(run, scratch)
    directory = Path(attempt.directory)
    env, _ = attempt_environment(run.planned.launch, run.spec.python)
    began, at = time.monotonic(), time.time()
    handle = local.start(prepare(attempt.id, run.planned.launch, directory, max_log=MAX_LOG), env)
    follower = follow_attempt(attempt, run.planned.run, run.spec, run.preset)
    try:
        stopped = _wait(run, follower, handle, directory, began + seconds, stop_asked)
    finally:
        _end(handle, attempt.id, directory)
    took = time.monotonic() - began
    if stopped == "asked":
        raise Interrupted
    while follower.poll():
        pass
    state = local.inspect(directory, attempt.id, handle)
    record = state.record if isinstance(state, runner.AttemptExit) else None
    lines = mask_lines(read_log_tail(directory / "log.txt"), known_secrets(os.environ))
    cause = None if stopped else diagnose(record, lines, run.preset, device=run.spec.device)
    output = Path(run.planned.output_dir)
    outcome = Outcome(
        exit=record,
        stopped=stopped,
        cause=cause,
        seconds=took,
        sources=follower.sources,
        columns=dict(follower.columns),
        step=follower.step,
        total_steps=follower.total_steps,
        rate=follower.rate,
        config=follower.config,
        lines=lines,
        log=str(directory / "log.txt"),
        written=sorted(str(path.relative_to(output)) for path in _files(output)),
        elsewhere=_elsewhere(Path(run.spec.cwd), scratch, at),
        problems=follower.problems,
    )
    follower.close()
    return outcome


def _attempt(run: TrialRun, scratch: Path) -> Attempt:
    planned = run.planned
    return Attempt(
        id=f"{planned.run.id}-1",
        run=planned.run.id,
        number=1,
        slot=0,
        output_dir=planned.output_dir,
        directory=str(scratch / "attempts" / run.name),
        created_at=time.time(),
        argv=list(planned.launch.argv),
    )


def _wait(
    run: TrialRun,
    follower: Follower,
    handle: local.Handle,
    directory: Path,
    deadline: float,
    stop_asked: Callable[[], bool],
) -> str | None:
    """Wait until the run ends, and return None, or until it must be stopped, and return why. Sends no signal."""
    steps = min(run.planned.run.total_steps, run.spec.steps)
    reached_at: float | None = None
    while local.is_running(directory, handle):
        follower.poll()
        local.reap()
        now = time.monotonic()
        if stop_asked():
            return "asked"
        if now >= deadline:
            return "its time was over"
        if follower.step >= steps and reached_at is None:
            reached_at = now
        if reached_at is not None and now - reached_at > LINGERS:
            return f"it had made {steps} steps"
        time.sleep(TURN)
    return None


def _end(handle: local.Handle, attempt_id: str, directory: Path) -> None:
    """Stop the run with the preset's sequence of signals and wait until its supervisor has ended. If this is interrupted,
    kill it first."""
    asked = False
    try:
        while local.is_running(directory, handle):
            if not asked:
                local.request_stop(handle, directory)
                asked = True
            local.reap()
            time.sleep(TURN)
    except BaseException:
        local.request_stop(handle, directory, kill=True)
        while local.is_running(directory, handle):
            local.reap()
            time.sleep(TURN)
        raise
    finally:
        local.reap()
        local.sweep(attempt_id, directory)


def _files(folder: Path) -> Iterator[Path]:
    """Yield at most LOOKED_AT files below a folder, without following links."""
    found = 0
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER)
        for name in names:
            found += 1
            if found > LOOKED_AT:
                return
            yield Path(path, name)


def _elsewhere(project: Path, scratch: Path, since: float) -> list[str]:
    changed = []
    for path in _files(project):
        try:
            if not path.is_relative_to(scratch) and path.stat().st_mtime >= since - 0.01:
                changed.append(str(path.relative_to(project)))
        except OSError:
            continue
    return sorted(changed)
