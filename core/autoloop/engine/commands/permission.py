"""What a sender may request. A person may request everything. Coding agents and commands without a terminal may propose,
note, pause and hold, and whatever `[agents]` in the settings allows them, within its budgets.

The engine checks every request before it carries it out, whichever client sent it. A client checks before it acts without an
engine: before it starts one, or stops runs directly.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from autoloop import protocol
from autoloop.engine.commands.budgets import brings_about, check_budget, named
from autoloop.engine.planning.limits import inside_hours
from autoloop.model import Loop, Proposal, ProposalStatus, Sender, UserError
from autoloop.protocol import Agents, Approve, Extend, Hold, Note, Pause, Propose, Reject, Request, Retry
from autoloop.settings import Grant, Range, load_settings
from autoloop.store import Store


def grant_of(agents: Mapping[str, Grant], sender: Sender) -> Grant | None:
    """What a sender may do; None for a person, who may do everything."""
    return None if sender.is_person else agents.get(named(sender), Grant())


def check_early(store: Store, loop: Loop, sender: Sender, request: Request) -> None:
    """Check like `check`, with the project's settings, for a client that is about to start an engine or act without one."""
    if not sender.is_person:  # a person can stop a loop even if the settings are invalid
        grant = grant_of(load_settings(Path(loop.spec.cwd)).agents, sender)
        check(store, loop, grant, sender, request, time.time())


def check(store: Store, loop: Loop, grant: Grant | None, sender: Sender, request: Request, now: float) -> None:
    """Raise UserError, with advice, if the sender may not request this."""
    if grant is None or isinstance(request, Pause) or (isinstance(request, Hold | Agents) and request.held):
        return
    _check_not_held([loop])
    if isinstance(request, Propose | Note):
        return
    if isinstance(request, Reject) and all(_is_own(store.proposal(each), loop, sender) for each in request.proposals):
        return  # an agent may withdraw its own undecided proposals
    if isinstance(request, Agents):
        raise UserError("Only a person at a terminal may release agents.")
    verb, name = "start" if isinstance(request, Hold) else protocol.verb(request), named(sender)
    if verb not in grant.allow:
        raise _needs_a_person(verb, sender)
    if grant.hours is not None and not inside_hours(grant.hours, now):
        raise UserError(f"[agents.{name}] lets it {verb} only at {grant.hours}; ask a person, or wait.")
    if isinstance(request, Approve):
        asked = [proposal for proposal in map(store.proposal, dict.fromkeys(request.proposals)) if proposal.loop == loop.id]
        for proposal in asked:
            check_changes(grant, proposal)
        check_budget(store, loop, grant, name, sum(each.trainings for each in asked if not brings_about(each)), now)
    elif isinstance(request, Retry | Extend):
        check_budget(store, loop, grant, name, 1, now, extends=request if isinstance(request, Extend) else None)


def _check_not_held(loops: Sequence[Loop]) -> None:
    for loop in loops:
        if loop.agents_held is not None:
            raise UserError(
                f"All agents are held in {loop.name} ({loop.agents_held.words}): you can read, but not send requests "
                "until a person releases them (`autoloop-tui agents --release`)."
            )


def check_freeing(agents: Mapping[str, Grant], sender: Sender, loops: Sequence[Loop]) -> None:
    """Raise UserError if the sender may not move or delete the output of runs. `loops`: the project's loops."""
    grant = grant_of(agents, sender)
    if grant is None:
        return
    if "free" not in grant.allow:
        raise _needs_a_person("free", sender)
    _check_not_held(loops)


def check_begin(agents: Mapping[str, Grant], sender: Sender, runs: int, now: float, loops: Sequence[Loop] = ()) -> None:
    """Raise UserError if a coding agent may not start a loop with this many runs in round 1. `loops`: the project's loops.

    A command without a terminal may, unless it comes from a known agent: users start loops with cron, nohup and scripts.
    """
    if sender.agent is None:
        return
    name, grant = named(sender), agents.get(named(sender), Grant())
    _check_not_held(loops)
    if "start" not in grant.allow:
        raise UserError(
            f"Only a person may start a loop, but this came from the agent {name}: ask a person to run the command, or "
            "allow it "
            f'with allow = ["start"] under [agents.{name}] in autoloop.toml. Without --exec it prints the plan.'
        )
    if grant.hours is not None and not inside_hours(grant.hours, now):
        raise UserError(f"[agents.{name}] lets it start a loop only at {grant.hours}; ask a person, or wait.")
    for limit, key in ((grant.runs, "runs"), (grant.slots, "slots")):
        if limit is not None and runs > limit:
            raise UserError(
                f"The budget of [agents.{name}] does not allow it, {key} = {limit}: the first round has {runs} runs; ask "
                "a person to start it."
            )


def _needs_a_person(verb: str, sender: Sender) -> UserError:
    name = named(sender)
    who = f"the agent {name}" if sender.agent is not None else "a command without a terminal"
    return UserError(
        f"`{verb}` needs a person at a terminal, but this came from {who}: ask a person to run it, or allow it with "
        f'allow = ["{verb}"] under [agents.{name}] in autoloop.toml, which the engine reads when it starts.'
    )


def _is_own(proposal: Proposal, loop: Loop, sender: Sender) -> bool:
    waiting = (ProposalStatus.PENDING, ProposalStatus.SKIPPED, ProposalStatus.BLOCKED)
    return proposal.loop == loop.id and proposal.author == sender.actor and proposal.status in waiting


def check_changes(grant: Grant | None, proposal: Proposal) -> None:
    """Raise UserError if a proposal changes something that its sender may not change."""
    if grant is None or grant.edits is None:
        return
    for change in proposal.changes:
        allowed = next((span for pattern, span in grant.edits.items() if fnmatchcase(change.path, pattern)), None)
        if allowed is None:
            opened = ", ".join(grant.edits) or "nothing"
            raise UserError(f"It may not change {change.path}; autoloop.toml allows it {opened}.")
        if not _within(change.after, allowed):
            low, high = ("…" if bound is None else f"{bound:g}" for bound in (allowed.low, allowed.high))
            raise UserError(f"It may set {change.path} only from {low} to {high}, not to {change.after}.")


def _within(value: object, allowed: Range) -> bool:
    if allowed.low is None and allowed.high is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (allowed.low is None or value >= allowed.low) and (allowed.high is None or value <= allowed.high)
