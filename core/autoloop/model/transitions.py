"""Every state change of a loop, round, run, attempt, proposal or delivery, with all the fields that go with it.

Nothing else writes a `state` or a `status`. These are pure functions from one frozen value to the next. An impossible change
is a bug in Auto Loop and raises ImpossibleChangeError. Times are Unix seconds.
"""

from collections.abc import Sequence
from enum import Enum

from msgspec.structs import replace

from autoloop.model.actor import POLICY, Actor
from autoloop.model.attempt import Attempt, Cause, ExitRecord
from autoloop.model.delivery import Delivery, DeliveryState
from autoloop.model.edits import Change
from autoloop.model.ends import LapseKind, LoopEnd, Requeue, RequeueKind, StopCause, Taken
from autoloop.model.loop import Loop, LoopState, Round, RoundState
from autoloop.model.metrics import Summary
from autoloop.model.proposal import Proposal, ProposalStatus
from autoloop.model.run import Run, RunState, Unjudged


class ImpossibleChangeError(AssertionError):
    """A state cannot follow the current one: a bug in Auto Loop, never a user's mistake."""


def _require(what: object, state: Enum, *allowed: Enum) -> None:
    if state not in allowed:
        raise ImpossibleChangeError(f"{what} is {state.value}, not {' or '.join(str(each.value) for each in allowed)}")


EXECUTING = (RunState.RUNNING, RunState.STOPPING)

# ---------------------------------------------------------------------------------------------------------------- runs


def run_started(run: Run, attempt: Attempt, now: float, *, resumes: bool) -> Run:
    """`attempt` executes. `resumes`: from its checkpoint, so its steps and summary stay."""
    _require(f"run {run.id}", run.state, RunState.QUEUED)
    return replace(
        run,
        state=RunState.RUNNING,
        slot=attempt.slot,
        attempts=attempt.number,
        output_dir=attempt.output_dir,
        step=run.step if resumes else 0,
        summary=run.summary if resumes else None,
        unjudged=None,
        reason=None,
        requeued=None,
        waits=None,
        started_at=now,
        ended_at=None,
    )


def run_waits(run: Run, why: str) -> Run:
    """Its place has accepted it but not started it."""
    _require(f"run {run.id}", run.state, *EXECUTING)
    return replace(run, waits=why)


def run_begun(run: Run, since: float) -> Run:
    """Its command has started after waiting at its place."""
    _require(f"run {run.id}", run.state, *EXECUTING)
    return replace(run, waits=None, started_at=since)


def run_stopping(run: Run, cause: StopCause) -> Run:
    """A stop was requested; its processes may still run."""
    _require(f"run {run.id}", run.state, *EXECUTING)
    return replace(run, state=RunState.STOPPING, reason=cause.text)


def run_ended(
    run: Run,
    state: RunState,
    reason: str | None,
    *,
    step: int,
    summary: Summary,
    ended_at: float | None,
    unjudged: Unjudged | None = None,
) -> Run:
    """`unjudged`: why rules cannot judge a finished run."""
    _require(f"run {run.id}", run.state, *EXECUTING)
    _require(f"the end of run {run.id}", state, *(each for each in RunState if each.ended))
    ended = replace(
        run,
        state=state,
        reason=reason,
        slot=None,
        waits=None,
        resume=False,
        step=step,
        summary=summary,
        ended_at=ended_at,
    )
    return run_judged(ended, unjudged) if state is RunState.FINISHED else ended


def run_judged(run: Run, unjudged: Unjudged | None) -> Run:
    """Whether rules can judge a finished run; `unjudged` says why not. Other rules may change it."""
    _require(f"run {run.id}", run.state, RunState.FINISHED)
    reason = f"not judged: {unjudged.text}" if unjudged else None if run.unjudged else run.reason
    return replace(run, unjudged=unjudged, reason=reason)


def run_requeued(run: Run, why: Requeue, *, resume: bool = False) -> Run:
    """Queued again after an unsuccessful attempt. `resume`: the next attempt continues from the last checkpoint."""
    _require(f"run {run.id}", run.state, *(each for each in RunState if each.ended and each is not RunState.FINISHED))
    return _queued(run, why, resume)


def _queued(run: Run, why: Requeue, resume: bool) -> Run:
    return replace(run, state=RunState.QUEUED, reason=why.text, requeued=why.kind, resume=resume, ended_at=None)


def run_extended(run: Run, steps: int) -> Run:
    """Queued to continue from its checkpoint to `steps` steps in total; its results so far stay."""
    text = f"continues from its checkpoint, from step {run.step} to {steps}"
    why = Requeue(kind=RequeueKind.EXTENDED, text=text)
    _require(f"run {run.id}", run.state, *(each for each in RunState if each.ended))
    return replace(_queued(run, why, resume=True), total_steps=steps)


