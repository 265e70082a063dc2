"""What is drawn: long lines, hostile ones, levels, themes, and an empty log."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from autoloop_tui.console.widgets.log_tail import LogTail
from tests.console.projects import painted
from tests.console.running import Size, show
from tests.console.widgets.log_tail.driving import append, body, opened


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
