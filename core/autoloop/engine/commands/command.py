"""What a handler works with: the engine's parts, and who sent the command."""

from __future__ import annotations

from dataclasses import dataclass

from autoloop.engine.base.context import Context
from autoloop.engine.rounds.live_proposals import LiveProposals
from autoloop.engine.rounds.proposals import Proposals
from autoloop.engine.runs.execution import Execution
from autoloop.model import Run, Sender
from autoloop.settings import Grant


@dataclass(frozen=True)
class CommandContext:
    """One command while it is carried out: its handler answers with a sentence, or raises UserError and changes nothing."""

    context: Context
    execution: Execution
    proposals: Proposals
    live: LiveProposals
    sender: Sender
    grant: Grant | None
    """What its sender may do; None for a person, who may do all."""
    number: int
    """The command's row: what one command decides is undone together."""

    @property
    def actor(self) -> str:
        """Who sent it, in words."""
        return self.sender.words

    def run(self, name: str) -> Run:
        """The run of this id, else the newest of this name. UserError if the loop has none."""
        return self.context.store.find_run(self.context.loop, name)
