"""The command palette. It lists, in this order, the actions of the current screen, the global ones, then runs, metrics,
loops and themes by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol, cast

from autoloop.model import Loop
from textual.app import App
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider, SearchIcon
from textual.content import Content
from textual.screen import Screen

from autoloop_tui.console.actions import ACTIONS, Action, shown_key
from autoloop_tui.console.drawing.paint import cells, plain
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.standing import StackedScreen
from autoloop_tui.console.theming.theme_files import ThemeFile
from autoloop_tui.console.user_commands import UserCommand

MOVES = {"down", "up", "left", "right", "first", "last", "page_down", "page_up", "next_part", "detail_down", "detail_up"}
"""Actions that are left out because no one searches for them by name."""


KEYS, TITLES, AROUND = 6, 40, 6
"""Widths in cells: the key column, the title column, and the margin around a line."""


class Host(Protocol):
    """What the palette needs from the app."""

    feed: Feed
    themes: dict[str, ThemeFile]
    preferences: Preferences

    def keys_of(self, action_id: str) -> str: ...
    def refusal(self, action_id: str, on: Screen[Any] | None = None) -> str: ...
    def open_run(self, run_id: str) -> None: ...
    def compare_metric(self, metric: str) -> None: ...
    def look_at(self, loop: Loop) -> None: ...
    def use_theme(self, name: str) -> None: ...
    def filled(self, command: str, on: Screen[Any]) -> str: ...
    def why_not(self, command: UserCommand) -> str: ...
    def action_own_command(self, place: int) -> None: ...


class Entry(NamedTuple):
    """One line of the palette."""

    title: str
    help: str
    run: Callable[[], object]
    key: str = ""


def entries(app: App[Any], screen: Screen[Any]) -> Iterator[Entry]:
    """Yield everything available from `screen`, group by group; unavailable actions are left out."""
    host = cast("Host", app)
    scope = getattr(screen, "SCOPE", "app")
    offered = [action for action in ACTIONS if action.scope in (scope, "app") and action.id != "app.palette"]
    view = host.feed.view
    for action in sorted(offered, key=lambda action: action.scope == "app"):
        if action.method not in MOVES and not host.refusal(action.id, screen):
            told = host.filled(action.command, screen)
            yield Entry(action.description, told, _runner(app, screen, action), host.keys_of(action.id))
    for place, command in enumerate(host.preferences.commands):
        if not host.why_not(command):
            run_own = partial(host.action_own_command, place)
            yield Entry(plain(command.label), plain(command.command), run_own, shown_key(command.key))
    if view is not None:
        for run in reversed(view.snapshot.runs):
            where = f"round {run.round}, {view.state_of(run)}, {run.id}"
            yield Entry(f"Run {plain(run.name)}", where, partial(host.open_run, run.id))
        for metric in sorted({name for run in view.snapshot.runs if run.summary for name in run.summary.metrics}):
            yield Entry(f"Metric {plain(view.metrics.short(metric))}", "in Compare", partial(host.compare_metric, metric))
        for loop in host.feed.store.loops():
            if loop.id != view.loop.id:
                yield Entry(f"Loop {plain(loop.name)}", loop.state.value, partial(host.look_at, loop))
    for name, theme in cast("Mapping[str, ThemeFile]", host.themes).items():
        yield Entry(f"Theme {plain(name)}", plain(theme.description), partial(host.use_theme, name))
    # After the palette has closed.
    picture = partial(app.set_timer, 0.1, app.deliver_screenshot)
    yield Entry("Screenshot", "Save a picture of the screen as SVG", picture)


def _runner(app: App[Any], screen: Screen[Any], action: Action) -> Callable[[], object]:
    target = app if action.scope == "app" else screen

    async def run() -> None:
        await app.run_action(action.method, default_namespace=target)

    return run


def line(entry: Entry, width: int) -> Content:
    """Return a line of the palette: the key, the title, then the equivalent command or a description."""
    key = _padded(entry.key, KEYS - 1) + " "
    told = f"{_padded(entry.title, TITLES)}  {entry.help}"
    told = told if cells(key) + cells(told) <= width - AROUND else entry.title
    return Content.assemble((key, "$key"), entry.title, (told[len(entry.title) :], "$dim"))


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


class Commands(Provider):
    """Finds entries. Their texts are shown literally, never as markup."""

    @property
    def _entries(self) -> list[Entry]:
        palette = self.app.screen
        return list(palette.entries) if isinstance(palette, Palette) else []

    async def discover(self) -> Hits:
        for entry in self._entries:
            yield DiscoveryHit(line(entry, self.app.size.width), entry.run, entry.title)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for entry in self._entries:
            if (match := matcher.match(entry.title)) > 0:
                yield Hit(match, line(entry, self.app.size.width), entry.run, entry.title)


class Palette(StackedScreen, CommandPalette):
    """The palette over `screen`. Its entries are collected when it opens."""

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__(providers=[Commands])
        self.below = screen
        self.entries: list[Entry] = []

    def on_mount(self) -> None:
        self.entries = list(entries(self.app, self.below))
        self.query_one(SearchIcon).icon = ":"
