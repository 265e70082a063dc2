"""Copying a line to the clipboard, and opening the file in a pager."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from autoloop_tui.console.widgets.log_tail import LogTail
from tests.console.projects import painted
from tests.console.running import show
from tests.console.widgets.log_tail.driving import opened


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
