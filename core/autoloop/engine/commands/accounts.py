"""What each actor (users, agents, rules, the search) has done and used in a loop."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import msgspec

from autoloop.engine.commands.budgets import SCRIPT, executed, gpus_of, named, used
from autoloop.model import ActorKind, Attempt, Loop, Proposal, ProposalStatus, Run, Sender
from autoloop.settings import Grant
from autoloop.store import Store
from autoloop.text.plural import plural
from autoloop.text.values import number

AGENT = f"{ActorKind.AGENT.value}:"
APPROVED = (ProposalStatus.APPROVED, ProposalStatus.LAUNCHED, ProposalStatus.DONE)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What one actor has done in a loop. `actor` is as in tables (`ada`, `agent:codex`, `rule:more-lr`), or `script` for
    commands without a terminal."""

    actor: str
    proposals: int = 0
    approved: int = 0
    """The number of its proposals that were approved."""
    rejected: int = 0
    """The number of its proposals that were rejected."""
    decided: int = 0
    """Proposals for which it made the latest decision."""
    runs: int = 0
    """Runs made from its proposals and, if it started the loop, runs without a proposal."""
    gpu_hours: float = 0.0
    """GPU hours of these runs so far."""
    runs_left: int | None = None
    """Runs left in its budget under `[agents]`; null without a budget."""
    gpu_hours_left: float | None = None
    """GPU hours left in its budget under `[agents]`; null without a budget."""
    refused: int = 0
    """Requests that the engine refused."""
    seen: float | None = None
    """When it last sent a request, proposed or decided."""

    @property
    def left(self) -> str:
        """`5 runs, 3.2 GPU h`; empty without a budget."""
        runs = [plural(self.runs_left, "run")] if self.runs_left is not None else []
        hours = [f"{number(self.gpu_hours_left)} GPU h"] if self.gpu_hours_left is not None else []
        return ", ".join(runs + hours)


def accounts(store: Store, loop: Loop, grants: Mapping[str, Grant], now: float) -> list[Account]:
    """The accounts of all actors of a loop, agents first. `grants`: from the current settings."""
    with store.reading():
        proposals, runs, commands = store.proposals(loop.id), store.runs(loop.id), store.answered_commands(loop.id)
        tried: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in store.loop_attempts(loop.id):
            tried[attempt.run].append(attempt)
        made, approved, rejected, decided = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
        refused, brought = Counter[str](), Counter[str]()
        seconds, seen = defaultdict[str, float](float), dict[str, float]()

        def note_time(who: str, at: float | None) -> None:
            seen[who] = max(seen.get(who, 0.0), at or 0.0)

        for each in proposals:
            who = str(each.author)
            made[who] += 1
            approved[who] += each.status in APPROVED
            rejected[who] += each.status is ProposalStatus.REJECTED
            note_time(who, each.created_at)
            if each.decided_by:
                decided[str(each.decided_by)] += 1
                note_time(str(each.decided_by), each.decided_at)
        senders: dict[str, Sender] = {}
        for command in commands:
            who = str(command.sender.actor)
            senders[who] = command.sender
            refused[who] += command.ok is False
            note_time(who, command.sent_at)
        if loop.started_by:
            senders.setdefault(str(loop.started_by.actor), loop.started_by)
            note_time(str(loop.started_by.actor), loop.created_at)
        by_id = {each.id: each for each in proposals}
        for run in runs:
            who = _brought(run, by_id, loop)
            brought[who] += 1
            seconds[who] += executed(tried[run.id], 0.0, now)
        found = [
            Account(
                actor=who,
                proposals=made[who],
                approved=approved[who],
                rejected=rejected[who],
                decided=decided[who],
                runs=brought[who],
                gpu_hours=seconds[who] / 3600 * gpus_of(loop),
                refused=refused[who],
                seen=seen.get(who) or None,
            )
            for who in {**seen, **brought}
        ]
        return sorted((_with_budget(each, senders, store, loop, grants, now) for each in found), key=_order)


def _brought(run: Run, proposals: Mapping[int, Proposal], loop: Loop) -> str:
    proposal = proposals.get(run.proposal or 0)
    if proposal is not None:
        return str(proposal.author)
    return str(loop.started_by.actor) if loop.started_by else "unknown"


def _with_budget(
    account: Account, senders: Mapping[str, Sender], store: Store, loop: Loop, grants: Mapping[str, Grant], now: float
) -> Account:
    sender = senders.get(account.actor)
    grant = grants.get(named(sender)) if sender is not None and not sender.is_person else None
    if sender is None or grant is None or (grant.runs is None and grant.gpu_hours is None):
        return account
    use = used(store, loop, named(sender), now)
    return msgspec.structs.replace(
        account,
        runs_left=None if grant.runs is None else max(0, grant.runs - use.runs),
        gpu_hours_left=None if grant.gpu_hours is None else max(0.0, grant.gpu_hours - use.gpu_hours),
    )


def _order(account: Account) -> tuple[bool, bool, float]:
    """The sort key: agents, then scripts, then the others; within each, the most recently seen first."""
    return not account.actor.startswith(AGENT), account.actor != SCRIPT, -(account.seen or 0.0)
