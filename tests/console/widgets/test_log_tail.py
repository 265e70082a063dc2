from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from autoloop_tui.console.logs.search import parse_query
from autoloop_tui.console.widgets.log_tail import LogTail
from tests.console.projects import painted
from tests.console.running import Size, show


@pytest.fixture
def path(tmp_path: Path) -> Any:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"line {n}\n" for n in range(200)))
    return path


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def body(pane: Widget) -> list[str]:
    return [row.strip() for row in painted(pane)[1:]]


def here(pane: LogTail) -> str:
    """The line under the cursor, which must be in sight."""
    (row,) = [row for row in painted(pane)[1:] if row.startswith("▌")]
    return row[1:].strip()


async def settled(pilot: Pilot[Any], pane: LogTail) -> None:
    """Until the search under way has ended."""
    while "searching" in painted(pane)[0]:
        await pilot.pause()
    await pilot.pause()


def opened(pane: LogTail, path: Path, pilot: Pilot[Any]) -> Any:
    pane.open(path, "log of a1")
    pane.focus()
    return pilot.pause()


async def test_it_follows_the_end_and_says_so(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        assert body(pane)[-1] == "line 199"
        assert "log of a1" in painted(pane)[0]
        assert "following ▼" in painted(pane)[0]
        append(path, "line 200\n")
        pane.tick()
        assert body(pane)[-1] == "line 200"


async def test_the_log_of_an_ended_run_is_not_followed(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        pane.ended = True
        await opened(pane, path, pilot)
        assert body(pane)[-1] == "line 199"
        assert "200 lines" in painted(pane)[0]
        assert "following" not in painted(pane)[0]


async def test_moving_up_freezes_it_and_counts_what_is_new(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        await pilot.press("k", "k")
        before = body(pane)
        append(path, "new\n" * 1234)
        pane.tick()
        assert body(pane) == before
        assert "1 234 new" in painted(pane)[0]
        assert "paused 198/1 434" in painted(pane)[0]
        await pilot.press("G")
        assert body(pane)[-1] == "new"
        assert "following" in painted(pane)[0]


async def test_while_frozen_only_the_row_that_counts_is_painted_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        await pilot.press("k")
        pane.tick()
        painted = []
        monkeypatch.setattr(pane, "refresh", lambda *regions, **_: painted.extend(regions))
        append(path, "new\n")
        pane.tick()
        assert [(region.y, region.height) for region in painted] == [(0, 1)]
        painted.clear()
        pane.tick()
        assert painted == []


async def test_a_log_that_flies_by_is_painted_about_once_a_second(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        last = []
        for n in range(10):
            append(path, f"page {n}\n" * 100)
            pane.tick()
            last.append(body(pane)[-1])
        assert last == ["line 199"] * 4 + ["page 4"] * 5 + ["page 9"]
        append(path, "a slow line\n")
        pane.tick()
        assert body(pane)[-1] == "a slow line"


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("g", 0),
        ("g j j", 2),
        ("g ctrl+d", 11),
        ("g ctrl+d ctrl+u", 0),
        ("k", 198),
        ("ctrl+u", 188),
        ("home down", 1),
        ("F", 199),
        ("g pagedown up", 10),
    ],
)
async def test_keys_move_the_cursor(path: Path, keys: str, line: Any) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        await pilot.press(*keys.split())
        assert not pane.following
        assert here(pane) == f"line {line}"


@pytest.mark.parametrize("keys", ["k j j", "F F", "g end", "ctrl+u ctrl+d ctrl+d"])
async def test_walking_off_the_end_follows_again(path: Path, keys: str) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        await pilot.press(*keys.split())
        assert pane.following


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
        assert "went round" in painted(pane)[0]


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
        assert not painted(pane)[1].startswith("▌")  # What led to it is in sight.


async def test_the_line_under_the_cursor_is_copied(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        await pilot.press("g", "j", "y")
        assert pilot.app.clipboard == "line 1"


async def test_the_pager_gets_the_file_and_the_line_without_a_shell(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pager = tmp_path / "less"
    pager.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/args\n')
    pager.chmod(0o755)
    odd = path.rename(tmp_path / "a log; touch pwned.txt")

    pane = LogTail()
    async with show(pane) as pilot:
        from contextlib import nullcontext

        monkeypatch.setattr(pilot.app, "suspend", nullcontext)
        await opened(pane, odd, pilot)
        monkeypatch.setenv("PAGER", f"{pager} -S")
        await pilot.press("g", "j", "V")
        assert (tmp_path / "args").read_text().splitlines() == ["-S", "+2", str(odd)]
        monkeypatch.setenv("PAGER", "no-such-pager")
        await pilot.press("V")
        assert "cannot start no-such-pager" in painted(pane)[0]
        assert not os.path.exists("pwned.txt")


@pytest.mark.parametrize("value", ["'", "''", "; touch pwned", "$(touch pwned)", "/", "less`touch pwned`"])
async def test_a_pager_that_is_no_program_is_a_sentence(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        from contextlib import nullcontext

        monkeypatch.setattr(pilot.app, "suspend", nullcontext)
        monkeypatch.chdir(tmp_path)
        await opened(pane, path, pilot)
        monkeypatch.setenv("PAGER", value)
        await pilot.press("V")
        assert "cannot start" in painted(pane)[0] or "is not a command" in painted(pane)[0]
        assert not os.path.exists("pwned")


async def test_long_lines_are_seen_by_moving_sideways(tmp_path: Path) -> None:
    path = tmp_path / "wide"
    path.write_text("".join(f"{n:04d} " for n in range(100)) + "\n")

    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        assert painted(pane)[1].endswith("…")
        await pilot.press("l", "l")
        assert body(pane)[0].startswith("06 0007")
        await pilot.press("h", "h")
        assert body(pane)[0].startswith("0000 0001")


HOSTILE = (
    b"\x1b[31mred\x1b[0m [bold]markup[/bold] \x1b]0;title\x07\n"
    + "日本語のログ é\u0301 👍🏽 \u202egnp.exe\n".encode() * 3
    + b"\xff\xfe\x80 invalid\n"
    + b"0%\r50%\r100%\n"
    + b"w" * (10 << 20)
    + b"\n\x00\x01\x02\x9b31mC1\n"
    + b"unfinished \xe6\x97"
)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 6), (80, 24)])
async def test_a_hostile_log_is_shown_in_exactly_the_width_of_the_pane(tmp_path: Path, size: Size) -> None:
    path = tmp_path / "hostile"
    path.write_bytes(HOSTILE)

    pane = LogTail()
    async with show(pane, size=size) as pilot:
        await opened(pane, path, pilot)
        for key in ("k", "g", "l", "h", "exclamation_mark", "ctrl+d", "G"):
            await pilot.press(key)
            for row in painted(pane):
                assert cell_len(row) == size[0]
                assert row.isprintable()
        if size == (80, 24):
            text = "\n".join(painted(pane))
            assert "red [bold]markup[/bold]" in text
            assert "\\xff\\xfe\\x80 invalid" in text
            assert " 100% " in text


async def test_it_survives_a_hundred_resizes_and_a_file_that_is_replaced(path: Path) -> None:
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        for n in range(100):
            await pilot.resize_terminal(1 + n * 7 % 90, 1 + n * 5 % 30)
            if n == 50:
                path.write_text("a new file\n")
            pane.tick()
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert body(pane)[0] == "a new file"


async def test_empty_states_say_what_is_missing(tmp_path: Path) -> None:
    pane = LogTail()
    async with show(pane):
        pane.open(None, empty="this run has not started")
        assert "this run has not started" in "".join(painted(pane))
        pane.open(tmp_path / "later")
        assert "no log yet" in "".join(painted(pane))
        (tmp_path / "later").write_text("")
        pane.tick()
        assert "nothing printed yet" in "".join(painted(pane))


async def test_in_ascii_mode_the_panes_own_glyphs_are_ascii(path: Path) -> None:
    pane = LogTail()
    async with show(pane, ascii_only=True) as pilot:
        await opened(pane, path, pilot)
        await pilot.press("k")
        assert "".join(painted(pane)).isascii()


@pytest.mark.parametrize("theme", ["dark", "ansi16", "nord", "textual-light"])
async def test_it_is_coloured_by_any_theme_and_follows_a_change_of_it(path: Path, theme: str) -> None:
    pane = LogTail()
    async with show(pane, theme=theme) as pilot:
        append(path, "RuntimeError: x\n")
        await opened(pane, path, pilot)
        before = pane.look("slot-failed")
        pilot.app.theme = "high-contrast"
        await pilot.pause()
        assert pane.look("slot-failed") != before


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


async def test_long_lines_are_wrapped_and_the_line_under_the_cursor_stays_in_sight(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"{n} " + "word " * 40 + f"end{n}\n" for n in range(30)))
    pane = LogTail()
    async with show(pane, size=(60, 12)) as pilot:
        await opened(pane, path, pilot)
        await pilot.press("Z")
        assert body(pane)[-1].endswith("end29")
        assert body(pane)[-4].startswith("29 word")
        for _ in range(5):
            await pilot.press("k")
        (row,) = [row for row in painted(pane)[1:] if row.startswith("▌")]
        assert row[1:].startswith("24 word")
        await pilot.press("g")
        assert body(pane)[0].startswith("▌0 word")
        await pilot.click(pane, offset=(3, 6))
        assert [row[1:3] for row in painted(pane) if row.startswith("▌")] == ["1 "]
        await pilot.press("Z")
        assert [row.split()[0].strip("▌") for row in body(pane)] == [str(n) for n in range(11)]


async def test_levels_have_colours_and_evaluations_and_checkpoints_a_sign(tmp_path: Path) -> None:
    lines = {
        "INFO step 10 loss 0.5": (" ", ""),
        "DEBUG cache miss": (" ", "dim"),
        "WARNING: grad norm large": (" ", "slot-warn"),
        "ERROR out of memory": (" ", "slot-failed"),
        "eval_l1: 0.33 at step 20": ("●", ""),
        "eval_freq: 200": (" ", ""),
        "Checkpoint policy after step 20": ("◆", ""),
        "saving the model to out/20": ("◆", ""),
    }
    path = tmp_path / "log.txt"
    path.write_text("\n".join(lines) + "\n")
    pane = LogTail()
    async with show(pane) as pilot:
        await opened(pane, path, pilot)
        for y, (line, (sign, look)) in enumerate(lines.items(), 1):
            strip = list(pane.render_line(y))
            assert (strip[0].text, strip[1].text.strip()) == (sign, line)
            assert strip[1].style == pane.look(look)
