import asyncio

import pytest
from autoloop.model import Change, RoundState, RunState
from hypothesis import settings
from textual.app import App

from autoloop_tui.console.theming.theme_files import load_themes, to_textual, variable_defaults
from autoloop_tui.console.widgets.row_pane import ASCII_CLASS
from tests.console.projects import CONFIG, Project

# The same examples each time: a run of the suite says something about the change, not about its luck.
settings.register_profile("tui", derandomize=True, deadline=None, max_examples=200)
settings.load_profile("tui")


class PaneApp(App):
    """An app that shows the given panes one below the other, with our themes."""

    CSS = "LogTail, Chart, BigChart { height: 1fr; }"

    def __init__(self, *panes, theme="dark", ascii_only=False):
        super().__init__()
        self.animation_level = "none"
        self.panes = panes
        self.set_class(ascii_only, ASCII_CLASS)
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


@pytest.fixture
def project(tmp_path):
    """A loop that waits for decisions: an ended run, a running one, a queued one and two proposals."""
    made = Project(tmp_path)
    base = made.run("base", log="INFO fine\n")
    config = {**CONFIG, "ot": {**CONFIG["ot"], "lambda_ot": 0.15}}
    made.run("variant", RunState.RUNNING, base=base, config=config, log="INFO step 1\nINFO ab\n")
    made.run("waits", RunState.QUEUED, base=base, config={**CONFIG, "seed": 7})
    made.round(1, RoundState.DECIDING)
    for reg in (0.16, 0.17):
        change = Change(path="ot.loss_config.reg", before=0.1, after=reg)
        made.proposal(base, [f"ot.loss_config.reg={reg}"], changes=[change])
    yield made
    made.store.close()
