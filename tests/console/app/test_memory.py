"""The console: what it keeps in memory and what it frees."""

from __future__ import annotations

import ctypes
import gc
import sys
import weakref
from typing import Any

import pytest
from autoloop.model import (
    LoopEnd,
    LoopEndKind,
)

from autoloop_tui.console import allocator
from autoloop_tui.console.app import ConsoleApp
from autoloop_tui.console.loop_view import View
from tests.console.app.driving import drive
from tests.console.projects import RecordedProject
from tests.console.waiting import until


@pytest.mark.parametrize("lacking", ["ctypes", "mallopt"])
def test_an_allocator_without_settings_is_left_alone(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    if lacking == "ctypes":
        monkeypatch.setitem(sys.modules, "ctypes", None)  # makes its import fail
    else:
        monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    allocator.keep_small()


async def test_what_the_console_keeps_from_collection_is_given_back_when_it_ends(
    project: RecordedProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = []

    def at_once(self: Any, delay: Any, call: Any, **_: Any) -> Any:
        return call() if call.__name__ == "_collect_from_now_on" else None

    monkeypatch.setattr(ConsoleApp, "set_timer", at_once)

    async with drive(project.app()):
        frozen.append(gc.get_freeze_count())
    assert frozen[0] > 1000
    assert gc.get_freeze_count() == 0


async def test_views_are_freed_without_a_collection(project: RecordedProject) -> None:
    """Only this console's views are counted: a collection does not reach objects that another test has frozen."""
    views: list[weakref.ref[View]] = []

    def alive() -> int:
        return sum(view() is not None for view in views)

    async with drive(project.app()) as pilot:
        gc.disable()
        try:
            for n in range(20):
                project.change_loop(end=LoopEnd(kind=LoopEndKind.WINNER, text=str(n)))
                pilot.app.tick()
                assert pilot.app.feed.view is not None
                views.append(weakref.ref(pilot.app.feed.view))
            assert len({id(view) for view in views}) == 20
            await until(pilot, lambda: alive() <= 5, "most of the earlier views are freed")
        finally:
            gc.enable()
