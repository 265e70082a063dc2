"""Loops with live rules: books that stop, relaunch and ask, and runs that log bad rows."""

from __future__ import annotations

from typing import Any

from autoloop.model import Loop, Proposal, ProposalStatus

from tests.engine.project import EngineProject, rows

STOPS = """
name = "live"
version = "1"
[[rule]]
id = "hopeless"
scope = "live"
when = "l1_loss.last > 5"
reason = "it gets nowhere"
"""


PATCHES = """
name = "live"
version = "1"
[[rule]]
id = "stuck"
scope = "live"
between = [2, 50]
when = "l1_loss.last > 5"
reason = "it is stuck"
changes = [["lr@mul=2"], ["seed@add=1000"]]
relaunches = 2
"""


# Its successors do not match the rule, although they log the same rows.
HEALS = PATCHES.replace('["lr@mul=2"], ["seed@add=1000"]', '"lr@mul=2", "hang@set=false"').replace(
    '"l1_loss.last > 5"', "'l1_loss.last > 5 and config(\"lr\") < 1.5'"
)


BAD = rows(9.0, 8.0, 7.0)


def begin(project: EngineProject, book: str, *names: str, concurrency: int = 1, **behaviour: Any) -> Loop:
    """Create a loop of 100 steps with a live rule book; its runs log three bad rows and then hang."""
    configs = [project.config(name, **{"rows": BAD, "hang": True, **behaviour}) for name in names or ("a",)]
    return project.loop(configs, steps=100, rules=project.rules(book), live=True, concurrency=concurrency)


def live(project: EngineProject, loop: Loop) -> list[Proposal]:
    return [proposal for proposal in project.proposals(loop) if proposal.live]


def one(project: EngineProject, loop: Loop, status: ProposalStatus) -> Proposal | None:
    return next((proposal for proposal in live(project, loop) if proposal.status is status), None)
