"""The lines of the command palette."""

from __future__ import annotations

import pytest

from autoloop_tui.console.actions import ACTIONS
from autoloop_tui.console.drawing.paint import cells
from autoloop_tui.console.palette import Entry, line


@pytest.mark.parametrize("title", ["Run base", "Run 基线 学习率"])
def test_what_is_told_of_a_title_stands_in_one_column_whatever_its_characters(title: str) -> None:
    shown = line(Entry(title, "round 1", lambda: None, "n"), 120).plain
    assert cells(shown.partition("round 1")[0]) == 48


def test_the_commands_of_all_screens_stand_in_one_column() -> None:
    everywhere = [action for action in ACTIONS if action.scope == "app" and action.command]
    columns = {cells(line(Entry(each.description, "$", list, "n"), 120).plain.partition("$")[0]) for each in everywhere}
    assert columns == {48}


def test_a_long_key_is_apart_from_the_title() -> None:
    assert line(Entry("Quit", "", lambda: None, "ctrl+shift+q"), 120).plain.startswith("ctrl+shift+q Quit ")
