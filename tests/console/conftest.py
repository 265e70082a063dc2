import asyncio

import pytest
from hypothesis import settings
from textual.app import App

from autoloop_tui.console.theming.theme_files import load_themes, to_textual, variable_defaults

# The same examples each time: a run of the suite says something about the change, not about its luck.
settings.register_profile("tui", derandomize=True, deadline=None, max_examples=200)
settings.load_profile("tui")


class PaneApp(App):
    """An app that shows the given panes one below the other, with our themes."""

    CSS = "LogTail, Chart, BigChart { height: 1fr; }"

    def __init__(self, *panes, theme="dark", ascii_only=False):
        super().__init__()
        self.animation_level = "none"
        self.panes, self.ascii_only = panes, ascii_only
        for each in load_themes(None, {"HOME": "/nonexistent"}).themes.values():
            self.register_theme(to_textual(each))
        self.theme = theme

    def get_theme_variable_defaults(self):
        return variable_defaults(dark=self.current_theme.dark, ansi=self.current_theme.ansi)

    def compose(self):
        yield from self.panes


@pytest.fixture
def show():
    """show(script, *panes): run `script(pilot)` against the panes at `size`."""

    def run(script, *panes, size=(80, 24), **options):
        async def main():
            app = PaneApp(*panes, **options)
            async with app.run_test(size=size) as pilot:
                await pilot.pause()
                await script(pilot)

        asyncio.run(main())

    return run


def painted(pane):
    """The rows of a pane as they are on the screen."""
    return ["".join(segment.text for segment in pane.render_line(y)) for y in range(pane.size.height)]


@pytest.fixture
def rows():
    return painted
