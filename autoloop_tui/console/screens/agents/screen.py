"""The Agents screen: what each person, agent and rule has done and spent in the loop, and the last requests."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from autoloop.engine.commands.accounts import accounts
from autoloop.model import UserError
from autoloop.settings import load_settings
from textual.app import ComposeResult
from textual.binding import BindingType

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.agents import agents_rows
from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.widgets.row_pane import ScrolledPane

REQUESTS = 40
"""Number of last requests listed."""


class AgentsScreen(LoopScreen):
    """Shows the store's current state, even in a replay."""

    SCOPE = "agents"
    TITLE = "agents"
    DEFAULT_CSS = "AgentsScreen #agents { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = bindings("agents")

    def body(self) -> ComposeResult:
        yield ScrolledPane(id="agents")

    def on_mount(self) -> None:
        self.equivalent("app.agents")

    def show_view(self, view: View) -> None:
        host = self.console
        store, loop = host.feed.store, view.loop
        try:
            grants = load_settings(Path(loop.spec.cwd)).agents
        except UserError:  # an invalid file must not hide the screen
            grants = {}
        found = accounts(store, loop, grants, time.time())
        last, key = store.last_commands(loop.id, REQUESTS), host.keys_of("app.hold-agents")
        rows = agents_rows(found, last, loop, self.size.width, glyphs=host.glyphs, key=key)
        self.query_one(ScrolledPane).show_rows(rows)

    def action_down(self) -> None:
        self.query_one(ScrolledPane).scroll(1)

    def action_up(self) -> None:
        self.query_one(ScrolledPane).scroll(-1)
