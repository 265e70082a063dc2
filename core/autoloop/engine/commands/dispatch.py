"""Dispatches commands: each row is carried out once, by the handler of its verb, and answered with a sentence."""

from __future__ import annotations

import logging
from typing import assert_never

from msgspec import UNSET

from autoloop import protocol
from autoloop.engine.base.context import Context
from autoloop.engine.commands import agents, loop, notes, permission, proposals, rounds, runs
from autoloop.engine.commands.command import CommandContext
from autoloop.engine.commands.proposals import PartlyDoneError
from autoloop.engine.rounds.live_proposals import LiveProposals
from autoloop.engine.rounds.proposals import Proposals
from autoloop.engine.runs.execution import Execution
from autoloop.model import EventKind, UserError
from autoloop.protocol import Request
from autoloop.store import Command, StoreUnavailableError

LOG = logging.getLogger(__name__)


def carry_out(command: CommandContext, request: Request) -> str:
    """Carry out a request and return the answer. The type checker reports a verb without a handler."""
    match request:
        case protocol.Approve():
            return proposals.approve(command, request)
        case protocol.Reject():
            return proposals.reject(command, request)
        case protocol.Undo():
            return proposals.undo(command, request)
        case protocol.Edit():
            return proposals.edit(command, request)
        case protocol.Propose():
            return proposals.propose(command, request)
        case protocol.Start():
            return rounds.start(command, request)
        case protocol.Hold():
            return rounds.hold(command, request)
        case protocol.Pause():
            return loop.pause(command, request)
        case protocol.Resume():
            return loop.resume(command, request)
        case protocol.Stop() | protocol.Kill():
            if request.run is UNSET:
                return loop.stop(command, request)
            return runs.stop(command, request.run, kill=isinstance(request, protocol.Kill))
        case protocol.Retry():
            return runs.retry(command, request)
        case protocol.Extend():
            return runs.extend(command, request)
        case protocol.Move():
            return runs.move(command, request)
        case protocol.Note():
            return notes.note(command, request)
        case protocol.Agents():
            return agents.agents(command, request)
        case _:
            assert_never(request)


class Commands:
    """Carries out command rows. A command that cannot be carried out changes nothing and is answered with the reason."""

    def __init__(self, context: Context, execution: Execution, proposals: Proposals, live: LiveProposals) -> None:
        self.context = context
        self.execution = execution
        self.proposals = proposals
        self.live = live
        self.began = context.clock()

    def apply_all(self) -> None:
        for row in self.context.store.open_commands(self.context.loop_id):
            self.apply(row)

    def apply(self, row: Command) -> None:
        """Carry out one command. Its effect and its answer are one transaction; a refused command changes nothing."""
        LOG.debug("command %d: %s, from %s", row.id, row.kind, row.sender.words)
        grant = permission.grant_of(self.context.agents, row.sender)
        command = CommandContext(self.context, self.execution, self.proposals, self.live, row.sender, grant, row.id)
        try:
            with self.context.store.transaction():
                try:
                    request = row.request
                    permission.check(self.context.store, self.context.loop, grant, row.sender, request, self.context.clock())
                    self.context.store.answer(row.id, True, carry_out(command, request))
                except PartlyDoneError as done:
                    self.context.store.answer(row.id, False, str(done))
        except StoreUnavailableError:
            raise  # the command is carried out once the store can be written again
        except UserError as error:
            self._refuse(row, str(error))
        except Exception as error:
            # A bug in one command must not end a loop that has run for days, or hit the next engine again.
            LOG.exception("fault in the command %s", row.kind)
            self._refuse(row, f"It failed because of a bug in Auto Loop ({type(error).__name__}: {error}).")

    def _refuse(self, row: Command, text: str) -> None:
        LOG.debug("command %d is refused: %s", row.id, text)
        with self.context.store.transaction():
            self.context.store.answer(row.id, False, text)
            if row.sent_at < self.began:
                # The sender is no longer waiting for the answer.
                self.context.log_event(EventKind.NOTE, f"the earlier `{row.kind}` request was not carried out: {text}")
