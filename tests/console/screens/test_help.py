from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from autoloop_tui.console.actions import ACTIONS, SCOPES
from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.drawing.paint import LOOKS, cells
from autoloop_tui.console.pane_bindings import PANE_KEYS
from autoloop_tui.console.screens.help import HelpScreen, side_by_side
from autoloop_tui.console.widgets.document import Document, text_of
from tests.console.projects import RecordedProject, painted
from tests.console.running import Size, run_app
from tests.console.waiting import settle


@pytest.fixture
def project(tmp_path: Path) -> RecordedProject:
    made = RecordedProject(tmp_path)
    made.run("some")
    return made


@asynccontextmanager
async def drive(
    app: ConsoleApp, size: Size = (80, 24), key: str = "question_mark"
) -> AsyncIterator[tuple[Pilot[Any], Document]]:
    """Open the help with `key`."""
    async with run_app(app, size) as pilot:
        await pilot.press(key)
        await settle(pilot)
        assert isinstance(app.screen, HelpScreen)
        yield pilot, app.screen.query_one(Document)


def told(document: Document) -> str:
    """Return the whole text, visible or not."""
    return "\n".join(text_of(row) for row in document.rows)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_every_action_is_told_at_every_size(project: RecordedProject, size: Size) -> None:
    async with drive(project.app(), size) as (_, document):
        text = told(document)
        for action in ACTIONS:
            assert action.description[:40] in text  # longer ones continue in the next row
            if action.command:
                assert f"$ {action.command}"[:40] in text
        for keys in PANE_KEYS.values():
            for key in keys:
                assert key.description in text
        for look in LOOKS.values():
            assert look.text() in text
        assert all(sum(cells(t) for t, _ in row) <= size[0] for row in document.rows)


@pytest.mark.parametrize(("size", "columns"), [((80, 24), 1), ((120, 40), 2), ((200, 50), 3)])
async def test_there_are_as_many_columns_as_fit(project: RecordedProject, size: Size, columns: int) -> None:
    async with drive(project.app(), size) as (_, document):
        heads = [row for row in document.rows if any(look == "bold key" for _, look in row)]
        assert max(sum(look == "bold key" for _, look in row) for row in heads) == columns


async def test_the_scope_one_came_from_is_first(project: RecordedProject) -> None:
    app = project.app()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for key, scope in (("p", "proposals"), ("r", "rounds")):
            await pilot.press(key)
            await settle(pilot)
            await pilot.press("question_mark")
            await settle(pilot)
            assert told(app.screen.query_one(Document)).split("\n")[0].strip() == SCOPES[scope]
            await pilot.press("q")
            await settle(pilot)


async def test_remapped_keys_are_shown_and_work(project: RecordedProject) -> None:
    app = project.app()
    app.preferences.keys = {"app.help": "ctrl+x", "log.filter": "F"}

    async with drive(app, key="ctrl+x") as (_, document):
        rows = told(document).split("\n")
        assert any(row.split()[:2] == ["^x", "Help"] for row in rows)
        assert any(row.split()[:2] == ["F", "Only"] for row in rows)


async def test_it_scrolls_and_is_searched_and_q_goes_back(project: RecordedProject) -> None:
    async with drive(project.app()) as (pilot, document):
        await pilot.press("G")
        await settle(pilot)
        assert "256 colours" in "\n".join(painted(document))
        await pilot.press("g", "slash", *"escape-time", "enter")
        await settle(pilot)
        assert "escape-time" in "\n".join(painted(document))
        await pilot.press("q")
        await settle(pilot)
        assert not isinstance(pilot.app.screen, HelpScreen)


async def test_help_does_not_open_on_top_of_itself(project: RecordedProject) -> None:
    async with drive(project.app()) as (pilot, _):
        depth = len(pilot.app.screen_stack)
        await pilot.press("question_mark")
        await settle(pilot)
        assert len(pilot.app.screen_stack) == depth


async def test_a_changed_width_lays_it_out_anew(project: RecordedProject) -> None:
    async with drive(project.app()) as (pilot, document):
        one = len(document.rows)
        await pilot.resize_terminal(200, 50)
        await settle(pilot)
        assert len(document.rows) < one


async def test_ascii_needs_no_other_letters(project: RecordedProject) -> None:
    async with drive(project.app(ascii_only=True)) as (_, document):
        plain = told(document).replace("…", "").replace("·", "")  # these occur in commands and in prose
        assert plain.isascii(), {c for c in plain if not c.isascii()}


def test_blocks_stay_whole_and_in_reading_order() -> None:
    blocks = [[[(f"block {n}", "")]] + [[("row", "")]] * 4 for n in range(5)]
    rows = side_by_side(blocks, 2, 20)
    left = [text_of(row)[:20].strip() for row in rows]
    right = [text_of(row)[22:].strip() for row in rows]
    assert [text for text in left + right if text.startswith("block")] == [f"block {n}" for n in range(5)]
    assert abs(len([t for t in left if t]) - len([t for t in right if t])) <= 5