def run_withdrawn(run: Run, reason: str, now: float) -> Run:
    """Removed from the queue."""
    _require(f"run {run.id}", run.state, RunState.QUEUED)
    return replace(run, state=RunState.STOPPED, reason=reason, requeued=None, slot=None, ended_at=now)


def run_extension_withdrawn(run: Run, last: Attempt) -> Run:
    """An extended run removed from the queue: it returns to the state of its last attempt."""
    _require(f"run {run.id}", run.state, RunState.QUEUED)
    state = last.result or RunState.STOPPED
    return replace(
        run,
        state=state,
        requeued=None,
        resume=False,
        total_steps=run.step if state is RunState.FINISHED else run.total_steps,
        reason=last.cause,
        ended_at=last.ended_at,
    )


# ------------------------------------------------------------------------------------------------------------ attempts


def attempt_stopping(attempt: Attempt, cause: StopCause, *, kill: bool) -> Attempt:
    """Recorded before the signal is sent. A later stop does not revoke a requested kill."""
    return replace(attempt, stop=cause, kill=kill or attempt.kill)


def attempt_ended(
    attempt: Attempt, record: ExitRecord | None, ended_at: float, lost: str | None = None, taken: Taken | None = None
) -> Attempt:
    """Its process has ended; `lost`: why there is no exit record; `taken`: why its place ended it, if we did not."""
    return replace(attempt, ended_at=ended_at, exit=record, cause=lost, taken=None if attempt.stop else taken)


def attempt_settled(attempt: Attempt, result: RunState, reason: str | None, diagnosis: Cause | None) -> Attempt:
    """Its outcome is settled, with the reason and the diagnosis."""
    _require(f"the result of attempt {attempt.id}", result, *(each for each in RunState if each.ended))
    return replace(attempt, result=result, cause=reason, diagnosis=diagnosis)


def attempt_begun(attempt: Attempt, since: float, node: str) -> Attempt:
    """Its command has been running on `node` since `since`."""
    return replace(attempt, started_at=since, node=node)


# --------------------------------------------------------------------------------------------------------------- loops


def loop_stopped(loop: Loop, end: LoopEnd, now: float) -> Loop:
    """Ended early. Its round is unchanged, so a resume continues from there."""
    return replace(loop, state=LoopState.STOPPED, end=end, ended_at=now)


def loop_resumed(loop: Loop, now: float) -> Loop:
    """A user continues it."""
    _require(loop.name, loop.state, LoopState.STOPPED)
    return replace(loop, state=LoopState.ACTIVE, end=None, ended_at=None, best=None, resumed_at=now)


def loop_finished(loop: Loop, end: LoopEnd, now: float) -> Loop:
    """Its rounds are done, or a run has met `--until`."""
    _require(loop.name, loop.state, LoopState.ACTIVE)
    return replace(loop, state=LoopState.FINISHED, end=end, ended_at=now)


def loop_reopened(loop: Loop) -> Loop:
    """A run of a finished loop was extended: the loop is active until it has ended. Its `end` and outcome stay."""
    _require(loop.name, loop.state, LoopState.FINISHED)
    return replace(loop, state=LoopState.ACTIVE, ended_at=None, best=None, paused=False)


# -------------------------------------------------------------------------------------------------------------- rounds


def round_deciding(round_: Round, now: float, decide_by: float | None) -> Round:
    """Its runs have ended and its proposals exist."""
    _require(f"round {round_.number}", round_.state, RoundState.RUNNING)
    return replace(round_, state=RoundState.DECIDING, ended_at=now, decide_by=decide_by)


def round_done(round_: Round, now: float) -> Round:
    """The next round starts, or there is none."""
    _require(f"round {round_.number}", round_.state, RoundState.RUNNING, RoundState.DECIDING)
    return replace(round_, state=RoundState.DONE, ended_at=round_.ended_at or now, decide_by=None, start_at=None)


# ----------------------------------------------------------------------------------------------------------- proposals

OPEN = (ProposalStatus.PENDING, ProposalStatus.APPROVED, ProposalStatus.REJECTED, ProposalStatus.SKIPPED)
"""States in which a proposal can be decided or a decision undone, until the next round starts."""


