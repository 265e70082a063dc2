"""What a request's sender may ask for: a person everything; coding agents, and commands without a terminal, to propose, to
note, to pause and to hold, and what `[agents]` of the settings opens to them, within its budgets.

The engine asks before it carries out a request, whichever client sent it. A client asks before it does something without an
engine: start one, or stop runs directly.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import fmean

from autoloop import protocol
from autoloop.engine.planning.limits import inside_hours
from autoloop.model import Loop, Proposal, ProposalStatus, Run, Sender, UserError
from autoloop.protocol import Approve, Extend, Hold, Note, Pause, Propose, Reject, Request, Retry
from autoloop.settings import Grant, Range, load_settings
from autoloop.store import Store

SCRIPT = "script"
"""Below `[agents]`: what has no terminal, and is no agent that is known."""


def named(sender: Sender) -> str:
    """Where below `[agents]` it is written what a sender may do. An agent cannot pass for a script by its name."""
    return SCRIPT if sender.agent is None else sender.agent if sender.agent != SCRIPT else "agent-script"


def grant_of(agents: Mapping[str, Grant], sender: Sender) -> Grant | None:
    """What a sender may do; None for a person, who may do all."""
    return None if sender.is_person else agents.get(named(sender), Grant())


def check_early(store: Store, loop: Loop, sender: Sender, request: Request) -> None:
    """`check` by a client, with the project's settings: before it starts an engine, or does without one. UserError."""
    if not sender.is_person:  # a person can stop a loop whatever stands in the settings
        grant = grant_of(load_settings(Path(loop.spec.cwd)).agents, sender)
        check(store, loop, grant, sender, request, time.time())


def check(store: Store, loop: Loop, grant: Grant | None, sender: Sender, request: Request, now: float) -> None:
    """UserError where the sender may not ask for this, with what to do."""
    if grant is None or isinstance(request, Propose | Pause | Note) or (isinstance(request, Hold) and request.held):
        return
    if isinstance(request, Reject) and all(_is_own(store.proposal(each), loop, sender) for each in request.proposals):
        return  # what an agent has proposed, and nobody has decided, it may withdraw
    verb, name = "start" if isinstance(request, Hold) else protocol.verb(request), named(sender)
    if verb not in grant.allow:
        raise _needs_a_person(verb, sender)
    if grant.hours is not None and not inside_hours(grant.hours, now):
        raise UserError(f"[agents.{name}] lets it {verb} at {grant.hours} only; let a person do it, or wait.")
    if isinstance(request, Approve):
        asked = [proposal for proposal in map(store.proposal, dict.fromkeys(request.proposals)) if proposal.loop == loop.id]
        for proposal in asked:
            check_changes(grant, proposal)
        _check_budget(store, loop, grant, name, sum(each.trainings for each in asked if not _brings_about(each)), now)
    elif isinstance(request, Retry | Extend):
        _check_budget(store, loop, grant, name, 1, now)


def check_freeing(agents: Mapping[str, Grant], sender: Sender) -> None:
    """UserError where the sender may not move or delete what runs have written."""
    grant = grant_of(agents, sender)
    if grant is not None and "free" not in grant.allow:
        raise _needs_a_person("free", sender)


def check_begin(agents: Mapping[str, Grant], sender: Sender, runs: int, now: float) -> None:
    """UserError where a coding agent may not start a loop whose first round has so many runs.

    A command without a terminal may, if no agent is known: cron, nohup and scripts start loops for whoever wrote them.
    """
    if sender.agent is None:
        return
    name, grant = named(sender), agents.get(named(sender), Grant())
    if "start" not in grant.allow:
        raise UserError(
            f"A loop is started by a person, and this came from the agent {name}: let a person give the command, or open it "
            f'with allow = ["start"] below [agents.{name}] in autoloop.toml. Without --exec it prints the plan.'
        )
    if grant.hours is not None and not inside_hours(grant.hours, now):
        raise UserError(f"[agents.{name}] lets it start a loop at {grant.hours} only; let a person do it, or wait.")
    for limit, key in ((grant.runs, "runs"), (grant.slots, "slots")):
        if limit is not None and runs > limit:
            raise UserError(
                f"The budget of [agents.{name}] does not allow it, {key} = {limit}: the first round has {runs} runs; let a "
                "person start it."
            )


def _needs_a_person(verb: str, sender: Sender) -> UserError:
    name = named(sender)
    who = f"the agent {name}" if sender.agent is not None else "a command without a terminal"
    return UserError(
        f"`{verb}` needs a person at a terminal, and this came from {who}: let a person give it, or open it with "
        f'allow = ["{verb}"] below [agents.{name}] in autoloop.toml, which an engine reads when it starts.'
    )


def _is_own(proposal: Proposal, loop: Loop, sender: Sender) -> bool:
    waiting = (ProposalStatus.PENDING, ProposalStatus.SKIPPED, ProposalStatus.BLOCKED)
    return proposal.loop == loop.id and proposal.author == sender.actor and proposal.status in waiting


