"""Sending requests to the engine and showing their answers; starting an engine if the loop has none."""

from __future__ import annotations

import os
from pathlib import Path

from autoloop.protocol import Agents, Pause, Request, Resume, Stop, verb

from autoloop_tui.console.actions import BY_ID, shown_key
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import TROUBLE
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.base import LoopScreen
from autoloop_tui.console.themed_app import ThemedApp


class AskingApp(ThemedApp):
    """Sends requests through its feed and reports about them on the last line of the screen."""

    readonly = ""
    """Why no commands are sent; empty if they are."""

    def __init__(self, project: Path, feed: Feed, preferences: Preferences) -> None:
        super().__init__(project, preferences)
        self.feed = feed
        self.kept: list[LoopScreen] = []
        """Screens that stay mounted after the user leaves them."""

    def show_answers(self) -> None:
        """Show the answers to the commands that were sent."""
        if self.feed.problem:
            self.show_message(self.feed.problem, ok=False)
        else:
            for command in self.feed.answers():
                self.show_message(command.answer or "", ok=bool(command.ok))
        unsent = self.feed.unsent()
        if self.feed.waiting:
            self.show_message(f"{self.feed.waiting} not sent yet: {self.feed.UNSENT_BECAUSE}", ok=False)
        for problem in unsent:
            self.show_message(problem, ok=False)
            for screen in {*self.screen_stack, *self.kept}:
                if isinstance(screen, LoopScreen) and screen.is_mounted:
                    screen.not_sent()

    def keys_of(self, action_id: str) -> str:
        """Return the key of an action as displayed, after remapping."""
        key = shown_key(self.preferences.keys.get(action_id, BY_ID[action_id].keys))
        return key.replace("⏎", self.glyphs.of("⏎", "enter"))

    def ask(self, request: Request) -> bool:
        """Send a request to the engine; its answer is shown when it arrives. Returns False, with a message, if it was not
        sent."""
        if self.feed.view is None or self.feed.view.engine is None:
            self.show_message(f"the engine has stopped: press {self.keys_of('app.engine')} to restart it", ok=False)
            return False
        return self._send(request)

    def ask_waking(self, request: Request) -> None:
        """Like `ask`, but start an engine if the loop has none."""
        self._send(request)
        if not self.readonly and (self.feed.view is None or self.feed.view.engine is None):
            self._wake()

    def _send(self, request: Request) -> bool:
        if self.readonly:
            self.show_message(f"{self.readonly}: {verb(request)} was not sent", ok=False)
            return False
        try:
            self.feed.send(request)
        except TROUBLE as error:  # raised outside of an action if a dialog's answer sends the request
            self.show_message(f"{verb(request)} was not sent: {error}", ok=False)
            return False
        return True

    def show_message(self, text: str, *, ok: bool = True) -> None:
        """Show a sentence on the last line of the screen, even below a dialog. Paths are shown relative to the project."""
        text = text.replace(f"{self.project}{os.sep}", "")
        below = next((screen for screen in reversed(self.screen_stack) if isinstance(screen, LoopScreen)), None)
        if below is not None and below.is_mounted:
            below.show_message(text, "" if ok else "slot-failed")

    def confirm(self, what: str, why: str, yes: str, request: Request) -> None:
        """Ask for confirmation, and send the request if the user agrees."""
        from autoloop_tui.console.screens.dialogs import Confirm

        def answered(agreed: bool | None) -> None:
            if agreed:
                self.ask(request)

        self.push_screen(Confirm(what, why, yes), answered)

    def action_pause(self) -> None:
        view = self.feed.view
        if view is not None:
            self.ask(Resume() if view.loop.paused else Pause())

    def action_hold_agents(self) -> None:
        view = self.feed.view
        if view is not None:
            self.ask(Agents(held=view.loop.agents_held is None))

    def action_stop_loop(self) -> None:
        self.confirm(
            "Stop the whole loop?",
            "Its running runs are interrupted and queued again; logs, checkpoints and metrics so far are kept. "
            "`autoloop-tui resume` continues from there.",
            "Stop the loop",
            Stop(),
        )

    def action_engine(self) -> None:
        """Start an engine for a loop that has none."""
        self._send(Resume())
        self._wake()

    def _wake(self) -> None:
        self.run_worker(self._spawn, thread=True, exclusive=True, group="engine", exit_on_error=False)

    def _spawn(self) -> None:
        """Start the engine. Runs in its own thread."""
        try:
            self.call_from_thread(self.show_message, self.feed.wake())
        except TROUBLE as error:
            self.call_from_thread(self.show_message, str(error), ok=False)
