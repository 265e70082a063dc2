"""The engine: one process that drives one loop from its first run to its end. It waits for ends, commands and deadlines."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from autoloop import reports
from autoloop.engine import budget, events, halts, rounds
from autoloop.engine.admission import Admission
from autoloop.engine.checks import load_rules, load_until
from autoloop.engine.commands import Commands
from autoloop.engine.context import Context, Listener
from autoloop.engine.execution import Ended, Execution
from autoloop.engine.live import LiveRules
from autoloop.engine.lock import EngineLock
from autoloop.engine.online import Online
from autoloop.engine.outcome import settle
from autoloop.engine.scheduler import assign
from autoloop.engine.space import shortage
from autoloop.engine.watch import Watch
from autoloop.launch import load_preset
from autoloop.model import Event, Loop, LoopState, ProposalStatus, Round, RoundState, Run, RunState, UserError
from autoloop.settings import load_settings
from autoloop.store import Store, StoreTrouble

ROWS = 500
"""Decoded rows kept in memory: it works on one round, however many there were before."""

TICK = 0.2
"""Seconds at most between two looks at the change counter; an ending run wakes the engine at once."""

LONGEST_WAIT = 30.0
"""Seconds at most between two tries to go on after the store could not be written."""


class Engine:
    """Drives one loop. `run` returns when the loop has ended, or when `leave` was called (its runs then go on)."""

    def __init__(self, store: Store, loop: Loop, listener: Listener | None = None) -> None:
        project = Path(loop.spec.cwd)
        settings = load_settings(project)
        metrics = settings.metric_book(project)
        rules = load_rules(loop.spec.rules, metrics)
        self.store = store
        store.remembered = ROWS
        self.context = Context(
            store=store,
            loop_id=loop.id,
            spec=loop.spec,
            preset=load_preset(loop.spec.preset),
            metrics=metrics,
            fields=settings.field_types(),
            rules=rules,
            max_log=settings.max_log_mb << 20,
            min_free=int(settings.min_free_gb * 1e9),
            until=load_until(loop.spec, rules, metrics),
            listener=listener,
        )
        self.online = Online(self.context)
        self._know_nothing()
        self.on_turn: Callable[[], object] = lambda: None
        """Called at each turn of the loop, a few times a second, by the thread that drives it."""
        self._leaving: str | None = None
        self._asked: list[Callable[[], object]] = []
        self._patience = 0.5
        self._outlasted: str | None = None
        """The trouble that is over and has not been told yet."""
        self._waiting_said: str | None = None
        """What was last said to be waited for."""
        self._quiet = False
        self._unreported = False

    def _know_nothing(self) -> None:
        """As an engine that was just started: what executes is in the store and the process table."""
        self.execution = Execution(self.context, self.online.spec)
        self.admission = Admission(self.context)
        self.watch = Watch(self.context, self.execution)
        self.live = LiveRules(self.context, self.execution)
        self.commands = Commands(self.context, self.execution, self.live)
        self._version: int | None = None

    # ------------------------------------------------------------------------------------------- called by signal handlers

    def leave(self, reason: str) -> None:
        """End this process soon; runs go on and the next engine takes them over."""
        self._leaving = reason

    def stop_soon(self, reason: str, *, kill: bool = False) -> None:
        """Stop the loop at the next turn."""
        self._asked.append(lambda: self.commands.stop_loop(reason, kill=kill))

    # -------------------------------------------------------------------------------------------------------------- life

    def run(self) -> Loop:
        lock = EngineLock(self.context.places.lock(self.context.loop.name))
        holder = lock.acquire()
        if holder:
            raise UserError(
                f"{self.context.loop.name} is driven by process {holder.pid} on {holder.host} already; "
                "`autoloop-tui status` shows it."
            )
        try:
            while True:
                try:
                    return self._drive()
                except (StoreTrouble, OSError) as trouble:
                    # As an engine that was killed here: what is half done in memory is forgotten, and recovered.
                    self._outlast(trouble)
                    self.execution.close()
                    self._know_nothing()
        finally:
            self.online.close()
            self.execution.close()
            lock.release()

    def _drive(self) -> Loop:
        if not self._leaving:
            self._begin()
        while not self._leaving and not self._done():
            self._turn()
        loop = self.context.loop
        if self._leaving:
            self.context.say(events.NOTE, f"the engine leaves ({self._leaving}); running runs go on without it")
        else:
            self.context.say(events.LOOP_ENDED, f"{loop.name} {loop.state.value}: {loop.reason}")
            if loop.state is not LoopState.FINISHED:
                self._write_report()
        return loop

    def _outlast(self, trouble: StoreTrouble | OSError) -> None:
        """Wait until the store can be written again, longer each time that this was not enough; runs go on meanwhile.

        Raises UserError where this process is to leave, and where the store has been deleted and the last run has ended.
        """
        words = " ".join(str(trouble).split())
        self._tell_unrecorded(f"no run is started and nothing is recorded until this is over: {words}")
        self._patience = min(self._patience * 2, LONGEST_WAIT)
        again = time.monotonic() + self._patience
        while True:
            executing = self.execution.wait_unrecorded(TICK)
            if self._leaving:
                raise UserError(f"The engine leaves ({self._leaving}); running runs go on without it. Before: {words}")
            if self.store.gone():
                if self._asked:
                    self._asked.clear()
                    self.execution.stop_unrecorded()
                if executing:
                    continue
                raise UserError(
                    f"{self.store.places.home} was deleted or moved while {self.context.loop.name} was driven; its runs "
                    f"have ended, and nothing more can be recorded. What they wrote is in {self.context.loop.output_dir}."
                )
            if time.monotonic() >= again:
                again = time.monotonic() + self._patience
                with contextlib.suppress(StoreTrouble):
                    self.store.probe()
                    self._outlasted = words
                    return

    def _tell_unrecorded(self, text: str) -> None:
        if self.context.listener:
            self.context.listener(
                Event(id=0, loop=self.context.loop_id, at=self.context.clock(), kind=events.NOTE, text=text)
            )

    def _begin(self) -> None:
        """Recover before anything is scheduled."""
        loop = self.context.loop
        if loop.state is LoopState.STOPPED and not self._outlasted:
            now = self.context.clock()
            self.context.update_loop(state=LoopState.ACTIVE, reason=None, ended_at=None, resumed_at=now)
        if not self._outlasted:
            self.online.begin()
        ended = self.execution.recover()
        self.admission.ended(ended)
        self.live.follow_up(ended)
        self._settle_all(ended)
        # The last engine may have ended between a result and its line in the report.
        self._tell(reports.write_summary(self.store, loop.id))
        # A loop that has finished goes on if a run of it is to be extended.
        self.commands.apply_all()
        if self._outlasted:
            self.context.say(events.NOTE, f"the loop goes on; nothing could be recorded for a while: {self._outlasted}")
            self._outlasted = None

    def _done(self) -> bool:
        return self.context.loop.state is not LoopState.ACTIVE and not self.execution.active

    def _turn(self) -> None:
        """One turn: commands, rounds, starts, then wait. What ended first frees its slot and is settled afterwards."""
        if self.store.gone():
            raise StoreTrouble(f"{self.store.places.home} was deleted or moved: bring it back, and the loop goes on.")
        self._obey()
        if self.context.loop.state is LoopState.ACTIVE:
            self._advance()
            if self._unreported:
                self._write_report()
            self._settle_all(self._fill_slots())
            self._stop_if_spent()
        if self._done():
            return
        ended = self.execution.wait(TICK)
        if ended:
            self.admission.ended(ended)
            self.live.follow_up(ended)
            ended += self._fill_slots()
        self._settle_all(ended)
        self.live.look(self.execution.follow_progress())
        self.watch.look()
        self.online.look()
        self.on_turn()

    def _obey(self) -> bool:
        """Do what was asked since last time; False if this process is to leave."""
        while self._asked:
            self._asked.pop(0)()
        version = self.store.version()
        if version != self._version:
            self._version = version
            self.commands.apply_all()
        return self._leaving is None

    def _fill_slots(self) -> list[Ended]:
        loop = self.context.loop
        starting = loop.state is LoopState.ACTIVE and not (loop.paused or self.online.must_wait)
        queue = self._with_room(loop, self._allowed(loop)) if starting else []
        free = [slot for slot in loop.spec.slots if slot.index not in self.execution.busy]
        places = assign(queue, self.admission.admit(free, len(queue)), self.execution.busy)
        started = [self.execution.start(run, slot) for run, slot in places]
        return [ended for ended in started if ended is not None]

    def _with_room(self, loop: Loop, queue: list[Run]) -> list[Run]:
        """`queue`, or nothing while a disk has too little room for another run; that is said once."""
        lacking = None
        if assign(queue, loop.spec.slots, self.execution.busy):
            lacking = shortage((self.context.places.home, Path(loop.output_dir)), self.context.min_free)
        if lacking != loop.waits_for and (lacking is None or loop.waits_for is None):
            with self.store.transaction():
                self.context.update_loop(waits_for=lacking)
                self.context.say(events.NOTE, f"no run is started: {lacking}" if lacking else "runs are started again")
        return [] if lacking else queue

    def _allowed(self, loop: Loop) -> list[Run]:
        """What of the queue may start now, by the loop's budget and the hour of the day."""
        queue, now = self.store.queued(loop.id), self.context.clock()
        if not queue or (loop.deadline is not None and now >= loop.deadline):
            return []
        quiet = budget.quiet_until(loop.spec.quiet_hours, now)
        if quiet is not None and not self._quiet:
            self.context.say(events.WAITING, f"{budget.quiet_in_words(quiet)}; running runs go on")
        self._quiet = quiet is not None
        return [] if quiet is not None else budget.affordable(loop, queue, self._started(loop))

    def _started(self, loop: Loop) -> int:
        """Runs that have been started; counted only where that is limited."""
        return 0 if loop.max_runs is None else self.store.started_runs(loop.id)

    def _stop_if_spent(self) -> None:
        """Its running runs are let end: short as they are, what they have computed is worth more than the minutes."""
        loop, now = self.context.loop, self.context.clock()
        if loop.state is not LoopState.ACTIVE or self.execution.active or (loop.deadline is None and loop.max_runs is None):
            return
        started = self._started(loop)
        queue = self.store.queued(loop.id)
        over = loop.deadline is not None and now >= loop.deadline
        if over or (queue and not budget.affordable(loop, queue, started)):
            self._stop(budget.spent(loop, started, now) or "stopped by its budget")

    def _settle_all(self, ended: list[Ended]) -> None:
        for each in ended:
            run = settle(self.context, each, self._obey)
            if run is None:
                return
            if behind := self.online.left_behind(run):
                run = msgspec.structs.replace(run, wandb_sync=behind)
                with self.store.transaction():
                    self.store.put_run(run)
            self._tell(reports.write_run(self.store, run))
            failed = run.state in (RunState.FAILED, RunState.LOST)
            if failed and self.context.loop.state is LoopState.ACTIVE and (reason := halts.broken(self.context, run)):
                self.commands.stop_loop(reason)

    # ------------------------------------------------------------------------------------------------------------ rounds

    def _advance(self) -> None:
        """Move the loop on as far as it goes without waiting."""
        current = self.store.rounds(self.context.loop_id)[-1]
        runs = self.store.runs(self.context.loop_id, current.number)
        if current.state is RoundState.RUNNING and all(run.state.ended for run in runs):
            self._end_round(current, runs)
            current = self.store.rounds(self.context.loop_id)[-1]
        if current.state is RoundState.DECIDING and self.context.loop.state is LoopState.ACTIVE:
            self._decide(current)
        elif current.state is RoundState.DONE:
            self._finish_loop()

    def _end_round(self, round_: Round, runs: list[Run]) -> None:
        finished = [run for run in runs if run.state is RunState.FINISHED]
        text = f"round {round_.number} ended: {len(finished)} of {len(runs)} runs finished"
        self.context.say(events.ROUND_ENDED, text)
        met = rounds.winners(self.context, finished)
        spec = self.context.spec
        if met:
            self.context.update_loop(winner=met[0].id)
            self._finish(round_, f"{met[0].name} ({met[0].id}) meets --until {spec.until}")
        elif round_.number >= spec.rounds or not spec.decide:
            self._finish(round_, f"all {round_.number} rounds done" if round_.number > 1 else "its round is done")
        elif not finished:
            self._stop("no run of the round finished, so nothing can be judged; `autoloop-tui retry RUN` queues one again")
        else:
            rounds.judge_round(self.context, round_, runs)
        self._report()

    def _decide(self, round_: Round) -> None:
        """Start the next round when the policy, the clock or a person says so."""
        loop = self.context.loop
        policy = self.context.spec.approve
        due = policy == "auto" or (round_.decide_by is not None and self.context.clock() >= round_.decide_by)
        if due and not loop.held:
            with self.store.transaction():
                # Also of what a person proposed since: where nobody is asked, nothing waits for anybody.
                rounds.approve_by_policy(self.context, round_.number)
        proposals = rounds.for_next_round(self.context, round_.number)
        pending = [p for p in proposals if p.status is ProposalStatus.PENDING]
        approved = [p for p in proposals if p.status is ProposalStatus.APPROVED]
        asked, self.commands.start_asked = self.commands.start_asked, False
        start_at = rounds.start_due(self.context, proposals)
        if approved and (asked or (start_at is not None and self.context.clock() >= start_at)):
            if not rounds.start_round(self.context, round_):
                self._stop("no approved proposal could be started; their bases have changed")
            self._waiting_said = None
            self._report()
        elif start_at != round_.start_at:
            self._announce_start(round_, start_at)
        elif not proposals:
            self._finish(round_, "No next-round jobs were generated by rules; stopping.")
        elif policy != "manual" and all(p.status is ProposalStatus.BLOCKED for p in proposals):
            self._finish(
                round_, f"every proposal for round {round_.number + 1} is blocked; the first: {proposals[0].blocked}"
            )
        elif start_at is None:
            # Said again when it has become another wait, not for each decision.
            kind = "decision" if pending else "start" if approved else "proposal"
            if kind != self._waiting_said:
                self._waiting_said = kind
                self.context.say(events.WAITING, self._waiting(round_, len(pending), bool(approved)))

    def _announce_start(self, round_: Round, start_at: float | None) -> None:
        """All is decided: say when the next round starts. None: that was undone, or the round is held."""
        with self.store.transaction():
            self.store.put_round(msgspec.structs.replace(round_, start_at=start_at))
            if start_at is not None:
                text = f"round {round_.number + 1} starts in {max(0.0, start_at - self.context.clock()):.0f} s"
                self.context.say(events.WAITING, f"{text}; until then {rounds.WAYS_BACK}")
        self._waiting_said = None

    def _waiting(self, round_: Round, pending: int, approved: bool) -> str:
        number = round_.number + 1
        if pending:
            text = f"round {number} waits for a decision on {pending} proposal{'s' if pending > 1 else ''}"
        elif approved:
            text = f"round {number} is held; `autoloop-tui start` starts it"
        else:
            return f"round {number} has no approved proposal; propose one, edit a blocked one, or stop the loop"
        policy = rounds.approve_after(self.context.spec.approve)
        return text + (f"; approved by itself after {policy / 60:.0f} min" if policy else "")

    def _finish(self, round_: Round, reason: str) -> None:
        now = self.context.clock()
        with self.store.transaction():
            self.store.put_round(
                msgspec.structs.replace(round_, state=RoundState.DONE, ended_at=round_.ended_at or now)
            )
            self.context.update_loop(reason=reason)
            self._finish_loop()

    def _finish_loop(self) -> None:
        """The loop has finished once no run is left: one that was extended may outlast the last round.

        Its report is written before that is committed and not afterwards: no engine comes back to a loop that has
        finished, to put right what a kill has torn.
        """
        loop = self.context.loop
        if loop.state is LoopState.ACTIVE and all(run.state.ended for run in self.store.runs(loop.id)):
            reason = loop.reason or "its rounds are done"
            with self.store.transaction():
                self.context.update_loop(state=LoopState.FINISHED, reason=reason, ended_at=self.context.clock())
                self._write_report()

    def _stop(self, reason: str) -> None:
        """The round stays as it is: once the reason is gone, `autoloop-tui resume` goes on from here."""
        self.context.update_loop(state=LoopState.STOPPED, reason=reason, ended_at=self.context.clock())

    # ----------------------------------------------------------------------------------------------------------- reports

    def _report(self) -> None:
        """Write the report at the end of this step, once for all that happens in it; a finished loop's is written."""
        self._unreported = self.context.loop.state is not LoopState.FINISHED

    def _write_report(self) -> None:
        self._unreported = False
        self._tell(reports.write_markdown(self.store, self.context.loop_id, self.context.metrics))

    def _tell(self, problem: str | None) -> None:
        """A report that cannot be written is said and does not stop the loop: it can be regenerated from the store."""
        if problem:
            self.context.say(events.NOTE, problem)


def drive(engine: Engine, *, foreground: bool = False) -> Loop:
    """Run an engine in this process until its loop ends, with the signals a long-lived process meets.

    SIGHUP (a closed terminal) changes nothing. SIGTERM makes the engine leave while its runs go on. In the foreground,
    Ctrl-C stops the loop cleanly, a second one kills its runs.
    """
    interrupts = 0

    def interrupted(*_: object) -> None:
        nonlocal interrupts
        interrupts += 1
        engine.stop_soon("stopped by Ctrl-C", kill=interrupts > 1)

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: engine.leave("SIGTERM"))
    signal.signal(signal.SIGINT, interrupted if foreground else signal.SIG_IGN)
    return engine.run()