def check_changes(grant: Grant | None, proposal: Proposal) -> None:
    """UserError where a proposal changes what its sender may not change."""
    if grant is None or grant.edits is None:
        return
    for change in proposal.changes:
        allowed = next((span for pattern, span in grant.edits.items() if fnmatchcase(change.path, pattern)), None)
        if allowed is None:
            opened = ", ".join(grant.edits) or "nothing"
            raise UserError(f"It may not change {change.path}; autoloop.toml opens {opened} to it.")
        if not _within(change.after, allowed):
            low, high = ("…" if bound is None else f"{bound:g}" for bound in (allowed.low, allowed.high))
            raise UserError(f"It may set {change.path} from {low} to {high} only, not to {change.after}.")


def _within(value: object, allowed: Range) -> bool:
    if allowed.low is None and allowed.high is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (allowed.low is None or value >= allowed.low) and (allowed.high is None or value <= allowed.high)


def _brings_about(proposal: Proposal) -> bool:
    """Whether runs come, or came, of it already."""
    return proposal.status in (ProposalStatus.APPROVED, ProposalStatus.LAUNCHED, ProposalStatus.DONE)


@dataclass(frozen=True)
class Use:
    """What a sender has brought about in a loop: runs, those of them that have not ended, and GPU hours of all."""

    runs: int
    open: int
    gpu_hours: float


def _check_budget(store: Store, loop: Loop, grant: Grant, name: str, more: int, now: float) -> None:
    if grant.runs is None and grant.gpu_hours is None and grant.slots is None:
        return
    use = used(store, loop, name, now)
    mean = _mean_hours(store, loop, now)
    hours = use.gpu_hours + mean * (use.open + more)
    spent = None
    if grant.runs is not None and use.runs + more > grant.runs:
        spent = f"runs = {grant.runs}: it has brought about {use.runs}, and this would be {more} more"
    elif grant.slots is not None and use.open + more > grant.slots:
        spent = f"slots = {grant.slots}: {use.open} of its runs wait or run, and this would be {more} more"
    elif grant.gpu_hours is not None and hours > grant.gpu_hours:
        spent = f"gpu_hours = {grant.gpu_hours:g}: with this it would come to about {hours:.3g}"
    if spent:
        raise UserError(f"The budget of [agents.{name}] does not allow it, {spent}; let a person do it.")


def used(store: Store, loop: Loop, name: str, now: float) -> Use:
    """What a sender, named as below `[agents]`, has brought about in a loop."""
    sent = [each for each in store.answered_commands(loop.id) if _is(each.sender, name)]
    numbers = {command.id for command in sent}
    proposals = [each for each in store.proposals(loop.id) if each.decision in numbers and _brings_about(each)]
    again: dict[str, list[float]] = {}
    for command in sent:
        if command.ok and command.kind in ("retry", "extend"):
            request = command.request
            assert isinstance(request, Retry | Extend)
            again.setdefault(store.find_run(loop, request.run).id, []).append(command.sent_at)
    ids = {proposal.id for proposal in proposals}
    runs = store.runs(loop.id)
    begun = store.loop(loop.id).started_by
    first = {run.id for run in runs if run.round == 1 and run.proposal is None} if _is(begun, name) else set()
    own = [run for run in runs if run.proposal in ids or run.id in first]
    others = [run for run in runs if run.id in again and run.proposal not in ids and run.id not in first]
    seconds = sum(_seconds(store, run, 0.0, now) for run in own)
    seconds += sum(_seconds(store, run, min(again[run.id]), now) for run in others)
    waiting = sum(each.trainings for each in proposals if each.status is ProposalStatus.APPROVED and not each.live)
    still = sum(not run.state.ended for run in [*own, *others])
    total = len(first) + sum(each.trainings for each in proposals) + sum(len(times) for times in again.values())
    return Use(runs=total, open=waiting + still, gpu_hours=seconds / 3600 * _gpus(loop))


def _is(sender: Sender | None, name: str) -> bool:
    """Whether it is the one that is called so below `[agents]`."""
    return sender is not None and not sender.is_person and named(sender) == name


def _mean_hours(store: Store, loop: Loop, now: float) -> float:
    ended: Sequence[Run] = [run for run in store.runs(loop.id) if run.state.ended and run.attempts]
    return fmean(_seconds(store, run, 0.0, now) for run in ended) / 3600 * _gpus(loop) if ended else 0.0


def _gpus(loop: Loop) -> int:
    return loop.spec.gpus_per_run if loop.spec.device == "cuda" else 0


def _seconds(store: Store, run: Run, since: float, now: float) -> float:
    """How long a run has executed in the attempts that were begun since then."""
    return sum(
        (attempt.ended_at or now) - attempt.started_at
        for attempt in store.attempts(run.id)
        if attempt.started_at is not None and attempt.started_at >= since
    )
