"""Repeated requests of rules that were rejected in an earlier round: offered again only if their evidence has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from autoloop.model import Observation, Proposal, ProposalStatus, Run
from autoloop.text.evidence import operand_text
from autoloop.text.values import value_text

UNKNOWN_NOISE = 0.1
"""A value with unknown noise counts as changed if it moved by more than this fraction of its old value."""


class Rejections:
    """A loop's rejected proposals that were made by rules."""

    def __init__(self, proposals: Iterable[Proposal], find: Callable[[str], Run]) -> None:
        """`find`: returns a run by its id."""
        self._find = find
        self._by_request: dict[tuple[str, tuple[str, ...]], list[Proposal]] = {}
        for each in proposals:
            if each.status is ProposalStatus.REJECTED and each.author.by_rules and each.for_round:
                self._by_request.setdefault(_key(each), []).append(each)

    def earlier(self, proposal: Proposal) -> tuple[Proposal, list[Run]] | None:
        """The newest rejected proposal with the same request for the same config or one of its ancestors, and the runs
        between their bases; None if there is none."""
        rejected = self._by_request.get(_key(proposal))
        if not rejected:
            return None
        base = self._find(proposal.base_run)
        line = [base]
        while line[-1].base_run:
            line.append(self._find(line[-1].base_run))
        for each in reversed(rejected):
            was = self._find(each.base_run)
            for place, run in enumerate(line):
                if run.id == was.id or (run.group and run.group == was.group):
                    return each, line[1:place]
        return None


def _key(proposal: Proposal) -> tuple[str, tuple[str, ...]]:
    return proposal.origin, tuple(proposal.edits)


def what_changed(before: Proposal, now: Proposal) -> str | None:
    """The first change in the basis of a rejected proposal, in words; None if nothing has changed.

    A change is: a setting that it edits has another value; a measured value in its condition moved by more than twice its
    noise within the run (the larger of the two); or the verdict on its base was decided, or decided differently.
    """
    settings: Mapping[str, Any] = {change.path: change.before for change in before.changes}
    for change in now.changes:
        if change.path in settings and settings[change.path] != change.before:
            return f"{change.path} was {value_text(settings[change.path])}, now {value_text(change.before)}"
    seen = {each.name: each for each in before.evidence.observations} if before.evidence else {}
    for each in now.evidence.observations if now.evidence else ():
        was = seen.get(each.name)
        if was is not None and _moved(was, each):
            return f"{each.name} was {operand_text(was.value)}, now {operand_text(each.value)}"
    decided = [call for call in (before.standing, now.standing) if call is not None and call.decided]
    if decided and before.standing is not now.standing:
        words = [call.value if call else "not compared with its own base" for call in (before.standing, now.standing)]
        return f"its base was {words[0]}, now {words[1]}"
    return None


def _moved(before: Observation, now: Observation) -> bool:
    values = (before.value, now.value)
    if now.metric is None or now.name.endswith(".n"):
        return False  # a setting or a count; settings that the rule edits are compared separately
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return bool(before.value != now.value)
    noise = max((each.noise for each in (before, now) if each.noise), default=None)
    least = UNKNOWN_NOISE * abs(before.value) if noise is None else 2 * noise
    return bool(abs(now.value - before.value) > least)
