"""The console for a loop on another machine: the same screens over a connection that may be interrupted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from textual.screen import Screen

from autoloop_tui.console.actions import CHANGING
from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.remote.feed import RemoteFeed
from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.user_commands import UserCommand


class RemoteApp(ConsoleApp):
    """The remote console. Actions that need the connection are refused while it is interrupted."""

    def __init__(self, feed: RemoteFeed, **options: Any) -> None:
        """`options` are those of ConsoleApp."""
        super().__init__(feed.project, feed=feed, **options)
        self.remote = feed
        self.crash_folder = Path(os.devnull)  # the mirror is deleted with the console

    @property
    def mode(self) -> str:
        """The host and other special modes, for the top line."""
        host = f"{self.remote.host}: not connected" if self.remote.away else self.remote.host
        return self.glyphs.dot.join(filter(None, [host, super().mode]))

    def refusal(self, action_id: str, on: Screen[Any] | None = None) -> str:
        if action_id in CHANGING and (away := self.remote.away):
            return away
        return super().refusal(action_id, on)

    def why_not(self, command: UserCommand, on: LoopScreen | None = None) -> str:
        return f"{command.label} would run here, but the loop is on {self.remote.host}"
