"""Running an app in a test: `async with run_app(app) as pilot`, as the helpers of every screen do; or panes alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any, TypeVar

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget

from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.theming.colours import Depth
from autoloop_tui.console.theming.defaults import variable_defaults
from autoloop_tui.console.theming.theme_files import load_themes, to_textual
from autoloop_tui.console.widgets.row_pane import ASCII_CLASS
from tests.console.projects import RecordedProject
from tests.console.waiting import settle

Size = tuple[int, int]
"""Columns and rows of the terminal."""


Shown = TypeVar("Shown", bound=Screen[Any])


class ConsolePilot(Pilot[int]):
    """A pilot whose app is the console."""

    @property
    def app(self) -> ConsoleApp:
        app = super().app
        assert isinstance(app, ConsoleApp)
        return app


@asynccontextmanager
async def run_app(
    app: ConsoleApp, size: Size = (80, 24), *, engine: RecordedProject | None = None
) -> AsyncIterator[ConsolePilot]:
    """Run `app` until the block ends; the block starts once everything has been drawn.

    `engine`: a project whose loop then has an engine.
    """
    with engine.engine() if engine else nullcontext():
        async with app.run_test(size=size):
            pilot = ConsolePilot(app)
            await settle(pilot)
            yield pilot


async def at_each(pilot: Pilot[Any], sizes: Sequence[Size]) -> AsyncIterator[Size]:
    """Yield each size of the terminal in turn, once the app has been laid out and drawn for it."""
    for size in sizes:
        await pilot.resize_terminal(*size)
        await settle(pilot)
        yield size


def on_top(app: App[Any], kind: type[Shown]) -> Shown:
    """Return the screen that has the focus, which must be of this type."""
    assert isinstance(app.screen, kind)
    return app.screen


def view_of(app: ConsoleApp) -> View:
    """Return the view that the console shows of its loop."""
    assert app.feed.view is not None
    return app.feed.view


class PaneApp(App[None]):
    """An app that shows the given panes one below another, with our themes."""

    CSS = "LogTail, Chart { height: 1fr; }"

    def __init__(self, *panes: Widget, theme: str = "dark", ascii_only: bool = False) -> None:
        super().__init__()
        self.animation_level = "none"
        self.panes = panes
        self.set_class(ascii_only, ASCII_CLASS)
        for each in load_themes(None, {"HOME": "/nonexistent"}).themes.values():
            self.register_theme(to_textual(each, Depth.FULL))
        self.theme = theme

    def get_theme_variable_defaults(self) -> dict[str, str]:
        theme = self.current_theme
        return variable_defaults(dark=theme.dark, ansi=theme.ansi)

    def compose(self) -> ComposeResult:
        yield from self.panes


@asynccontextmanager
async def show(*panes: Widget, size: Size = (80, 24), **options: Any) -> AsyncIterator[Pilot[None]]:
    """Show the panes at `size`; `options` are those of PaneApp."""
    async with PaneApp(*panes, **options).run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot
