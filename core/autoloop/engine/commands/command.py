"""The context of a command's handler: the engine's parts, and the sender of the command."""

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
    """A command being carried out. Its handler returns the answer as a sentence, or raises UserError and changes nothing."""

    context: Context
    execution: Execution
    proposals: Proposals
    live: LiveProposals
    sender: Sender
    grant: Grant | None
    """What its sender may do; None for a person, who may do everything."""
    number: int
    """The command's id. Decisions made by one command are undone together."""

    @property
    def actor(self) -> str:
        """The sender, in words."""
        return self.sender.words

    def run(self, name: str) -> Run:
        """The run with this id, or else the newest with this name. Raises UserError if the loop has neither."""
        return self.context.store.find_run(self.context.loop, name)
