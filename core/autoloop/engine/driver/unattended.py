"""Stops runs when no engine can: either no engine can be started, or the one that drives the loop does not respond.

The command asks the supervisors directly. Without an engine it acts as one, holding the engine's lock: it first records what
it stops, so that the next engine counts those runs correctly.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from autoloop.engine.driver.lock import EngineLock
from autoloop.model import (
    LOCAL,
    LOOP_STOP,
    SLURM,
    Attempt,
    EventKind,
    Loop,
    LoopEnd,
    LoopEndKind,
    LoopSpec,
    Sender,
    StopCause,
    StopKind,
    UserError,
)
from autoloop.model.transitions import attempt_stopping, loop_stopped, run_stopping
from autoloop.runners import local
from autoloop.store import Store
from autoloop.text.plural import plural


def executing(store: Store, loop: Loop, run: str | None = None) -> list[Attempt]:
    """The executing attempts of the loop, or of one run: on this machine those with a live supervisor, each with its handle;
    on other places those without an exit record."""
    found = []
    for attempt in store.open_attempts(loop.id):
        if attempt.ended_at is not None or run not in (None, attempt.run):
            continue
        if attempt.place != LOCAL:
            if not (Path(attempt.directory) / "exit.json").exists():
                found.append(attempt)
        else:
            handle = local.Handle.from_dict(attempt.handle) if attempt.handle else None
            state = local.inspect(Path(attempt.directory), attempt.id, handle)
            if isinstance(state, local.Alive):
                found.append(msgspec.structs.replace(attempt, handle=state.handle.to_dict()))
    return found


def ask_supervisors(loop: Loop, attempts: list[Attempt], *, kill: bool) -> int:
    """Ask the supervisors to end their runs. Returns the number that could be asked."""
    return sum(_ask(loop.spec, attempt, kill=kill) for attempt in attempts)


def _ask(spec: LoopSpec, attempt: Attempt, *, kill: bool) -> bool:
    if attempt.place == SLURM:
        from autoloop.runners.slurm.commands import ask_to_end

        return ask_to_end(attempt, kill=kill)
    if attempt.place != LOCAL:
        from autoloop.runners.ssh.asking import ask_to_end as ask_host_to_end

        return ask_host_to_end(spec, attempt, kill=kill)
    handle = local.Handle.from_dict(attempt.handle or {})
    return local.request_stop(handle, Path(attempt.directory), kill=kill)


def stop_without_engine(store: Store, loop: Loop, run: str | None, *, kill: bool, sender: Sender) -> str:
    """Stop the loop, or one of its runs, and record that. Raises UserError if an engine turns out to be driving the loop.

    The caller checks whether the sender may do this (`permission.check_early`)."""
    lock = EngineLock(store.places.lock(loop.name))
    if holder := lock.acquire():
        raise UserError(f"{loop.name} has an engine again ({holder.words}); repeat the command.")
    try:
        attempts = executing(store, loop, run)
        if run is not None and not attempts:
            raise UserError(f"Run {run} is not running; there is nothing to stop.")
        text = f"stopped by {sender.words}"
        with store.transaction():
            if run is None:
                end = LoopEnd(kind=LoopEndKind.USER, text=text)
                store.put_loop(loop_stopped(store.loop(loop.id), end, time.time()))
            for attempt in attempts:
                cause = StopCause(kind=StopKind.USER, text=text) if run is not None else LOOP_STOP
                if attempt.stop is not None and attempt.stop.kind is StopKind.USER:
                    cause = attempt.stop  # a user has already stopped it for good
                begun = attempt.started_at or attempt.created_at
                attempt = msgspec.structs.replace(attempt, started_at=begun)
                store.put_attempt(attempt_stopping(attempt, cause, kill=kill), loop.id)
                row = store.run(attempt.run)
                store.put_run(run_stopping(row, cause))
                store.add_event(loop.id, EventKind.RUN_STOPPING, f"{row.name} ({row.id}) is stopping: {cause.text}", row.id)
        asked = ask_supervisors(loop, attempts, kill=kill)
    finally:
        lock.release()
    runs = f"{plural(asked, 'run')} {'killed' if kill else 'asked to stop'}"
    return f"the engine of {loop.name} has stopped: {runs}; the next `autoloop-tui resume` records how they ended"
