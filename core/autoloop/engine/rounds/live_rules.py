"""Live rules at work: look at what runs in training have written, stop one that a rule fires on, relaunch it with edits.

What a rule asks for is a proposal that is marked `live`, in the store with its evidence before anything is done. Order:
proposal approved and stop recorded (one transaction) → the run is signalled and ends → its successor queued for the same
slot and the proposal launched (one transaction). Each step can be found out from the store, so an engine that was killed
between two of them goes on with the next.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from autoloop.engine.base.context import Context
from autoloop.engine.rounds.proposals import add_proposal, describe_changes, propose, variant_config
from autoloop.engine.rounds.variant_runs import queue_run, write_run
from autoloop.engine.runs.execution import Active, Ended, Execution
from autoloop.logs import log_lines
from autoloop.metric_readers import Lines
from autoloop.model import (
    Actor,
    EventKind,
    LapseKind,
    LiveContext,
    Proposal,
    ProposalStatus,
    Run,
    RunState,
    StopCause,
    StopKind,
    UserError,
)
from autoloop.model.transitions import proposal_blocked, proposal_decided, proposal_done, proposal_lapsed
from autoloop.rules import LiveFiring, LiveWatch, Rule, in_words, live_rules
from autoloop.secrets import mask_lines
from autoloop.text.plural import plural

LOG = logging.getLogger(__name__)

LOG_BUDGET = 1 << 20
"""Bytes of a log that are searched at one look; what a trainer prints beyond LOG_BACKLOG unread bytes is passed over."""
LOG_BACKLOG = 64 << 20
REST = 5.0
"""After a look the engine does other things for this many times as long: live rules take a sixth of its time at most."""


@dataclass
class _Watched:
    watch: LiveWatch
    log: Lines | None
    news: bool = True


class LiveRules:
    """Watches the executing attempts, one a turn. Belongs to the engine's thread."""

    def __init__(self, context: Context, execution: Execution) -> None:
        self.context = context
        self.execution = execution
        self.rules = live_rules(context.rules) if context.spec.live else []
        self._watched: dict[str, _Watched] = {}
        self._rest_until = 0.0

    # --------------------------------------------------------------------------------------------------------- looking

    def look(self, fresh: set[str]) -> None:
        """Judge one attempt that has something new. `fresh`: the attempts whose history has grown since the last turn."""
        if not self.rules:
            return
        active = {each.attempt.id: each for each in self.execution.active.values()}
        self._watched = {id_: watched for id_, watched in self._watched.items() if id_ in active}
        for id_ in fresh & self._watched.keys():
            self._watched[id_].news = True
        if time.monotonic() < self._rest_until:
            return
        for id_, each in active.items():
            if each.run.state is RunState.STOPPING:
                continue
            began = time.monotonic()
            try:
                looked = self._look_at(each)
            except Exception as error:
                # Somebody's rule, or ours: no fault in judging one run may end a loop of many.
                looked = True
                self._give_up(each, f"{type(error).__name__}: {error}" if not isinstance(error, UserError) else str(error))
            if looked:
                # The next look is another attempt's: this one goes to the end of the line.
                self._watched[id_] = self._watched.pop(id_)
                self._rest_until = time.monotonic() + REST * (time.monotonic() - began)
                return

    def _look_at(self, active: Active) -> bool:
        watched = self._watched.get(active.attempt.id) or self._begin(active)
        if watched.log is not None:
            watched.log.skip(LOG_BACKLOG)
            lines = watched.log.read(LOG_BUDGET)
            if lines:
                texts = [text for line in lines for text in log_lines(line)]
                watched.watch.read_log(mask_lines(texts, self.context.known(active.run)))
                watched.news = True
        step = active.follower.step
        if not watched.news or not watched.watch.rules or step >= active.run.total_steps > 0:
            return False  # a run that has made its last step has nothing left to be saved
        watched.news = False
        for firing in watched.watch.fired(active.follower.columns, step):
            watched.watch.silence(firing.rule.id)
            if self._act(active, firing, step):
                break
        return True

    def _begin(self, active: Active) -> _Watched:
        """What a rule has done to a run once, it does not do again: whoever retries or extends the run has seen it."""
        context, run = self.context, active.run
        done = {p.evidence.rule for p in self._of(run) if p.evidence and p.status is not ProposalStatus.LAPSED}
        # An extended run goes on towards many steps: its edits would begin all of them anew.
        rules = [r for r in self.rules if r.id not in done and not (run.resume and r.watch and r.watch.turns)]
        version = f"{context.rules.name} {context.rules.version}"
        since = run.step if run.resume else 0
        watch = LiveWatch(rules, version, context.metrics, context.config_of(run), since)
        log = Path(active.attempt.directory) / "log.txt"
        watched = _Watched(watch, Lines(log, returns=True) if watch.patterns else None)
        self._watched[active.attempt.id] = watched
        return watched

    def _give_up(self, active: Active, why: str) -> None:
        LOG.error("fault in the live rules of %s", active.run.id, exc_info=True)
        watch = LiveWatch([], "", self.context.metrics, {})
        self._watched[active.attempt.id] = _Watched(watch, None, news=False)
        run = active.run
        self.context.log_event(EventKind.NOTE, f"live rules no longer watch {run.name} ({run.id}): {why}", run.id)

    # ---------------------------------------------------------------------------------------------------------- acting

    def _act(self, active: Active, firing: LiveFiring, step: int) -> bool:
        """Record what the rule asks for, and unless a person is asked or it cannot be done, do it. True if it is done."""
        watch = firing.rule.watch
        assert watch is not None
        proposal = self._proposal(active, firing, step)
        with self.context.store.transaction():
            if proposal.blocked:
                add_proposal(self.context, proposal)
                self.context.log_event(
                    EventKind.LIVE, f"{self._fired(proposal)}. {proposal.blocked} The run goes on.", proposal.base_run
                )
                return False
            proposal = add_proposal(self.context, proposal)
            if watch.ask:
                text = f"{self._fired(proposal)}. {self._intent(proposal)}? `autoloop-tui approve {proposal.id}` or `reject`"
                self.context.log_event(EventKind.ASKED, text, proposal.base_run)
                return False
            self._carry_out(proposal, Actor.rule(firing.rule.id))
        return True

    def _proposal(self, active: Active, firing: LiveFiring, step: int) -> Proposal:
        """The first of the rule's turns that may be run, beginning with the one that is next in this line of runs."""
        run, rule = active.run, firing.rule
        assert rule.watch is not None
        live = LiveContext(attempt=active.attempt.id, step=max(step, firing.step))
        turns = rule.watch.turns
        if not turns:
            return Proposal(
                id=0,
                loop=self.context.loop_id,
                round=run.round,
                base_run=run.id,
                author=Actor.rule(rule.id),
                reason=rule.reason,
                edits=[],
                priority=rule.priority,
                evidence=firing.evidence,
                live=live,
                created_at=self.context.clock(),
            )
        # Each rule has a budget of its own: what another rule has tried says nothing about this one's remedies.
        begin = sum(p.evidence is not None and p.evidence.rule == rule.id for p in self._line(run))
        tried = [self._turn(run, rule, firing, turns[(begin + offset) % len(turns)], live) for offset in range(len(turns))]
        if begin >= rule.watch.relaunches:
            times = plural(begin, "time")
            why = f"By this rule this lineage was relaunched {times} already, and the rule allows {rule.watch.relaunches}."
            return proposal_blocked(tried[0], why)
        return next((proposal for proposal in tried if not proposal.blocked), tried[0])

    def _turn(self, run: Run, rule: Rule, firing: LiveFiring, edits: Sequence[str], live: LiveContext) -> Proposal:
        request = rule.request(firing.evidence, edits)
        return msgspec.structs.replace(propose(self.context, run, request, run.round), live=live)

    def _line(self, run: Run) -> list[Proposal]:
        """The live relaunches that led to this run, newest first."""
        line: list[Proposal] = []
        while run.proposal is not None and run.base_run is not None:
            proposal = self.context.store.proposal(run.proposal)
            if proposal.live is None:
                break
            line.append(proposal)
            run = self.context.store.run(run.base_run)
        return line

    def _carry_out(self, proposal: Proposal, by: Actor, note: str | None = None) -> str:
        """Record the decision and stop the run; its successor is queued when it has ended."""
        proposal = proposal_decided(proposal, ProposalStatus.APPROVED, by, self.context.clock(), note=note)
        self.context.store.put_proposal(proposal)
        text = f"{self._fired(proposal)}; {self._intent(proposal).lower()}"
        self.context.log_event(EventKind.LIVE, text, proposal.base_run)
        assert proposal.live is not None
        reason = f"live rule {_rule(proposal)} at step {proposal.live.step}: {self._why(proposal)}"
        if not self.execution.stop(proposal.base_run, StopCause(kind=StopKind.LIVE_RULE, text=reason)):
            raise UserError(f"Run {proposal.base_run} does not run any more; nothing was stopped.")
        return text

    # ------------------------------------------------------------------------------------------------------ a person's

    def check_open(self, proposal: Proposal) -> None:
        """UserError if what a rule asked for can no longer be decided, because it is done or its run has ended."""
        if proposal.status not in (ProposalStatus.PENDING, ProposalStatus.REJECTED, ProposalStatus.BLOCKED):
            raise UserError(f"Proposal {proposal.id} of a live rule is {proposal.status.value}; there is nothing to decide.")
        executing = {each.attempt.id: each for each in self.execution.active.values()}
        active = executing.get(proposal.live.attempt) if proposal.live else None
        if active is None or active.run.state is RunState.STOPPING:
            raise UserError(
                f"Proposal {proposal.id} was about run {proposal.base_run} while it trained, and that is over; "
                "propose a variant of the run instead."
            )

    def approve(self, proposal: Proposal, by: Actor, note: str | None) -> str:
        """Do what a rule asked for; `check_open` comes first."""
        return self._carry_out(proposal, by, note)

    def stopping(self, active: Active) -> StopCause | None:
        """Why a live rule is stopping this attempt, None if none does."""
        approved = any(proposal.status is ProposalStatus.APPROVED for proposal in self._of(active.run))
        return active.attempt.stop if approved else None

    # -------------------------------------------------------------------------------------------------------- following

    def follow_up(self, ended: Sequence[Ended]) -> None:
        """For attempts that ended: queue the successors of those that rules stopped, in the slots that became free, and
        let lapse what was asked about them. Comes before the slots are filled and the attempts settled."""
        for each in ended:
            for proposal in self._of(each.run):
                if proposal.status is ProposalStatus.PENDING:
                    self._lapse(proposal, LapseKind.RUN_ENDED, "the run ended before anybody decided")
                elif proposal.status is ProposalStatus.APPROVED:
                    self._finish(proposal, each)

    def _finish(self, proposal: Proposal, ended: Ended) -> None:
        exit_ = ended.attempt.exit
        if exit_ is not None and exit_.stopped_by is None:
            self._lapse(proposal, LapseKind.RUN_ENDED_FIRST, "the run ended before it was stopped")
        elif not proposal.changes:
            self.context.store.put_proposal(proposal_done(proposal))
        else:
            self._relaunch(proposal, ended)

    def _relaunch(self, proposal: Proposal, ended: Ended) -> None:
        base = ended.run
        with self.context.store.transaction():
            try:
                config = variant_config(self.context, proposal)
            except UserError as error:
                self.context.store.put_proposal(proposal_blocked(proposal, str(error)))
                self.context.log_event(EventKind.LIVE, f"{base.name} ({base.id}) is not relaunched: {error}", base.id)
                return
            number = len(self._line(base)) + 1
            name = f"{base.name.removesuffix(f'_live{number - 1}')}_live{number}"
            run = write_run(
                self.context,
                proposal,
                config,
                name=name,
                round_=base.round,
                position=self.context.store.number_of_runs(self.context.loop_id),
                slot=ended.attempt.slot,
            )
            queue_run(self.context, proposal, run)
            text = f"{base.name} ({base.id}) is relaunched as {run.name} ({run.id}): {describe_changes(proposal)}"
            self.context.log_event(EventKind.LIVE, text, run.id)

    def _lapse(self, proposal: Proposal, kind: LapseKind, why: str) -> None:
        with self.context.store.transaction():
            self.context.store.put_proposal(proposal_lapsed(proposal, kind, why))
            text = f"proposal {proposal.id} of live rule {_rule(proposal)} has lapsed: {why}"
            self.context.log_event(EventKind.LIVE, text, proposal.base_run)

    # ----------------------------------------------------------------------------------------------------------- words

    def _of(self, run: Run) -> list[Proposal]:
        proposals = self.context.store.proposals(self.context.loop_id, run.round)
        return [proposal for proposal in proposals if proposal.live and proposal.base_run == run.id]

    def _fired(self, proposal: Proposal) -> str:
        run = self.context.store.run(proposal.base_run)
        step = proposal.live.step if proposal.live else run.step
        return f"live rule {_rule(proposal)} fires on {run.name} ({run.id}) at step {step}: {self._why(proposal)}"

    @staticmethod
    def _why(proposal: Proposal) -> str:
        return (in_words(proposal.evidence) if proposal.evidence else "") or proposal.reason

    @staticmethod
    def _intent(proposal: Proposal) -> str:
        if not proposal.changes:
            return "Stop it"
        return f"Stop it and relaunch it with {describe_changes(proposal)}"


def _rule(proposal: Proposal) -> str:
    return proposal.evidence.rule if proposal.evidence else str(proposal.author)
