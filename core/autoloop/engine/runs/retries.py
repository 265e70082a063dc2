"""Whether the run of an ended attempt is queued again: because its loop was stopped, because the machine had no room for it,
or because its failure may be transient."""

from __future__ import annotations

from autoloop.diagnose.causes import SHORT_CAUSES
from autoloop.engine.base.context import Context
from autoloop.model import Attempt, Cause, LoopState, Requeue, RequeueKind, Run, RunState, StopKind, Taken, TakenKind
from autoloop.runners.ssh.left import exists
from autoloop.trainers import checkpoint_path

NODES_LOST = 3
"""A run that has lost its node this many times is not retried."""

SHORT_TRIES = 5
"""Maximum restarts of a command that starts but then cannot get a process or descriptor for itself."""


def why_again(context: Context, attempt: Attempt, run: Run, state: RunState, cause: Cause | None) -> Requeue | None:
    """Why the run is queued for another attempt, or None if it is not."""
    if state is RunState.STOPPED and attempt.stop and attempt.stop.kind is StopKind.LOOP_STOP:
        return Requeue(kind=RequeueKind.LOOP_STOP, text="continues when the loop is resumed")
    if context.loop.state is not LoopState.ACTIVE:
        return None
    if state is RunState.LOST and attempt.unstarted:
        return Requeue(kind=RequeueKind.NEVER_STARTED, text="its process never started")
    if attempt.taken is not None:
        return _after_taken(context, attempt, run, attempt.taken)
    if _short_at_start(context, attempt, run, cause):
        text = f"it waits until the machine has enough resources: {cause.text if cause else ''}"
        return Requeue(kind=RequeueKind.SHORTAGE, text=text)
    if state not in (RunState.FAILED, RunState.LOST) or not cause or not cause.retry:
        return None
    # Stops and attempts that never started are not the run's failures and do not use up its retries.
    failed = (RunState.FAILED, RunState.LOST)
    earlier = [a for a in context.store.attempts(run.id) if a.id != attempt.id and a.result in failed and not a.taken]
    before = len(earlier)
    if before >= context.spec.retries:
        return None
    if cause.once and any(a.diagnosis and a.diagnosis.id == cause.id for a in earlier):
        return None
    text = f"retry {before + 1} of {context.spec.retries} after: {cause.text}"
    return Requeue(kind=RequeueKind.RETRY, text=text)


def _after_taken(context: Context, attempt: Attempt, run: Run, taken: Taken) -> Requeue | None:
    """Whether to queue a run again after its place ended it. This uses up no retries, but happens only if another attempt
    can get further."""
    resumes = continues(context, attempt, run)
    if taken.kind in (TakenKind.CANCELLED, TakenKind.MEMORY) or (taken.kind is TakenKind.TIME_LIMIT and not resumes):
        return None
    if taken.kind is TakenKind.NODE_LOST:
        lost = [a for a in context.store.attempts(run.id) if a.taken and a.taken.kind is TakenKind.NODE_LOST]
        if len(lost) >= NODES_LOST:
            return None
    how = "continues from its checkpoint" if resumes else "starts again"
    return Requeue(kind=RequeueKind.TAKEN, text=f"{how}: {taken.text}")


def continues(context: Context, attempt: Attempt, run: Run) -> bool:
    """Whether the next attempt continues from the checkpoint of an attempt that its place ended: if there is a checkpoint
    and the attempt made progress. Never without its exit record, because a process may still write to its folder."""
    if attempt.taken is None or attempt.exit is None:
        return False
    checkpoint = checkpoint_path(context.preset, attempt.output_dir)
    return checkpoint is not None and exists(checkpoint, attempt.output_dir) and run.step > attempt.from_step


def shortage_met(context: Context, run: Run) -> str | None:
    """The shortage for which the next start should wait, now that `run` is queued again; None if there is none."""
    last = context.store.attempts(run.id)[-1]
    if last.unstarted or (last.diagnosis and last.diagnosis.id in SHORT_CAUSES and not run.step):
        return last.cause
    return None


def _short_at_start(context: Context, attempt: Attempt, run: Run, cause: Cause | None) -> bool:
    """Whether the run did not get going because of too few processes, descriptors or too little memory, which is not a
    failure of the run."""
    if cause is None or cause.id not in SHORT_CAUSES or run.step:
        return False
    if attempt.exit is not None and attempt.exit.error is not None:  # the command never ran
        return True
    met = [a for a in context.store.attempts(run.id) if a.id != attempt.id and a.diagnosis and a.diagnosis.id == cause.id]
    return len(met) < SHORT_TRIES
