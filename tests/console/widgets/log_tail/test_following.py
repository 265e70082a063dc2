"""The pane follows the end of a log, or stays put while the user reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autoloop_tui.console.widgets.log_tail import LogTail
from tests.console.projects import painted
from tests.console.running import show
from tests.console.widgets.log_tail.driving import append, body, here, opened


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
