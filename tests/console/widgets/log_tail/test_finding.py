"""Search, filter and the last error."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from autoloop_tui.console.logs.search import parse_query
from autoloop_tui.console.widgets.log_tail import LogTail
from tests.console.projects import painted
from tests.console.running import show
from tests.console.widgets.log_tail.driving import append, body, here, opened, settled


async def test_search_finds_the_newest_first_and_then_goes_on_both_ways(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        await pilot.press("slash", *"line 5", "enter")
        await settled(pilot, pane)
        found = [here(pane)]
        for key in ("N", "N", "n", "n", "n"):
            await pilot.press(key)
            await settled(pilot, pane)
            found.append(here(pane))
        assert found == [f"line {n}" for n in (59, 58, 57, 58, 59, 5)]
        assert "wrapped around" in painted(pane)[0]


async def test_what_was_found_is_highlighted(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        pane.search(parse_query("150"))
        await settled(pilot, pane)
        assert here(pane) == "line 150"
        row = pane.render_line([row.startswith("▌") for row in painted(pane)].index(True))
        assert [segment.text for segment in row if segment.style == pane.look("match")] == ["150"]


async def test_nothing_found_is_said_and_nothing_moves(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        await pilot.press("slash", *"zebra", "enter")
        await settled(pilot, pane)
        assert pane.following
        assert "not found" in painted(pane)[0]


async def test_a_bad_pattern_is_said_as_it_is_typed_and_the_prompt_stays(path: Path) -> None:
    pane = LogTail()
    async with show(pane, size=(160, 24)) as pilot:
        await opened(pane, path, pilot)
        await pilot.press("slash", *"/(/")
        assert "not a regular expression" in painted(pane)[0]
        await pilot.press("enter")
        assert pane.query_one(Input).display
        await pilot.press("escape")
        assert not pane.query_one(Input).display
        assert pane.has_focus


async def test_a_filter_keeps_only_matching_lines_also_of_those_to_come(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        await pilot.press("ampersand", *"/ 1?99$/", "enter")
        assert body(pane)[:3] == ["line 99", "line 199", ""]
        assert "only / 1?99$/" in painted(pane)[0]
        append(path, "no\nanother 99\n")
        pane.tick()
        assert body(pane)[:4] == ["line 99", "line 199", "another 99", ""]
        await pilot.press("k", "k", "f", *["backspace"] * 9, "enter")
        assert "only" not in painted(pane)[0]
        assert here(pane) == "line 99"


async def test_a_filter_that_keeps_nothing_says_so(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        pane.filter(parse_query("zebra"))
        assert "no line matches zebra" in "".join(painted(pane))


async def test_the_error_key_jumps_to_the_last_error_and_then_to_the_one_before(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        append(path, "ValueError: first\n" + "calm\n" * 50)
        append(path, "Traceback (most recent call last):\nKeyError: 'x'\n" + "end\n" * 50)
        pane.tick()
        lines = []
        for _ in range(2):
            await pilot.press("exclamation_mark")
            await settled(pilot, pane)
            lines.append(here(pane))
        assert lines == ["KeyError: 'x'", "ValueError: first"]
        assert not painted(pane)[1].startswith("▌")  # The lines that led to it are visible.


async def test_a_search_goes_to_its_first_match_while_it_is_typed_and_counts(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        await pilot.press(*"/line 1")
        await settled(pilot, pane)
        assert here(pane) == "line 199"
        assert "/line 1  111 of 111" in painted(pane)[0]
        await pilot.press("3", "5")
        await settled(pilot, pane)
        assert here(pane) == "line 135"
        assert "/line 135  1 of 1" in painted(pane)[0]
        await pilot.press("backspace", "enter", "N")
        await settled(pilot, pane)
        assert "/line 13  10 of 11" in painted(pane)[0]
        assert here(pane) == "line 138"
        append(path, "line 13 again\n")
        pane.tick()
        assert "/line 13  10 of 12" in painted(pane)[0]


async def test_esc_goes_back_to_where_the_search_began_and_later_away_with_it_then_with_the_filter(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        await pilot.press(*"/line 1", "escape")
        await settled(pilot, pane)
        assert pane.following
        assert "line 1  " not in painted(pane)[0]
        await pilot.press("ampersand", *"9", "enter", "slash", *"line 9", "enter")
        await settled(pilot, pane)
        assert "/line 9  11 of 11" in painted(pane)[0]
        assert "only 9" in painted(pane)[0]
        await pilot.press("escape")
        assert "/line 9" not in painted(pane)[0]
        assert "only 9" in painted(pane)[0]
        await pilot.press("escape")
        assert "only 9" not in painted(pane)[0]
