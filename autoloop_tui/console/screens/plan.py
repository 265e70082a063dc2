"""A plan on the screen: what would run, and the key that runs it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from autoloop_tui.console.actions import bindings
from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.drawing.pieces import Piece, crop
from autoloop_tui.console.full_screen import FullScreenApp
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.dialogs import Confirm
from autoloop_tui.console.theming.theme_files import load_themes
from autoloop_tui.console.widgets.row_pane import RowPane

HALF_PAGE, SIDEWAYS = 10, 20
"""Lines and cells that the plan scrolls at a time."""


class PlanPane(RowPane, can_focus=True):
    """The lines of the plan; long commands scroll sideways."""

    DEFAULT_CSS = "PlanPane { height: 1fr; padding: 0 1; }"

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines
        self.top = self.left = 0

    def on_resize(self) -> None:
        self.repaint()

    def scroll_by(self, down: int, right: int) -> None:
        self.top = max(0, min(self.top + down, len(self.lines) - self.size.height))
        longest = max(map(len, self.lines), default=0)
        self.left = max(0, min(self.left + right, longest - self.size.width))
        self.repaint()

    def repaint(self) -> None:
        width, height = self.size
        rows: list[list[Piece]] = []
        for line in self.lines[self.top : self.top + height]:
            mark = self.glyphs.ellipsis
            rows.append(crop([(line, "dim" if line.startswith("[") else "")], self.left, width, mark))
        self.show(rows)


class PlanApp(FullScreenApp[bool]):
    """Returns True if the user chooses to run the plan. Nothing is written before that."""

    CSS = "Screen { background: $background; color: $foreground; } .bar { height: 1; background: $panel; }"
    ENABLE_COMMAND_PALETTE = False
    STILL: ClassVar[str] = "nothing was started"
    BINDINGS: ClassVar[list[BindingType]] = bindings("plan")

    def __init__(self, name: str, text: str, costs: str = "It will use GPU time.") -> None:
        """`costs`: a sentence that the confirmation shows."""
        super().__init__(Path.cwd())
        self.plan_name, self.costs = name, costs
        self.text = text
        self.preferences = Preferences.load(os.environ)
        self.use_glyphs(ascii_only=self.preferences.ascii, blocks=self.preferences.blocks)
        self.animation_level = "none"

    def compose(self) -> ComposeResult:
        yield RowPane(id="head", classes="bar")
        yield PlanPane([plain(line) for line in self.text.splitlines()])
        yield RowPane(id="foot", classes="bar")

    def on_mount(self) -> None:
        self.register_themes(load_themes(self.project).themes.values())
        if self.preferences.theme in self.available_themes:
            self.theme = self.preferences.theme
        self.query_one(PlanPane).focus()
        self.call_after_refresh(self.paint_bars)

    def on_resize(self) -> None:
        self.call_after_refresh(self.paint_bars)

    def paint_bars(self) -> None:
        self.query_one("#head", RowPane).show(
            [[(" plan ", "bold key"), (f"{plain(self.plan_name)} ", "bold"), ("nothing has been started", "dim")]]
        )
        keys: list[Piece] = [(" S", "bold key"), (" start it ", ""), (" q", "bold key"), (" leave ", "")]
        keys += [(" j k h l", "bold key"), (" read ", ""), ("  $ add --exec to start without this screen", "dim")]
        self.query_one("#foot", RowPane).show([keys])

    def action_down(self) -> None:
        self.query_one(PlanPane).scroll_by(1, 0)

    def action_up(self) -> None:
        self.query_one(PlanPane).scroll_by(-1, 0)

    def action_left(self) -> None:
        self.query_one(PlanPane).scroll_by(0, -SIDEWAYS)

    def action_right(self) -> None:
        self.query_one(PlanPane).scroll_by(0, SIDEWAYS)

    def action_page_down(self) -> None:
        self.query_one(PlanPane).scroll_by(HALF_PAGE, 0)

    def action_page_up(self) -> None:
        self.query_one(PlanPane).scroll_by(-HALF_PAGE, 0)

    def action_start(self) -> None:
        def answered(agreed: bool | None) -> None:
            if agreed:
                self.exit(True)

        self.push_screen(Confirm("Start this plan?", self.costs, "Start"), answered)

    async def action_back(self) -> None:
        self.exit(False)
