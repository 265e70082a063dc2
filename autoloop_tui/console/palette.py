"""What the command palette offers: the actions of the screen it was called from with their keys, and the themes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.screen import Screen

from autoloop_tui.console.actions import ACTIONS, Action
from autoloop_tui.console.drawing.paint import plain

if TYPE_CHECKING:
    from autoloop_tui.console.app import ConsoleApp


def commands(app: ConsoleApp, screen: Screen[Any]) -> Iterator[SystemCommand]:
    for action in ACTIONS:
        if action.scope in ("app", getattr(screen, "SCOPE", "app")) and action.id != "app.palette":
            told = f"{app.keys_of(action.id)}   {action.command}"
            yield SystemCommand(action.description, told, _runner(app, screen, action))
    for name, theme in app.themes.items():
        yield SystemCommand(f"Theme {name}", plain(theme.description), partial(app.use_theme, name))
    # Once the palette has gone.
    picture = partial(app.set_timer, 0.1, app.deliver_screenshot)
    yield SystemCommand("Screenshot", "Save a picture of the screen as SVG", picture)


def _runner(app: ConsoleApp, screen: Screen[Any], action: Action) -> Callable[[], Awaitable[None]]:
    target = app if action.scope == "app" else screen

    async def run() -> None:
        await app.run_action(action.method, default_namespace=target)

    return run
