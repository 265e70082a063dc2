"""The runs that are executing: start one in a slot, notice its end, stop it, take it over after a crash.

Writing order: record the intent, make the attempt's directory, start the supervisor, record its handle. A crash between any
two steps is put right by `recover`.
"""

from __future__ import annotations

import logging
import os
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from autoloop.diagnose.causes import SHORTAGE
from autoloop.engine.base.context import Context
from autoloop.engine.runs.attempts import next_attempt
from autoloop.engine.runs.disk_space import PASSING, try_writing
from autoloop.engine.runs.following import follow_attempt, with_progress, written_in
from autoloop.engine.runs.launching import Launcher
from autoloop.file_watch import FileWatch
from autoloop.metric_readers import Follower
from autoloop.model import Attempt, EventKind, ExitRecord, LoopSpec, Run, Slot, StopCause, UserError
from autoloop.model.transitions import attempt_ended, attempt_stopping, run_stopping
from autoloop.runners import local

LOG = logging.getLogger(__name__)

SIP = 128 << 10
"""Bytes of one history read at a time, and how long the engine reads on at one turn: it has commands to obey meanwhile."""
READING = 0.1

PROGRESS_EVERY = 2.0
"""Seconds between two records of how far the runs are; clients read the histories themselves for more."""


@dataclass
class Active:
    """One attempt that is executing: its pidfd is watched, its history followed.

    It has no pidfd where its supervisor lives in another container: then its files are looked at, and its pulse.
    """

    attempt: Attempt
    run: Run
    pidfd: int | None
    follower: Follower
    pulse: local.Pulse | None = None


@dataclass(frozen=True)
class Ended:
    """An attempt whose end is recorded and whose slot is free; what it reached is not settled yet."""

    attempt: Attempt
    run: Run
    follower: Follower


