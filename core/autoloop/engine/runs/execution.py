"""The runs that are executing: starts one in a slot, notices its end, stops it, takes it over after a crash.

Order of writes: record the intent, create the attempt's directory, start the supervisor, record its handle. `recover`
handles a crash between any two steps. Each record waits for the disk while a slot is free, so what has happened (ends,
handles) is recorded together with the next intent; `recover` finds unrecorded ends and handles in the attempts' files.
"""

from __future__ import annotations

import logging
import selectors
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from autoloop.diagnose.causes import SHORTAGE
from autoloop.engine.base.context import Context
from autoloop.engine.runs.attempts import Intent, next_attempt
from autoloop.engine.runs.disk_space import PASSING, try_writing
from autoloop.engine.runs.following import follow_attempt, read_on, with_progress, written_in
from autoloop.engine.runs.launching import Launcher
from autoloop.file_watch import Changes, FileWatch
from autoloop.metric_readers import Follower
from autoloop.model import Attempt, EventKind, ExitRecord, LoopSpec, Run, Slot, StopCause, Taken, UserError
from autoloop.model.transitions import attempt_begun, attempt_ended, attempt_stopping, run_begun, run_stopping, run_waits
from autoloop.runners.runner import (
    Acceptance,
    AttemptExit,
    AttemptLoss,
    CommandStart,
    End,
    OngoingAttempt,
    PlaceWait,
    Runner,
)

LOG = logging.getLogger(__name__)

PROGRESS_EVERY = 2.0
"""Seconds between two records of the runs' progress. Clients that need it sooner read the histories themselves."""


@dataclass
class ActiveAttempt:
    """An executing attempt: its runner reports its end, and its history is followed."""

    attempt: Attempt
    run: Run
    follower: Follower


@dataclass(frozen=True)
class EndedAttempt:
    """An attempt that has ended. Its slot is free, but its result is not settled yet."""

    attempt: Attempt
    run: Run
    follower: Follower


