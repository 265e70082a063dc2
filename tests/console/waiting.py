"""Waiting for the console, however slow the machine is: until it is idle, or for a condition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import pytest
from textual.app import App
from textual.drivers.headless_driver import HeadlessDriver
from textual.events import Resize
from textual.geometry import Size
from textual.pilot import Pilot

from autoloop_tui.console.app import LOADING
from tests.console.pictures import text
from tests.support.waiting import PATIENCE


async def settle(pilot: Pilot[Any]) -> None:
    """Wait until all messages have been handled, including what they scheduled for after the next refresh.

    Textual's own pause ends once the process has been nearly idle for 20 ms, which proves nothing on a loaded machine.
    """
    deadline = time.monotonic() + PATIENCE
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:
        await pilot.pause()
        quiet = 0 if _under_way(pilot) else quiet + 1


def _under_way(pilot: Pilot[Any]) -> bool:
    if not pilot.app.is_running:
        return False
    if getattr(pilot.app, "keys_under_way", False):
        return True
    if any(worker.group == LOADING and not worker.is_finished for worker in pilot.app.workers):
        return True  # the console draws first and then reads the rest
    screen = pilot.app.screen
    pumps = [pilot.app, *screen.walk_children(with_self=True)]
    return bool(screen._callbacks) or any(pump.message_queue_size or pump._next_callbacks for pump in pumps)


def then_handled(act: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return a pilot method that ends when everything it caused has been handled, except background reads."""

    @wraps(act)
    async def acting(pilot: Pilot[Any], *args: Any, **kwargs: Any) -> Any:
        result = await act(pilot, *args, **kwargs)
        deadline = time.monotonic() + PATIENCE
        while pilot.app.is_running and getattr(pilot.app, "keys_under_way", False) and time.monotonic() < deadline:
            await asyncio.sleep(0.002)
        return result

    return acting


async def processed(pilot: Pilot[Any]) -> None:
    """Wait until every message now in the queue has been handled; `settle` also waits for their consequences."""
    await pilot._wait_for_screen()


def laid_out(app: App[Any]) -> bool:
    """Return whether the screen has been laid out for the terminal's size."""
    return bool(app.screen._compositor.size == app.size)


def resize_now(app: App[Any], size: Size) -> None:
    """Resize the terminal without waiting for the app, as users do."""
    assert isinstance(app._driver, HeadlessDriver)
    app._driver._size = (size.width, size.height)
    app.post_message(Resize(size, size))


def listen_to_terminal(app: App[Any], monkeypatch: pytest.MonkeyPatch, hear: Callable[[str], object]) -> None:
    """Redirect what the app writes to its terminal to `hear`."""
    monkeypatch.setattr(app._driver, "write", hear)


def has_quit(app: App[Any]) -> bool:
    """Return whether the app is ending or has ended; Textual itself only tells the latter."""
    return app._exit or not app.is_running


def notices(app: App[Any]) -> list[str]:
    """Return the full texts of Textual's notifications, oldest first."""
    return [notification.message for notification in app._notifications]


async def until(pilot: Pilot[Any], condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait until a condition of the console is true; its own clock keeps running."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}\n{text(pilot.app)}"
        await pilot.pause(0.05)
