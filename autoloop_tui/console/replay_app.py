"""The console for a replay: the same screens, with keys that move the replay's clock."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from textual.screen import Screen

from autoloop_tui.console.actions import REPLAYING
from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.replaying import ReplayFeed
from autoloop_tui.console.screens.base import LoopScreen

BAR = 16
"""Width of the replay's progress bar, in cells."""


class ReplayApp(ConsoleApp):
    """Sends nothing. The key that pauses a loop pauses the replay."""

    def __init__(self, project: Path, replay: ReplayFeed, **options: Any) -> None:
        """`options` are those of ConsoleApp."""
        super().__init__(project, feed=replay, **options)
        self.replay = replay
        self.readonly = "replay"

    def refusal(self, action_id: str, on: Screen[Any] | None = None) -> str:
        return "" if action_id == "app.pause" or action_id in REPLAYING else super().refusal(action_id, on)

    def _show_result(self) -> None:
        """Do nothing: a replay can reach the end at any time, and no page should open for it."""

    def action_pause(self) -> None:
        self.replay.playing = not self.replay.playing
        self._replayed()

    @property
    def mode(self) -> str:
        """The replay's progress, time and speed, for the top line."""
        done = round(BAR * self.replay.share)
        full, empty = self.glyphs.of("█", "#"), self.glyphs.of("░", ".")
        clock = time.strftime("%d %b %H:%M:%S", time.localtime(self.replay.at))
        goes = f"x{self.replay.speed:g}" if self.replay.playing else "paused"
        return f"replay {full * done}{empty * (BAR - done)} {clock} {goes}"

    def action_replay_next(self) -> None:
        self.replay.next_event()
        self._replayed()

    def action_replay_previous(self) -> None:
        self.replay.previous_event()
        self._replayed()

    def action_replay_faster(self) -> None:
        self.replay.change_speed(1)
        self._replayed()

    def action_replay_slower(self) -> None:
        self.replay.change_speed(-1)
        self._replayed()

    def _replayed(self) -> None:
        """Show the chosen instant."""
        self.feed.poll()
        if isinstance(self.screen, LoopScreen):
            self.screen.refresh_view()
