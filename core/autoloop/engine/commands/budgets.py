"""What a sender has caused in a loop, and whether its budget under `[agents]` allows more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from autoloop.model import Attempt, Loop, Proposal, ProposalStatus, Run, Sender, UserError
from autoloop.protocol import Extend, Retry
from autoloop.settings import Grant
from autoloop.store import Store

SCRIPT = "script"
"""The name under `[agents]` for commands that have no terminal and come from no known agent."""


def named(sender: Sender) -> str:
    """The sender's name under `[agents]`. An agent cannot pose as a script by calling itself one."""
    return SCRIPT if sender.agent is None else sender.agent if sender.agent != SCRIPT else "agent-script"


def brings_about(proposal: Proposal) -> bool:
    """Whether the proposal leads, or has led, to runs."""
    return proposal.status in (ProposalStatus.APPROVED, ProposalStatus.LAUNCHED, ProposalStatus.DONE)


@dataclass(frozen=True)
class Usage:
    """What a sender has caused in a loop: the number of runs, how many of them have not ended, and the GPU hours of all.

    `ahead`: how much the runs that have not ended may still take, in units of the loop's mean run.
    """

    runs: int
    open: int
    ahead: float
    gpu_hours: float


def check_budget(
    store: Store, loop: Loop, grant: Grant, name: str, more: int, now: float, *, extends: Extend | None = None
) -> None:
    """Raise UserError if `more` runs would exceed the budget. `extends`: a request to extend a run, which takes only as long
    as the steps that it adds."""
    if grant.runs is None and grant.gpu_hours is None and grant.slots is None:
        return
    use = used(store, loop, name, now)
    mean = _mean_hours(store, loop, now)
    asked = float(more)
    if extends is not None:
        asked = _length(store.find_run(loop, extends.run), extends.steps, _mean_steps(store.runs(loop.id)))
    hours = use.gpu_hours + mean * (use.ahead + asked)
    spent = None
    if grant.runs is not None and use.runs + more > grant.runs:
        spent = f"runs = {grant.runs}: it has caused {use.runs} so far, and this would add {more}"
    elif grant.slots is not None and use.open + more > grant.slots:
        spent = f"slots = {grant.slots}: {use.open} of its runs are queued or running, and this would add {more}"
    elif grant.gpu_hours is not None and hours > grant.gpu_hours:
        spent = f"gpu_hours = {grant.gpu_hours:g}: this would bring it to about {hours:.3g}"
    if spent:
        raise UserError(f"The budget of [agents.{name}] does not allow it, {spent}; ask a person to do it.")


def used(store: Store, loop: Loop, name: str, now: float) -> Usage:
    """What a sender, by its name under `[agents]`, has caused in a loop."""
    sent = [each for each in store.answered_commands(loop.id) if _is(each.sender, name)]
    numbers = {command.id for command in sent}
    proposals = [each for each in store.proposals(loop.id) if each.decision in numbers and brings_about(each)]
    again: dict[str, list[float]] = {}
    extended: set[str] = set()
    for command in sent:
        if command.ok and command.kind in ("retry", "extend"):
            request = command.request
            assert isinstance(request, Retry | Extend)
            run = store.find_run(loop, request.run).id
            again.setdefault(run, []).append(command.sent_at)
            extended |= {run} if isinstance(request, Extend) else set()
    ids = {proposal.id for proposal in proposals}
    runs = store.runs(loop.id)
    begun = store.loop(loop.id).started_by
    first = {run.id for run in runs if run.round == 1 and run.proposal is None} if _is(begun, name) else set()
    own = [run for run in runs if run.proposal in ids or run.id in first]
    others = [run for run in runs if run.id in again and run.proposal not in ids and run.id not in first]
    seconds = sum(executed(store.attempts(run.id), 0.0, now) for run in own)
    seconds += sum(executed(store.attempts(run.id), min(again[run.id]), now) for run in others)
    waiting = sum(each.trainings for each in proposals if each.status is ProposalStatus.APPROVED and not each.live)
    still = [run for run in [*own, *others] if not run.state.ended]
    steps = _mean_steps(runs)
    ahead = waiting + sum(_length(run, run.total_steps, steps) if run.id in extended else 1.0 for run in still)
    total = len(first) + sum(each.trainings for each in proposals) + sum(len(times) for times in again.values())
    return Usage(runs=total, open=waiting + len(still), ahead=ahead, gpu_hours=seconds / 3600 * gpus_of(loop))


def _is(sender: Sender | None, name: str) -> bool:
    """Whether the sender is the one with this name under `[agents]`."""
    return sender is not None and not sender.is_person and named(sender) == name


def _length(run: Run, steps: int, mean_steps: float) -> float:
    """How much it takes to bring a run to `steps` steps, in units of the loop's mean run."""
    return max(0, steps - run.step) / mean_steps if mean_steps else 1.0


def _mean_steps(runs: Iterable[Run]) -> float:
    """The mean number of steps of the runs that `_mean_hours` counts."""
    return fmean([run.step for run in _ended(runs)] or [0.0])


def _ended(runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if run.state.ended and run.attempts]


def _mean_hours(store: Store, loop: Loop, now: float) -> float:
    ended = _ended(store.runs(loop.id))
    return fmean(executed(store.attempts(run.id), 0.0, now) for run in ended) / 3600 * gpus_of(loop) if ended else 0.0


def gpus_of(loop: Loop) -> int:
    return loop.spec.gpus_per_run if loop.spec.device == "cuda" else 0


def executed(attempts: Iterable[Attempt], since: float, now: float) -> float:
    """The seconds that attempts started at or after `since` have executed."""
    return sum(
        (attempt.ended_at or now) - attempt.started_at
        for attempt in attempts
        if attempt.started_at is not None and attempt.started_at >= since
    )
