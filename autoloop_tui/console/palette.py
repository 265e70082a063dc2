"""The command palette: every action that may be taken here, by name, with its key and the command that does the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any

from textual.app import App, SystemCommand
from textual.screen import Screen

from autoloop_tui.console.actions import ACTIONS, Action
from autoloop_tui.console.drawing.paint import plain


def commands(
    app: App[Any],
    screen: Screen[Any],
    scope: str,
    *,
    keys_of: Callable[[str], str],
    themes: Mapping[str, str],
    use_theme: Callable[[str], None],
) -> Iterator[SystemCommand]:
    """The actions of the app and of `screen`, whose scope is `scope`, then the themes (name → description)."""
    for action in ACTIONS:
        if action.scope in ("app", scope) and action.id != "app.palette":
            told = f"{keys_of(action.id)}   {action.command}"
            yield SystemCommand(action.description, told, _runner(app, screen, action))
    for name, description in themes.items():
        yield SystemCommand(f"Theme {name}", plain(description), partial(use_theme, name))
    # Once the palette has gone.
    picture = partial(app.set_timer, 0.1, app.deliver_screenshot)
    yield SystemCommand("Screenshot", "Save a picture of the screen as SVG", picture)


def _runner(app: App[Any], screen: Screen[Any], action: Action) -> Callable[[], Awaitable[None]]:
    target = app if action.scope == "app" else screen

    async def run() -> None:
        await app.run_action(action.method, default_namespace=target)

    return run