def proposal_resolved(
    proposal: Proposal, changes: list[Change], notes: Sequence[str], config_hash: str, blocked: str | None
) -> Proposal:
    """Its edits resolved as changes to the base's config; `blocked`: why it cannot run."""
    return replace(
        proposal,
        changes=changes,
        notes=list(notes),
        config_hash=config_hash,
        blocked=blocked,
        status=ProposalStatus.BLOCKED if blocked else ProposalStatus.PENDING,
    )


def proposal_blocked(proposal: Proposal, why: str) -> Proposal:
    """Its base has changed, or the same training has already run."""
    return replace(proposal, status=ProposalStatus.BLOCKED, blocked=why)


def proposal_edited(proposal: Proposal, edits: list[str], author: Actor) -> Proposal:
    """New edits, still to be resolved; decisions on the old ones no longer count."""
    _require(f"proposal {proposal.id}", proposal.status, *OPEN, ProposalStatus.BLOCKED)
    return replace(
        proposal,
        edits=edits,
        author=author,
        revision=proposal.revision + 1,
        status=ProposalStatus.PENDING,
        blocked=None,
        decided_by=None,
        decided_at=None,
        decision=None,
    )


def proposal_decided(
    proposal: Proposal,
    status: ProposalStatus,
    by: Actor,
    now: float,
    *,
    note: str | None = None,
    decision: int | None = None,
) -> Proposal:
    """Approved or rejected. `decision`: the number of the requesting command."""
    _require(f"proposal {proposal.id}", proposal.status, *OPEN, ProposalStatus.BLOCKED)
    _require("a decision", status, ProposalStatus.APPROVED, ProposalStatus.REJECTED)
    return replace(proposal, status=status, note=note, decided_by=by, decided_at=now, decision=decision)


def proposal_undecided(proposal: Proposal, note: str | None = None) -> Proposal:
    """The decision is undone."""
    _require(f"proposal {proposal.id}", proposal.status, *OPEN, ProposalStatus.BLOCKED)
    status = ProposalStatus.BLOCKED if proposal.blocked else ProposalStatus.PENDING
    return replace(proposal, status=status, note=note, decided_by=None, decided_at=None, decision=None)


def proposal_skipped(proposal: Proposal, note: str, now: float) -> Proposal:
    """Valid, but the policy selected others."""
    _require(f"proposal {proposal.id}", proposal.status, ProposalStatus.PENDING)
    return replace(proposal, status=ProposalStatus.SKIPPED, note=note, decided_by=POLICY, decided_at=now)


def proposal_lapsed(proposal: Proposal, kind: LapseKind, note: str) -> Proposal:
    """Undecided when the next round started, or its run ended first."""
    _require(f"proposal {proposal.id}", proposal.status, ProposalStatus.PENDING, ProposalStatus.APPROVED)
    return replace(proposal, status=ProposalStatus.LAPSED, lapsed=kind, note=note)


def proposal_launched(proposal: Proposal, run: Run) -> Proposal:
    """Its run is queued."""
    _require(f"proposal {proposal.id}", proposal.status, ProposalStatus.APPROVED)
    return replace(proposal, status=ProposalStatus.LAUNCHED, run=run.id)


def proposal_done(proposal: Proposal) -> Proposal:
    """A live rule requested only a stop, and the run was stopped."""
    _require(f"proposal {proposal.id}", proposal.status, ProposalStatus.APPROVED)
    return replace(proposal, status=ProposalStatus.DONE)


# ---------------------------------------------------------------------------------------------------------- deliveries


def delivery_tried(delivery: Delivery, now: float, until: float) -> Delivery:
    """A try starts, with time limit `until`. Recorded beforehand."""
    _require(f"delivery {delivery.id}", delivery.state, DeliveryState.PENDING)
    return replace(delivery, tries=delivery.tries + 1, tried_at=now, next_at=until)


def delivery_made(delivery: Delivery) -> Delivery:
    """The receiver accepted it."""
    _require(f"delivery {delivery.id}", delivery.state, DeliveryState.PENDING)
    return replace(delivery, state=DeliveryState.DELIVERED, error=None)


def delivery_failed(delivery: Delivery, error: str, again_at: float | None) -> Delivery:
    """`again_at`: the time of the next try; None if it is given up."""
    _require(f"delivery {delivery.id}", delivery.state, DeliveryState.PENDING)
    if again_at is None:
        return replace(delivery, state=DeliveryState.GIVEN_UP, error=error)
    return replace(delivery, error=error, next_at=again_at)


def delivery_dropped(delivery: Delivery) -> Delivery:
    """Too old, or its hook was removed from the settings."""
    _require(f"delivery {delivery.id}", delivery.state, DeliveryState.PENDING)
    return replace(delivery, state=DeliveryState.DROPPED)