class Execution:
    """Owns the executing attempts. Used only by the engine's thread. `close` leaves every run running."""

    def __init__(
        self, context: Context, spec: Callable[[], LoopSpec], runners: Mapping[str, Runner], *, max_log: int
    ) -> None:
        """`spec`: returns the loop's spec for a run that starts now. `runners`: one for each place; `close` closes them.
        `max_log`: bytes of an attempt's log that are kept."""
        self.context = context
        self.runners = runners
        self._spec = spec
        self._launcher = Launcher(context, max_log)
        self._active: dict[int, ActiveAttempt] = {}
        """By slot index."""
        self._selector = selectors.DefaultSelector()
        for runner in runners.values():
            self._selector.register(runner.fileno(), selectors.EVENT_READ)
        self._files: FileWatch | None = None
        """Reports whose files have changed. Created with the first attempt."""
        self._followed: set[str] = set()
        self._unread: set[str] = set()
        """Attempts with output that was not read completely in the last turn."""
        self._to_signal: list[tuple[Attempt, bool]] = []
        self._unrecorded: list[tuple[Attempt, tuple[str, str] | None]] = []
        """Changed attempts that are not in the store yet, with the run id and text of the event to record, if any."""
        self._recorded_at = 0.0
        self._troubles = dict(context.loop.unreachable)

    @property
    def executing(self) -> list[ActiveAttempt]:
        """The attempts that are executing now."""
        return list(self._active.values())

    @property
    def busy(self) -> set[int]:
        """The indices of the slots in use."""
        return set(self._active)

    def close(self) -> None:
        for active in self._active.values():
            active.follower.close()
        self._active.clear()
        self._selector.close()
        for runner in self.runners.values():
            runner.close()
        if self._files is not None:
            self._files.close()
            self._files = None

    # -------------------------------------------------------------------------------------------------------- starting

    def start(self, due: Sequence[tuple[Run, Slot]]) -> list[EndedAttempt]:
        """Launch the next attempt of each run in its slot, and record attempts that ended before. An error in launching ends
        the attempt, not the engine: such attempts are returned."""
        failed = [ended for run, slot in due if (ended := self._start(run, slot)) is not None]
        self._record()
        return failed

    def _start(self, run: Run, slot: Slot) -> EndedAttempt | None:
        context = self.context
        intent = next_attempt(context, self._spec(), run, slot)
        attempt, run = intent.attempt, intent.run
        self._record(intent)
        try:
            handle = self._launcher.launch(attempt, intent.launch, self._runner(attempt))
        except (OSError, ValueError, UserError) as error:  # ValueError: a NUL in an argument or variable
            number = error.errno if isinstance(error, OSError) else None
            if number in PASSING or (number in SHORTAGE and self._may_run(attempt)):
                raise
            record = ExitRecord(error=f"cannot start: {error}", errno=number, ended_at=context.clock())
            return self._ended(attempt, run, self._follow(attempt, run), record)
        if handle is not None:
            attempt = msgspec.structs.replace(attempt, handle=handle, started_at=context.clock())
        text = f"{run.name} ({run.id}) {'started' if handle else 'was submitted'} on {slot.label}"
        text += f", attempt {attempt.number}" if attempt.number > 1 else ""
        text += f", from its checkpoint to step {run.total_steps}" if run.resume else ""
        self._unrecorded.append((attempt, (run.id, text)))
        LOG.debug("%s: %s, directory %s", attempt.id, handle, attempt.directory)
        self._active[attempt.slot] = ActiveAttempt(attempt, run, self._follow(attempt, run))
        return None

    def _record(self, intent: Intent | None = None) -> None:
        """Record what has happened, and the intent of the next start, in one transaction."""
        if not self._unrecorded and intent is None:
            return
        context = self.context
        with context.store.transaction():
            for attempt, told in self._unrecorded:
                context.store.put_attempt(attempt, context.loop_id)
                if told is not None:
                    context.log_event(EventKind.RUN_STARTED, told[1], told[0])
            if intent is not None:
                if intent.replaced:
                    context.store.put_attempt(intent.replaced, context.loop_id)
                context.store.put_attempt(intent.attempt, context.loop_id)
                context.store.put_run(intent.run)
        self._unrecorded.clear()

    def _may_run(self, attempt: Attempt) -> bool:
        """Whether its supervisor was started before descriptors or processes ran out; if not, the attempt will never run."""
        found = self._runner(attempt).reattach(attempt)
        return not (isinstance(found, AttemptLoss) and not found.started)

    def _runner(self, attempt: Attempt) -> Runner:
        return self.runners[attempt.place]

    def _follow(self, attempt: Attempt, run: Run) -> Follower:
        return follow_attempt(attempt, run, self.context.spec, self.context.preset)

    # --------------------------------------------------------------------------------------------------------- waiting

    def wait(self, seconds: float) -> list[EndedAttempt]:
        """Wait until an attempt ends or writes, or `seconds` have passed. Returns the attempts that ended, with their slots
        free again. Call `start` next, even if nothing is due: it records them."""
        while self._to_signal:
            attempt, kill = self._to_signal.pop(0)
            self._runner(attempt).stop(attempt, kill=kill)
        if not self._active:
            time.sleep(seconds)
            self._tell_trouble()
            return []
        self._selector.select(seconds)
        ended = []
        for runner in self.runners.values():
            for id_, news in runner.news():
                if (over := self._hear(id_, news)) is not None:
                    ended.append(over)
        self._tell_trouble()
        return ended

    def wait_unrecorded(self, seconds: float) -> bool:
        """Wait without collecting or recording anything. Returns whether any attempt is still executing."""
        time.sleep(seconds)
        return any([runner.any_left() for runner in self.runners.values()])

    def stop_unrecorded(self) -> None:
        for active in self._active.values():
            self._runner(active.attempt).stop(active.attempt, kill=False)

    def _tell_trouble(self) -> None:
        """Record which places do not respond, and report each change once. Their runs continue and are not called lost."""
        troubles = {place: trouble for place, runner in self.runners.items() if (trouble := runner.trouble)}
        if troubles == self._troubles:
            return
        with self.context.store.transaction():
            self.context.update_loop(unreachable=troubles)
            for place in troubles.keys() - self._troubles.keys():
                self.context.log_event(EventKind.NOTE, f"{troubles[place]}; its runs continue, and requests to it wait")
            for place in self._troubles.keys() - troubles.keys():
                self.context.log_event(EventKind.NOTE, f"{place} is reachable again")
        self._troubles = troubles

    def _hear(self, id_: str, news: Acceptance | PlaceWait | CommandStart | End) -> EndedAttempt | None:
        """Record a runner's news of an attempt. Returns the ended attempt if it has ended."""
        active = next((each for each in self._active.values() if each.attempt.id == id_), None)
        if active is None:
            return None
        if isinstance(news, End):
            del self._active[active.attempt.slot]
            return self._collect(active.attempt, active.run, active.follower, news)
        run = active.run
        if isinstance(news, Acceptance):
            active.attempt = msgspec.structs.replace(active.attempt, handle=news.handle)
        elif isinstance(news, PlaceWait):
            run = run_waits(run, news.why)
        else:
            active.attempt, run = attempt_begun(active.attempt, news.since, news.node), run_begun(run, news.since)
        with self.context.store.transaction():
            self.context.store.put_attempt(active.attempt, self.context.loop_id)
            self.put(active, run)
            if isinstance(news, CommandStart):
                text = f"{run.name} ({run.id}) runs on {news.node}"
                self.context.log_event(EventKind.RUN_BEGUN, text, run.id)
        return None

    def follow_progress(self) -> set[str]:
        """Read new output of the runs; record their progress at most every PROGRESS_EVERY seconds.

        Returns the ids of the attempts that have new output.
        """
        due = self._due()
        fresh = set()
        for active in self._active.values():
            if active.attempt.id not in due:
                continue
            new, left = read_on(active.follower, due[active.attempt.id])
            if new:
                fresh.add(active.attempt.id)
            if left:
                self._unread.add(active.attempt.id)
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

    def _due(self) -> dict[str, Changes]:
        """The attempts that may have unread output, each with the files that changed if they are known."""
        unread, self._unread = self._unread, set()
        if self._files is None:
            if not self._active:
                return dict.fromkeys(unread)
            self._files = FileWatch(LOG.warning)
            self._selector.register(self._files.fileno(), selectors.EVENT_READ)
        executing = {active.attempt.id for active in self._active.values()}
        if executing != self._followed:
            self._followed = executing
            self._files.follow({active.attempt.id: written_in(active.attempt) for active in self._active.values()})
        return self._files.due() | dict.fromkeys(unread)

    def put(self, active: ActiveAttempt, run: Run) -> None:
        """Record a changed version of an executing run."""
        active.run = run
        self.context.store.put_run(run)

    # ---------------------------------------------------------------------------------------------------------- ending

    def _collect(self, attempt: Attempt, run: Run, follower: Follower, end: End) -> EndedAttempt:
        """The ended attempt, to be recorded by the next `_record`."""
        if isinstance(end, AttemptExit):
            return self._ended(attempt, run, follower, end.record, taken=end.taken)
        if not end.started:
            # Perhaps because of a full disk: then this raises, and the run waits, as if this process could not start it.
            try_writing(Path(attempt.directory))
            attempt = msgspec.structs.replace(attempt, unstarted=True)
        return self._ended(attempt, run, follower, None, lost=end.reason, taken=end.taken)

    def _ended(
        self,
        attempt: Attempt,
        run: Run,
        follower: Follower,
        record: ExitRecord | None,
        lost: str | None = None,
        taken: Taken | None = None,
    ) -> EndedAttempt:
        LOG.debug("%s has ended: %s", attempt.id, lost or record)
        ended_at = (record.ended_at if record else None) or self.context.clock()
        attempt = attempt_ended(attempt, record, ended_at, lost, taken)
        self._unrecorded.append((attempt, None))
        return EndedAttempt(attempt, run, follower)

    # -------------------------------------------------------------------------------------------------------- stopping

    def stop(self, run_id: str, cause: StopCause, *, kill: bool = False) -> bool:
        """Ask a run to end. Returns False if it is not executing.

        The cause is recorded now; `wait` sends the signal, after the caller's transaction (if any) has been committed.
        """
        for active in self._active.values():
            if active.run.id == run_id:
                # A kill replaces the cause of an earlier stop, because the kill is what ends the process tree.
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

    def recover(self) -> list[EndedAttempt]:
        """Take over running attempts, collect those that ended, and give up those that vanished. Call before scheduling.

        Returns the attempts that ended while there was no engine; the caller settles them.
        """
        ended: list[EndedAttempt] = []
        for attempt in self.context.store.open_attempts(self.context.loop_id):
            run = self.context.store.run(attempt.run)
            if attempt.ended_at is not None:
                ended.append(EndedAttempt(attempt, run, self._follow(attempt, run)))
                continue
            found = self._runner(attempt).reattach(attempt)
            if not isinstance(found, OngoingAttempt):
                ended.append(self._collect(attempt, run, self._follow(attempt, run), found))
                continue
            if attempt.handle is None and found.handle is not None:
                attempt = msgspec.structs.replace(attempt, handle=found.handle, started_at=attempt.created_at)
                with self.context.store.transaction():
                    self.context.store.put_attempt(attempt, self.context.loop_id)
            self._active[attempt.slot] = ActiveAttempt(attempt, run, self._follow(attempt, run))
            self.context.log_event(EventKind.RUN_ADOPTED, f"{run.name} ({run.id}) kept running {found.how}", run.id)
            if attempt.stop:
                self._runner(attempt).stop(attempt, kill=attempt.kill)
        self._record()
        return ended
