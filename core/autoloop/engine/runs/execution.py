"""The runs that are executing: start one in a slot, notice its end, stop it, take it over after a crash.

Writing order: record the intent, make the attempt's directory, start the supervisor, record its handle. A crash between any
two steps is put right by `recover`. Each record waits for the disk while a slot is free: what has happened (ends, handles)
is recorded together with the next intent; `recover` finds in the attempts' own files what was not.
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
from autoloop.engine.runs.following import follow_attempt, with_progress, written_in
from autoloop.engine.runs.launching import Launcher
from autoloop.file_watch import FileWatch
from autoloop.metric_readers import Follower
from autoloop.model import Attempt, EventKind, ExitRecord, LoopSpec, Run, Slot, StopCause, Taken, UserError
from autoloop.model.transitions import attempt_begun, attempt_ended, attempt_stopping, run_begun, run_stopping, run_waits
from autoloop.runners.runner import End, Followed, Handed, Runner, Runs, Vanished, Waits
from autoloop.runners.runner import Ended as Recorded

LOG = logging.getLogger(__name__)

SIP = 128 << 10
"""Bytes of one history read at a time, and how long the engine reads on at one turn: it has commands to obey meanwhile."""
READING = 0.1

PROGRESS_EVERY = 2.0
"""Seconds between two records of how far the runs are; clients read the histories themselves for more."""


@dataclass
class Active:
    """One attempt that is executing: its runner tells of its end, its history is followed."""

    attempt: Attempt
    run: Run
    follower: Follower


@dataclass(frozen=True)
class Ended:
    """An attempt that has ended and whose slot is free; what it reached is not settled yet."""

    attempt: Attempt
    run: Run
    follower: Follower


class Execution:
    """Owns the attempts that execute. Only the engine's thread touches it; `close` leaves every run running."""

    def __init__(
        self, context: Context, spec: Callable[[], LoopSpec], runners: Mapping[str, Runner], *, max_log: int
    ) -> None:
        """`spec`: the loop's spec as a run that starts now gets it. `runners`: one for each place; they are closed with
        this. `max_log`: bytes of an attempt's log that are kept."""
        self.context = context
        self.runners = runners
        self._spec = spec
        self._launcher = Launcher(context, max_log)
        self._active: dict[int, Active] = {}
        """By slot index."""
        self._selector = selectors.DefaultSelector()
        for runner in runners.values():
            self._selector.register(runner.fileno(), selectors.EVENT_READ)
        self._files: FileWatch | None = None
        """Tells whose files have changed; there from the first attempt on."""
        self._followed: set[str] = set()
        self._unread: set[str] = set()
        """Attempts that have written more than was read at one turn."""
        self._to_signal: list[tuple[Attempt, bool]] = []
        self._unrecorded: list[tuple[Attempt, tuple[str, str] | None]] = []
        """What has happened to attempts, and what to say of it: the run's id and a text."""
        self._recorded_at = 0.0
        self._troubles = dict(context.loop.unreachable)

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
            active.follower.close()
        self._active.clear()
        self._selector.close()
        for runner in self.runners.values():
            runner.close()
        if self._files is not None:
            self._files.close()
            self._files = None

    # -------------------------------------------------------------------------------------------------------- starting

    def start(self, due: Sequence[tuple[Run, Slot]]) -> list[Ended]:
        """Launch the next attempt of each run in its slot, and record what has ended before. What goes wrong with an attempt
        here ends it, not the engine: it is returned."""
        failed = [ended for run, slot in due if (ended := self._start(run, slot)) is not None]
        self._record()
        return failed

    def _start(self, run: Run, slot: Slot) -> Ended | None:
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
        self._active[attempt.slot] = Active(attempt, run, self._follow(attempt, run))
        return None

    def _record(self, intent: Intent | None = None) -> None:
        """Record what has happened, and what is to happen next."""
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
        """Whether its supervisor was started before the descriptors or processes ran out; if not, it never will be."""
        found = self._runner(attempt).reattach(attempt)
        return not (isinstance(found, Vanished) and not found.started)

    def _runner(self, attempt: Attempt) -> Runner:
        return self.runners[attempt.place]

    def _follow(self, attempt: Attempt, run: Run) -> Follower:
        return follow_attempt(attempt, run, self.context.spec, self.context.preset)

    # --------------------------------------------------------------------------------------------------------- waiting

    def wait(self, seconds: float) -> list[Ended]:
        """Wait until an attempt ends or writes, or `seconds` have passed; returns those that ended, their slots free
        again. `start` comes next and records them, even if nothing is due."""
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
        """Wait, and collect and record nothing; whether any attempt still executes."""
        time.sleep(seconds)
        return any([runner.any_left() for runner in self.runners.values()])

    def stop_unrecorded(self) -> None:
        for active in self._active.values():
            self._runner(active.attempt).stop(active.attempt, kill=False)

    def _tell_trouble(self) -> None:
        """Record which places do not answer, and tell of it once. Their runs go on, and nothing is called lost for it."""
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

    def _hear(self, id_: str, news: Handed | Waits | Runs | End) -> Ended | None:
        """Record what a runner tells of an attempt; that it has ended, if so."""
        active = next((each for each in self._active.values() if each.attempt.id == id_), None)
        if active is None:
            return None
        if isinstance(news, End):
            del self._active[active.attempt.slot]
            return self._collect(active.attempt, active.run, active.follower, news)
        run = active.run
        if isinstance(news, Handed):
            active.attempt = msgspec.structs.replace(active.attempt, handle=news.handle)
        elif isinstance(news, Waits):
            run = run_waits(run, news.why)
        else:
            active.attempt, run = attempt_begun(active.attempt, news.since, news.node), run_begun(run, news.since)
        with self.context.store.transaction():
            self.context.store.put_attempt(active.attempt, self.context.loop_id)
            self.put(active, run)
            if isinstance(news, Runs):
                text = f"{run.name} ({run.id}) runs on {news.node}"
                self.context.log_event(EventKind.RUN_BEGUN, text, run.id)
        return None

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
            self._selector.register(self._files.fileno(), selectors.EVENT_READ)
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

    def _collect(self, attempt: Attempt, run: Run, follower: Follower, end: End) -> Ended:
        """How an attempt ended; recorded soon."""
        if isinstance(end, Recorded):
            return self._ended(attempt, run, follower, end.record, taken=end.taken)
        if not end.started:
            # Perhaps for lack of space: then it waits, as it does if this process could not start it.
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
    ) -> Ended:
        LOG.debug("%s has ended: %s", attempt.id, lost or record)
        ended_at = (record.ended_at if record else None) or self.context.clock()
        attempt = attempt_ended(attempt, record, ended_at, lost, taken)
        self._unrecorded.append((attempt, None))
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
            found = self._runner(attempt).reattach(attempt)
            if not isinstance(found, Followed):
                ended.append(self._collect(attempt, run, self._follow(attempt, run), found))
                continue
            if attempt.handle is None and found.handle is not None:
                attempt = msgspec.structs.replace(attempt, handle=found.handle, started_at=attempt.created_at)
                with self.context.store.transaction():
                    self.context.store.put_attempt(attempt, self.context.loop_id)
            self._active[attempt.slot] = Active(attempt, run, self._follow(attempt, run))
            self.context.log_event(EventKind.RUN_ADOPTED, f"{run.name} ({run.id}) kept running {found.how}", run.id)
            if attempt.stop:
                self._runner(attempt).stop(attempt, kill=attempt.kill)
        self._record()
        return ended