class Execution:
    """Owns the attempts that execute. Only the engine's thread touches it; `close` leaves every run running."""

    def __init__(self, context: Context, spec: Callable[[], LoopSpec], *, max_log: int) -> None:
        """`spec`: the loop's spec as a run that starts now gets it. `max_log`: bytes of an attempt's log that are kept."""
        self.context = context
        self._spec = spec
        self._launcher = Launcher(context, max_log)
        self._active: dict[int, Active] = {}
        """By slot index."""
        self._selector = selectors.DefaultSelector()
        self._files: FileWatch | None = None
        """Tells whose files have changed; there from the first attempt on."""
        self._followed: set[str] = set()
        self._unread: set[str] = set()
        """Attempts that have written more than was read at one turn."""
        self._to_signal: list[tuple[Attempt, bool]] = []
        self._recorded_at = 0.0

    @property
    def executing(self) -> list[Active]:
        """The attempts that execute now."""
        return list(self._active.values())

    @property
    def busy(self) -> set[int]:
        """The slots in which they do."""
        return set(self._active)

    def close(self) -> None:
        for active in self._active.values():
            if active.pidfd is not None:
                os.close(active.pidfd)
            active.follower.close()
        self._active.clear()
        self._selector.close()
        if self._files is not None:
            self._files.close()
            self._files = None

    # -------------------------------------------------------------------------------------------------------- starting

    def start(self, run: Run, slot: Slot) -> Ended | None:
        """Launch the next attempt of `run` in `slot`. What goes wrong here ends the attempt, not the engine: it is
        returned."""
        context = self.context
        intent = next_attempt(context, self._spec(), run, slot)
        attempt, run = intent.attempt, intent.run
        with context.store.transaction():
            if intent.replaced:
                context.store.put_attempt(intent.replaced, context.loop_id)
            context.store.put_attempt(attempt, context.loop_id)
            context.store.put_run(run)
        try:
            handle = self._launcher.launch(attempt, intent.launch)
        except (OSError, ValueError, UserError) as error:  # ValueError: a NUL in an argument or variable
            number = error.errno if isinstance(error, OSError) else None
            if number in PASSING or (number in SHORTAGE and self._may_run(attempt)):
                raise
            record = ExitRecord(error=f"cannot start: {error}", errno=number, ended_at=context.clock())
            return self._ended(attempt, run, self._follow(attempt, run), record)
        attempt = msgspec.structs.replace(attempt, handle=handle.to_dict(), started_at=context.clock())
        with context.store.transaction():
            context.store.put_attempt(attempt, context.loop_id)
            text = f"{run.name} ({run.id}) started on {slot.label}"
            text += f", attempt {attempt.number}" if attempt.number > 1 else ""
            text += f", from its checkpoint to step {run.total_steps}" if run.resume else ""
            context.log_event(EventKind.RUN_STARTED, text, run.id)
        LOG.debug("%s: supervisor is process %s, directory %s", attempt.id, handle.pid, attempt.directory)
        return self._watch(attempt, run, handle)

    def _may_run(self, attempt: Attempt) -> bool:
        """Whether its supervisor was started before the descriptors or processes ran out; if not, it never will be."""
        state = local.inspect(Path(attempt.directory), attempt.id)
        return not (isinstance(state, local.Vanished) and not state.started)

    def _watch(self, attempt: Attempt, run: Run, handle: local.Handle) -> Ended | None:
        """Keep an eye on a supervisor; if it is gone already, how its attempt ended."""
        follower = self._follow(attempt, run)
        if handle.elsewhere:
            self._active[attempt.slot] = Active(attempt, run, None, follower, local.Pulse(Path(attempt.directory)))
            return None
        pidfd = local.open_pidfd(handle)
        if pidfd is None:
            return self._collect(attempt, run, follower)
        self._active[attempt.slot] = Active(attempt, run, pidfd, follower)
        self._selector.register(pidfd, selectors.EVENT_READ, attempt.slot)
        return None

    def _follow(self, attempt: Attempt, run: Run) -> Follower:
        return follow_attempt(attempt, run, self.context.spec, self.context.preset)

    # --------------------------------------------------------------------------------------------------------- waiting

    def wait(self, seconds: float) -> list[Ended]:
        """Wait until an attempt ends or writes, or `seconds` have passed; returns those that ended, their slots free
        again."""
        while self._to_signal:
            _request_stop(*self._to_signal.pop(0))
        if not self._active:
            time.sleep(seconds)
            return []
        ended = []
        ready = [key for key, _ in self._selector.select(seconds)]
        for key in ready:
            if key.data is None:  # files have changed
                continue
            active = self._active.pop(key.data)
            self._selector.unregister(key.fd)
            os.close(key.fd)
            ended.append(active)
        for slot in [slot for slot, active in self._active.items() if _ended_elsewhere(active)]:
            ended.append(self._active.pop(slot))
        if ended or not ready:
            local.reap()
        return [self._collect(active.attempt, active.run, active.follower) for active in ended]

    def wait_unrecorded(self, seconds: float) -> bool:
        """Wait, and collect and record nothing; whether any attempt still executes."""
        time.sleep(seconds)
        local.reap()
        return any(
            not (local.has_ended(active.pidfd) if active.pidfd is not None else _ended_elsewhere(active))
            for active in self._active.values()
        )

    def stop_unrecorded(self) -> None:
        for active in self._active.values():
            _request_stop(active.attempt)

    def follow_progress(self) -> set[str]:
        """Read what the runs wrote since last time; record how far they are, at most every PROGRESS_EVERY seconds.

        Returns the ids of the attempts that wrote something.
        """
        due = self._due()
        fresh = set()
        for active in self._active.values():
            if active.attempt.id not in due:
                continue
            deadline = time.monotonic() + READING
            while active.follower.poll(SIP):
                fresh.add(active.attempt.id)
                if time.monotonic() >= deadline:
                    self._unread.add(active.attempt.id)
                    break
        now = self.context.clock()
        if 0 <= now - self._recorded_at < PROGRESS_EVERY:
            return fresh
        self._recorded_at = now
        moved = [a for a in self._active.values() if (a.follower.step or 0) > a.run.step]
        if moved:
            with self.context.store.transaction():
                for active in moved:
                    self.put(active, with_progress(active.run, active.follower))
        return fresh

    def _due(self) -> set[str]:
        """The attempts that may have written something since they were read."""
        unread, self._unread = self._unread, set()
        if self._files is None:
            if not self._active:
                return unread
            self._files = FileWatch(LOG.warning)
            self._selector.register(self._files.fileno(), selectors.EVENT_READ, None)
        executing = {active.attempt.id for active in self._active.values()}
        if executing != self._followed:
            self._followed = executing
            self._files.follow({active.attempt.id: written_in(active.attempt) for active in self._active.values()})
        return self._files.due() | unread

    def put(self, active: Active, run: Run) -> None:
        """Record an executing run with other fields."""
        active.run = run
        self.context.store.put_run(run)

    # ---------------------------------------------------------------------------------------------------------- ending

    def _collect(self, attempt: Attempt, run: Run, follower: Follower) -> Ended:
        """Read how an attempt ended and record that."""
        directory, handle = Path(attempt.directory), _handle(attempt)
        state = local.inspect(directory, attempt.id, handle)
        if isinstance(state, local.Ended):
            return self._ended(attempt, run, follower, state.record)
        reason = state.reason if isinstance(state, local.Vanished) else "its supervisor ended without a record"
        if isinstance(state, local.Vanished) and not state.started:
            # Perhaps for lack of space: then it waits, as it does if this process could not start it.
            try_writing(directory)
            attempt = msgspec.structs.replace(attempt, unstarted=True)
        killed = 0
        if (handle and handle.elsewhere) or (isinstance(state, local.Vanished) and not state.ours):
            local.give_up(directory)
        else:
            killed = local.sweep(attempt.id, directory)
        if killed:
            reason += f"; {killed} left-over process{'es' if killed > 1 else ''} ended"
        return self._ended(attempt, run, follower, None, lost=reason)

    def _ended(
        self, attempt: Attempt, run: Run, follower: Follower, record: ExitRecord | None, lost: str | None = None
    ) -> Ended:
        LOG.debug("%s has ended: %s", attempt.id, lost or record)
        ended_at = (record.ended_at if record else None) or self.context.clock()
        attempt = attempt_ended(attempt, record, ended_at, lost)
        with self.context.store.transaction():
            self.context.store.put_attempt(attempt, self.context.loop_id)
        return Ended(attempt, run, follower)

    # -------------------------------------------------------------------------------------------------------- stopping

    def stop(self, run_id: str, cause: StopCause, *, kill: bool = False) -> bool:
        """Ask a run to end. False if it does not execute.

        The cause is recorded now, the signal is sent by `wait`: by then the transaction that this may be part of is over.
        """
        for active in self._active.values():
            if active.run.id == run_id:
                # Who asked for the kill has not asked for the stop before it, but the tree ends by the kill.
                active.attempt = attempt_stopping(active.attempt, cause, kill=kill)
                with self.context.store.transaction():
                    self.context.store.put_attempt(active.attempt, self.context.loop_id)
                    self.put(active, run_stopping(active.run, cause))
                    self.context.log_event(
                        EventKind.RUN_STOPPING, f"{active.run.name} ({run_id}) is stopping: {cause.text}", run_id
                    )
                self._to_signal.append((active.attempt, kill))
                return True
        return False

    # -------------------------------------------------------------------------------------------------------- recovery

    def recover(self) -> list[Ended]:
        """Before anything is scheduled: take over what runs, collect what ended, give up what vanished.

        Returns the attempts that ended while no engine was there, to be settled by the caller.
        """
        ended: list[Ended] = []
        for attempt in self.context.store.open_attempts(self.context.loop_id):
            run = self.context.store.run(attempt.run)
            if attempt.ended_at is not None:
                ended.append(Ended(attempt, run, self._follow(attempt, run)))
                continue
            handle = _handle(attempt)
            state = local.inspect(Path(attempt.directory), attempt.id, handle)
            if isinstance(state, local.Vanished) and handle and handle.elsewhere:
                state = local.Alive(handle)  # whether it is silent, or its clock is another, is seen by following it
            if not isinstance(state, local.Alive):
                ended.append(self._collect(attempt, run, self._follow(attempt, run)))
                continue
            if attempt.handle is None:
                attempt = msgspec.structs.replace(attempt, handle=state.handle.to_dict(), started_at=attempt.created_at)
                with self.context.store.transaction():
                    self.context.store.put_attempt(attempt, self.context.loop_id)
            gone = self._watch(attempt, run, state.handle)
            if gone:
                ended.append(gone)
                continue
            how = "in another container; its files are followed" if state.handle.elsewhere else "and is followed again"
            self.context.log_event(EventKind.RUN_ADOPTED, f"{run.name} ({run.id}) went on meanwhile {how}", run.id)
            if attempt.stop:
                _request_stop(attempt, attempt.kill)
        return ended


def _request_stop(attempt: Attempt, kill: bool = False) -> None:
    if handle := _handle(attempt):
        local.request_stop(handle, Path(attempt.directory), kill=kill)


def _ended_elsewhere(active: Active) -> bool:
    """Whether an attempt whose supervisor lives in another container has ended."""
    if active.pulse is None:
        return False
    return (Path(active.attempt.directory) / "exit.json").exists() or active.pulse.silent()


def _handle(attempt: Attempt) -> local.Handle | None:
    return local.Handle.from_dict(attempt.handle) if attempt.handle else None
