"""Carries out what live rules request: stops a run, relaunches it with edits, or asks a user first.

A rule's request becomes a proposal marked `live`, stored with its evidence before anything is done. The order is: proposal
approved and stop recorded (one transaction) → the run is signalled and ends → its successor queued for the same slot and the
proposal launched (one transaction). Each step is visible in the store, so after a kill between two steps the next engine
continues with the next one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from autoloop.engine.base.context import Context
from autoloop.engine.rounds.kill_criteria import KILL_CRITERION
from autoloop.engine.rounds.proposals import Proposals, describe_changes
from autoloop.engine.rounds.variant_runs import queue_run, write_run
from autoloop.engine.runs.execution import ActiveAttempt, EndedAttempt, Execution
from autoloop.model import (
    Actor,
    EventKind,
    HookEvent,
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
from autoloop.rules import LiveFiring, Rule
from autoloop.text.evidence import evidence_text
from autoloop.text.names import unused_name
from autoloop.text.plural import plural
from autoloop.variants.grids import renamed


class LiveProposals:
    """The proposals of live rules. Owned by the engine."""

    def __init__(self, context: Context, execution: Execution, proposals: Proposals) -> None:
        self.context = context
        self.execution = execution
        self.proposals = proposals

    def of(self, run: Run) -> list[Proposal]:
        """The proposals that live rules have made for a run."""
        proposals = self.context.store.proposals(self.context.loop_id, run.round)
        return [proposal for proposal in proposals if proposal.live and proposal.base_run == run.id]

    def act(self, active: ActiveAttempt, firing: LiveFiring, step: int) -> bool:
        """Record the rule's proposal, and carry it out unless it is blocked or a user is asked first. Returns True if it was
        carried out."""
        watch = firing.rule.watch
        assert watch is not None
        proposal = self._proposal(active, firing, step)
        with self.context.store.transaction():
            if proposal.blocked:
                self.proposals.add(proposal)
                self.context.log_event(
                    EventKind.LIVE, f"{self._fired(proposal)}. {proposal.blocked} The run continues.", proposal.base_run
                )
                return False
            proposal = self.proposals.add(proposal)
            if watch.ask:
                text = f"{self._fired(proposal)}. {self._intent(proposal)}? `autoloop-tui approve {proposal.id}` or `reject`"
                self.context.log_event(EventKind.ASKED, text, proposal.base_run)
                told, next = f"{self._fired(proposal)}. {self._intent(proposal)}?", f"autoloop-tui approve {proposal.id}"
                key = f"live {proposal.id}"
                self.context.tell(HookEvent.ROUND_WAITS, key, told, next=next, round=proposal.round, run=active.run)
                return False
            self._carry_out(proposal, Actor.rule(firing.rule.id))
        return True

    def _proposal(self, active: ActiveAttempt, firing: LiveFiring, step: int) -> Proposal:
        """The proposal for the first of the rule's turns that may run, starting with the next one for this lineage."""
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
        # Each rule has its own budget: another rule's attempts say nothing about this rule's remedies.
        begin = sum(p.evidence is not None and p.evidence.rule == rule.id for p in self._line(run))
        tried = [self._turn(run, rule, firing, turns[(begin + offset) % len(turns)], live) for offset in range(len(turns))]
        if begin >= rule.watch.relaunches:
            times = plural(begin, "time")
            why = f"This rule has already relaunched this lineage {times}; it allows {rule.watch.relaunches}."
            return proposal_blocked(tried[0], why)
        return next((proposal for proposal in tried if not proposal.blocked), tried[0])

    def _turn(self, run: Run, rule: Rule, firing: LiveFiring, edits: Sequence[str], live: LiveContext) -> Proposal:
        request = rule.request(firing.evidence, edits)
        return msgspec.structs.replace(self.proposals.propose(run, request, run.round), live=live)

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

    def _carry_out(self, proposal: Proposal, by: Actor, note: str | None = None, decision: int | None = None) -> str:
        """Record the decision and stop the run. Its successor is queued after the run has ended."""
        now = self.context.clock()
        proposal = proposal_decided(proposal, ProposalStatus.APPROVED, by, now, note=note, decision=decision)
        self.context.store.put_proposal(proposal)
        text = f"{self._fired(proposal)}; {self._intent(proposal).lower()}"
        self.context.log_event(EventKind.LIVE, text, proposal.base_run)
        assert proposal.live is not None
        reason = f"{_called(proposal)} at step {proposal.live.step}: {self._why(proposal)}"
        if not self.execution.stop(proposal.base_run, StopCause(kind=StopKind.LIVE_RULE, text=reason)):
            raise UserError(f"Run {proposal.base_run} is no longer running; nothing was stopped.")
        return text

    def check_open(self, proposal: Proposal) -> None:
        """Raise UserError if the proposal can no longer be decided, because it was carried out or its run has ended."""
        if proposal.status not in (ProposalStatus.PENDING, ProposalStatus.REJECTED, ProposalStatus.BLOCKED):
            raise UserError(f"Proposal {proposal.id} of a live rule is {proposal.status.value}; there is nothing to decide.")
        executing = {each.attempt.id: each for each in self.execution.executing}
        active = executing.get(proposal.live.attempt) if proposal.live else None
        if active is None or active.run.state is RunState.STOPPING:
            raise UserError(
                f"Proposal {proposal.id} applied to run {proposal.base_run} only while it trained; propose a variant of "
                "the run instead."
            )

    def approve(self, proposal: Proposal, by: Actor, note: str | None, decision: int) -> str:
        """Carry out a rule's proposal. Call `check_open` first."""
        return self._carry_out(proposal, by, note, decision)

    def stopping(self, active: ActiveAttempt) -> StopCause | None:
        """Why a live rule is stopping this attempt; None if none is."""
        approved = any(proposal.status is ProposalStatus.APPROVED for proposal in self.of(active.run))
        return active.attempt.stop if approved else None

    def follow_up(self, ended: Sequence[EndedAttempt]) -> list[Run]:
        """Queue the successors of ended attempts that rules stopped, and let pending proposals about ended attempts lapse.
        Call it before the slots are filled and the attempts are settled.

        Returns the successors. Each starts in the slot that its base has released.
        """
        successors: list[Run | None] = []
        for each in ended:
            for proposal in self.of(each.run):
                if proposal.status is ProposalStatus.PENDING:
                    self._lapse(proposal, LapseKind.RUN_ENDED, "the run ended before a decision")
                elif proposal.status is ProposalStatus.APPROVED:
                    successors.append(self._finish(proposal, each))
        return [run for run in successors if run is not None]

    def _finish(self, proposal: Proposal, ended: EndedAttempt) -> Run | None:
        exit_ = ended.attempt.exit
        if exit_ is not None and exit_.stopped_by is None:
            self._lapse(proposal, LapseKind.RUN_ENDED_FIRST, "the run ended before it was stopped")
        elif proposal.changes:
            return self._relaunch(proposal, ended)
        else:
            self.context.store.put_proposal(proposal_done(proposal))
        return None

    def _relaunch(self, proposal: Proposal, ended: EndedAttempt) -> Run | None:
        base = ended.run
        with self.context.store.transaction():
            try:
                config = self.proposals.variant_config(proposal)
            except UserError as error:
                self.context.store.put_proposal(proposal_blocked(proposal, str(error)))
                self.context.log_event(EventKind.LIVE, f"{base.name} ({base.id}) is not relaunched: {error}", base.id)
                return None
            number = len(self._line(base)) + 1
            name = renamed(_without_number(base.name, number - 1), self.proposals.base_config(base), config)
            taken = {each.name for each in self.context.store.runs(self.context.loop_id)}
            run = write_run(
                self.context,
                proposal,
                config,
                name=unused_name(f"{name}_live{number}", taken),
                round_=base.round,
                position=self.context.store.number_of_runs(self.context.loop_id),
                slot=ended.attempt.slot,
            )
            queue_run(self.context, proposal, run)
            text = f"{base.name} ({base.id}) is relaunched as {run.name} ({run.id}): {describe_changes(proposal)}"
            self.context.log_event(EventKind.LIVE, text, run.id)
            return run

    def _lapse(self, proposal: Proposal, kind: LapseKind, why: str) -> None:
        with self.context.store.transaction():
            self.context.store.put_proposal(proposal_lapsed(proposal, kind, why))
            text = f"proposal {proposal.id} of {_called(proposal)} lapsed: {why}"
            self.context.log_event(EventKind.LIVE, text, proposal.base_run)

    def _fired(self, proposal: Proposal) -> str:
        run = self.context.store.run(proposal.base_run)
        step = proposal.live.step if proposal.live else run.step
        return f"{_called(proposal)} fires on {run.name} ({run.id}) at step {step}: {self._why(proposal)}"

    @staticmethod
    def _why(proposal: Proposal) -> str:
        return (evidence_text(proposal.evidence) if proposal.evidence else "") or proposal.reason

    @staticmethod
    def _intent(proposal: Proposal) -> str:
        if not proposal.changes:
            return "Stop it"
        return f"Stop it and relaunch it with {describe_changes(proposal)}"


def _without_number(name: str, number: int) -> str:
    """The name of a run without the suffix added by `_relaunch`: `_live1`, or `_live1-2` if that name was taken."""
    return re.sub(rf"_live{number}(-\d+)?$", "", name)


def _called(proposal: Proposal) -> str:
    return proposal.origin if proposal.origin == KILL_CRITERION else f"live rule {proposal.origin}"
