"""The engine: one process that runs one loop from its first run to its end. It waits for ended runs, commands and
deadlines."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from functools import partial

import msgspec

from autoloop.engine.base.context import Context
from autoloop.engine.base.events import EventLog, Listener
from autoloop.engine.commands.dispatch import Commands
from autoloop.engine.commands.loop import stop_loop
from autoloop.engine.driver.hook_sender import HookSender
from autoloop.engine.driver.lock import EngineLock
from autoloop.engine.driver.outage import Outage
from autoloop.engine.planning.checks import load_until
from autoloop.engine.planning.frozen import load_sources
from autoloop.engine.rounds.halving import Halving
from autoloop.engine.rounds.judging import Judging
from autoloop.engine.rounds.keeping import keep_after_round
from autoloop.engine.rounds.live_proposals import LiveProposals
from autoloop.engine.rounds.live_rules import LiveRules
from autoloop.engine.rounds.progression import LoopProgression
from autoloop.engine.rounds.proposals import Proposals
from autoloop.engine.rounds.reporting import Reporting
from autoloop.engine.runs import circuit_breaker
from autoloop.engine.runs.execution import ActiveAttempt, EndedAttempt, Execution
from autoloop.engine.runs.gpu_sampling import GpuSampling
from autoloop.engine.runs.outcome import settle
from autoloop.engine.runs.places import runners_for
from autoloop.engine.runs.retries import shortage_met
from autoloop.engine.runs.watchdog import Watchdog
from autoloop.engine.scheduling.budget_watch import BudgetWatch
from autoloop.engine.scheduling.scheduler import Scheduler
from autoloop.engine.scheduling.wandb_status import WandbStatus
from autoloop.model import EventKind, Loop, LoopEnd, LoopState, RunState, UserError
from autoloop.model.transitions import loop_resumed
from autoloop.protocol import Kill, Stop
from autoloop.store import Command, Store, StoreUnavailableError

LOG = logging.getLogger(__name__)

ROWS, CACHE = 200, 256
"""Decoded rows, and KiB of the database, kept in memory. Small, because the engine works on one round at a time."""

TICK = 0.2
"""Maximum seconds between two reads of the change counter. A run that ends wakes the engine immediately."""


SLOW_TURN = 0.5
"""A turn that works for more than this many seconds is logged, because commands and free slots waited for it."""


class Engine:
    """Drives one loop. Clients use it through `LoopDriver`."""

    def __init__(self, store: Store, loop: Loop) -> None:
        sources = load_sources(store.places, loop)
        settings = sources.settings
        self.notes = sources.notes
        self.store = store
        store.remember(ROWS, CACHE)
        self.context = Context(
            store=store,
            loop_id=loop.id,
            spec=loop.spec,
            preset=sources.preset,
            metrics=sources.metrics,
            rules=sources.rules,
            events=EventLog(store, loop.id),
            agents=settings.agents,
            hooks=settings.hooks,
        )
        self._max_log, self._min_free = settings.max_log, settings.min_free
        self.wandb = WandbStatus(self.context)
        self.outage = Outage(self.context)
        self.hook_sender = HookSender(self.context)
        self.reporting = Reporting(self.context)
        self.proposals = Proposals(self.context, settings.field_types())
        until = load_until(loop.spec, sources.rules, sources.metrics)
        judging = Judging(self.context, self.proposals, until, self._interrupted)
        keep = partial(keep_after_round, self.context, settings)
        self.progression = LoopProgression(self.context, self.proposals, judging, self.reporting, self._interrupted, keep)
        self._on_turn: Callable[[], object] | None = None
        self._leaving: str | None = None
        self._stops_asked: list[tuple[LoopEnd, bool]] = []
        """The reason of each requested stop, and whether to kill."""
        self._reset_runtime_state()

    def _reset_runtime_state(self) -> None:
        """Start from the state of a new engine: executing runs are found in the store and the process table."""
        self.context.forget()
        self.execution = Execution(
            self.context, self.wandb.spec, runners_for(self.context.spec, self._max_log), max_log=self._max_log
        )
        self.scheduler = Scheduler(self.context, self.execution, self.wandb, min_free=self._min_free)
        self.live_proposals = LiveProposals(self.context, self.execution, self.proposals)
        self.live_rules = LiveRules(self.context, self.execution, self.live_proposals)
        self.halving = Halving(self.context, self.execution, self.proposals, self.scheduler.reserve)
        self.watchdog = Watchdog(self.context, self.execution)
        self.budget = BudgetWatch(self.context)
        self.gpu_sampling = GpuSampling(self.context, self.execution)
        self.commands = Commands(self.context, self.execution, self.proposals, self.live_proposals)
        self._version: int | None = None

    # ------------------------------------------------------------------------------------------- called by signal handlers

    def leave(self, reason: str) -> None:
        """End this process soon. Runs continue, and the next engine takes them over."""
        self._leaving = reason

    def stop_soon(self, end: LoopEnd, *, kill: bool = False) -> None:
        """Stop the loop in the next turn."""
        self._stops_asked.append((end, kill))

    # -------------------------------------------------------------------------------------------------------------- life

    def run(self, on_event: Listener | None = None, on_turn: Callable[[], object] | None = None) -> Loop:
        """Run the loop until it ends or `leave` is called. Raises UserError if another engine is running it.

        Both callbacks run in this thread: `on_event` for each event as it is recorded, `on_turn` once per turn, a few times
        per second.
        """
        self.context.events.listener = on_event
        self._on_turn = on_turn
        lock = EngineLock(self.context.places.lock(self.context.loop.name))
        try:
            holder = lock.acquire()
        except OSError as error:
            raise UserError(
                f"{self.context.loop.name} cannot be run now: {self.context.places.home} cannot be written "
                f"({error.strerror}); `autoloop-tui resume` continues it once that is fixed."
            ) from None
        if holder:
            raise UserError(f"{self.context.loop.name} is already being run by {holder.words}; see `autoloop-tui status`.")
        LOG.debug("process %s drives %s", os.getpid(), self.context.loop.name)
        try:
            while True:
                try:
                    return self._drive(lock)
                except (StoreUnavailableError, OSError) as trouble:
                    # Behave like an engine that was killed here: discard unfinished work in memory, then recover.
                    LOG.debug("restarts after %s", type(trouble).__name__, exc_info=trouble)
                    self.outage.wait_until_writable(trouble, self.execution, lambda: self._leaving, self._take_stops)
                    self.execution.close()
                    self._reset_runtime_state()
        finally:
            self.hook_sender.close()
            self.wandb.close()
            self.gpu_sampling.close()
            self.execution.close()
            lock.release()

    def executing(self) -> list[ActiveAttempt]:
        """The attempts that are executing now."""
        return self.execution.executing

    def _take_stops(self) -> bool:
        asked = bool(self._stops_asked)
        self._stops_asked.clear()
        return asked

    def _drive(self, lock: EngineLock) -> Loop:
        if not self._leaving:
            self._begin()
        if not self._leaving and not self._done():
            self._turn()
        lock.at_work()
        while not self._leaving and not self._done():
            self._turn()
        loop = self.context.loop
        if self._leaving:
            self.reporting.flush()
            self.context.log_event(
                EventKind.ENGINE_LEFT, f"the engine exits ({self._leaving}); running runs continue without it"
            )
        else:
            self.context.log_event(EventKind.LOOP_ENDED, f"{loop.name} {loop.state.value}: {loop.reason}")
            if loop.state is not LoopState.FINISHED:
                self.progression.keep_result()
                self.reporting.finish()
        return self.context.loop

    def _begin(self) -> None:
        """Recover before anything is scheduled."""
        if not self.outage.past:
            if self.context.loop.state is LoopState.STOPPED:
                self.store.put_loop(loop_resumed(self.context.loop, self.context.clock()))
            for note in self.notes:
                self.context.log_event(EventKind.NOTE, note)
            self.wandb.begin()
        ended = self.execution.recover()
        self._free(ended)
        self._settle_all(ended)
        self.reporting.begin()
        # A command to extend a run makes a finished loop active again.
        self.commands.apply_all()
        self.outage.tell_past()

    def _done(self) -> bool:
        return self.context.loop.state is not LoopState.ACTIVE and not self.execution.busy

    def _turn(self) -> None:
        """Handle commands, advance rounds, start runs, then wait. Runs that ended release their slots first and are settled
        afterwards."""
        began = time.monotonic()
        if self.store.gone():
            raise StoreUnavailableError(
                f"{self.store.places.database} was deleted, moved, replaced or emptied: restore it to continue."
            )
        self.store.check_space()
        self._obey()
        if self.context.loop.state is LoopState.ACTIVE:
            self.progression.advance()
            self.reporting.write_if_due()
            self._settle_all(self._fill_slots())
            if end := self.scheduler.exhausted():
                self.progression.stop(end)
        if self._done():
            return
        busy = time.monotonic() - began
        if busy > SLOW_TURN:
            LOG.debug("a turn took %.1f s before it waited", busy)
        ended = self._wait()
        if ended:
            self._free(ended)
            ended += self._fill_slots()
        self._settle_all(ended)
        self.live_rules.look(self.execution.follow_progress())
        if self.context.loop.state is LoopState.ACTIVE:
            self.halving.look()
        self.watchdog.look()
        self.budget.look()
        self.gpu_sampling.look()
        self.wandb.look()
        self.hook_sender.look()
        if self._on_turn:
            self._on_turn()

    def _wait(self) -> list[EndedAttempt]:
        """Wait until an attempt ends, at most until the next turn. Live rules judge new output in the meantime."""
        deadline = time.monotonic() + TICK
        while True:
            ended = self.execution.wait(max(0.0, deadline - time.monotonic()))
            if ended or time.monotonic() >= deadline or self._leaving or self._stops_asked:
                return ended
            self.live_rules.look(self.execution.follow_progress())

    def _obey(self) -> bool:
        """Carry out new requests. Returns False if this process should leave."""
        while self._stops_asked:
            end, kill = self._stops_asked.pop(0)
            stop_loop(self.context, self.execution, self.live_proposals, end, kill=kill)
        version = self.store.version()
        if version != self._version:
            self._version = version
            self.commands.apply_all()
        return self._leaving is None

    def _interrupted(self) -> bool:
        """Whether a long step should be interrupted because the loop should stop or this process should leave."""
        if self._leaving or self._stops_asked:
            return True
        if self.store.version() == self._version:
            return False
        return any(_stops(command) for command in self.store.open_commands(self.context.loop_id))

    def _free(self, ended: list[EndedAttempt]) -> None:
        """Release the slots of ended attempts; successors of runs that live rules stopped get theirs first."""
        for each in ended:
            self.gpu_sampling.ended(each.attempt)
        self.scheduler.ended(ended)
        self.scheduler.reserve(self.live_proposals.follow_up(ended))

    def _fill_slots(self) -> list[EndedAttempt]:
        """Start the runs that may start now. Returns those that failed to start, as ended attempts."""
        return self.execution.start(self.scheduler.due())

    def _settle_all(self, ended: list[EndedAttempt]) -> None:
        for each in ended:
            run = settle(self.context, each, self._obey)
            if run is None:
                return
            if behind := self.wandb.left_behind(run):
                run = msgspec.structs.replace(run, wandb_sync=behind)
                with self.store.transaction():
                    self.store.put_run(run)
            if run.state is RunState.QUEUED and (short := shortage_met(self.context, run)):
                self.scheduler.held_back(short)
            self.reporting.settled(run)
            failed = run.state in (RunState.FAILED, RunState.LOST)
            if (
                failed
                and self.context.loop.state is LoopState.ACTIVE
                and (end := circuit_breaker.reason_to_stop(self.context, run))
            ):
                stop_loop(self.context, self.execution, self.live_proposals, end)


def _stops(command: Command) -> bool:
    try:
        return isinstance(command.request, Stop | Kill)
    except UserError:  # not a valid request; it is refused later
        return False
