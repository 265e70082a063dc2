"""The console app: one timer, one feed and a few screens. It displays the store's contents and sends commands; it makes no
decisions and can be killed at any time."""

from __future__ import annotations

import gc
import os
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from autoloop.model import Loop, LoopState
from autoloop.store import LoopRows
from textual.binding import BindingType
from textual.screen import Screen

from autoloop_tui.console import allocator
from autoloop_tui.console.actions import ACTIONS, CHANGING, REPLAYING, Action, bindings
from autoloop_tui.console.drawing.paint import clip, plain
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import TROUBLE
from autoloop_tui.console.moving_app import MovingApp
from autoloop_tui.console.notifications import has_ended, news, osc9
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.screens.base import ConsoleHost, LoopScreen, Placeholders
from autoloop_tui.console.screens.slots.screen import SlotsScreen
from autoloop_tui.console.user_commands import UserCommand, lacking, values_of
from autoloop_tui.console.widgets.bars import HintBar
from autoloop_tui.console.widgets.chart import FILLED_CLASS

CLOCK = 0.25
"""Seconds between two polls of the store and the visible files."""


OWN_HINT = 18
"""Width of the label of a user command in the hint bar, in cells."""

HANDS = 2.0
"""Seconds after a key press during which the user counts as active, so that no page opens just before their next key."""

LATER = (
    "autoloop.engine.runs.following",
    "autoloop.engine.planning.frozen",
    "autoloop.engine.base.output_secrets",
    "autoloop.verdicts.wording",
)
"""Modules needed to read histories and logs and to compare configs; imported after the first paint."""

SCREENS = tuple(f"autoloop_tui.console.screens.{name}.screen" for name in ("rounds", "run", "proposals"))
"""Screen modules imported in the background, so that opening a screen for the first time does not wait for the import."""

LOADING = "load"
"""The worker group of the background imports."""

TURNS = 8
"""Ticks between two repaints of a screen's top line, which shows times in minutes."""


class ConsoleApp(MovingApp):
    """The console for one loop."""

    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("app")
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"

    def __init__(
        self,
        project: Path,
        loop: str | None = None,
        *,
        preferences: Preferences | None = None,
        ascii_only: bool | None = None,
        feed: Feed | None = None,
        readonly: bool = False,
    ) -> None:
        """`readonly`: send nothing to the engine."""
        super().__init__(project, feed or Feed(project, loop), preferences or Preferences.load(os.environ))
        wanted = self.preferences.ascii if ascii_only is None else ascii_only
        self.use_glyphs(ascii_only=wanted, blocks=self.preferences.blocks)
        self.set_class(self.preferences.charts == "filled", FILLED_CLASS)
        self.readonly = "read-only" if readonly else ""
        self.marked: list[str] = []
        """Runs marked for Compare, by id, in the order of marking."""
        self.seen_proposals: set[int] | None = None
        """Proposals that are no longer new; None until they are first displayed."""
        self._turns = 0
        self._acted_at = -HANDS
        if "TEXTUAL_ANIMATIONS" not in os.environ:
            self.animation_level = "none"

    # ---------------------------------------------------------------------------------------------------------- lifecycle

    def on_mount(self) -> None:
        if self.preferences.theme not in self.themes:
            self.load_theme_files()
        if self.preferences.keys:
            self.set_keymap(self.preferences.keys)
        for place, command in enumerate(self.preferences.commands):
            self.bind(command.key, f"own_command({place})", description=command.label, show=False)
        self.feed.poll(brief=True)
        first = SlotsScreen()
        self.push_screen(first)
        first.once_painted(self._load_the_rest)

    def _load_the_rest(self) -> None:
        """Load everything that the first paint did not need in a thread, so that keys stay responsive: the modules that read
        histories and logs, the rows of the whole loop, then the other screens with their style sheets."""

        def load() -> None:
            for name in LATER:
                import_module(name)
            rows = self.feed.read_ahead()
            self.call_from_thread(self._complete, rows)
            folders = [Path(import_module(name).__file__ or "").parent for name in SCREENS]
            self.call_from_thread(self._read_styles, [sheet for folder in folders for sheet in folder.glob("*.tcss")])

        allocator.keep_small()
        self.run_worker(load, thread=True, group=LOADING)

    def _complete(self, rows: LoopRows | None) -> None:
        """Finish loading after the first paint and start the timer."""
        if not self.is_running:  # The app was quit while the thread loaded.
            return
        self.feed.take_over(rows)
        self.load_theme_files()
        if self.preferences.theme not in self.available_themes:
            self.warn("Settings", f'there is no theme "{self.preferences.theme}"; `autoloop-tui themes` lists them')
        for problem in self.preferences.problems:
            self.warn("Settings", problem)
        self.tick()
        self.set_interval(CLOCK, self.tick)
        # Exclude loaded objects from garbage collection: a full collection over them would delay a key by tens of
        # milliseconds.
        self.set_timer(1.0, self._collect_from_now_on)

    def _read_styles(self, sheets: list[Path]) -> None:
        """Read the style sheets of screens that will be shown, in one go: opening such a screen would read its own."""
        if not self.is_running:
            return
        for sheet in sheets:
            if not self.stylesheet.has_source(str(sheet), ""):
                self.stylesheet.read(sheet)
        self.stylesheet.reparse()
        self.stylesheet.update(self)

    def on_unmount(self) -> None:
        gc.unfreeze()  # code that runs in this process afterwards collects as before
        try:
            self.parting += self.feed.close()
        except TROUBLE as error:
            self.parting.append(str(error))

    def _collect_from_now_on(self) -> None:
        gc.freeze()
        gc.enable()  # disabled during startup: see open_console

    def tick(self) -> None:
        """Refresh the view if the store has changed, then let the top screen poll what it shows. Called by the app's only
        timer."""
        if not self.is_running:  # The panes are removed before the timer stops.
            return
        before = self.feed.view
        changed = self.feed.poll()
        if before is not None and before.brief:
            before = None  # nothing has happened; the view is only more complete
        if changed and before is not None and self.feed.view is not None and self.preferences.notify != "off":
            self._call_back(news(before, self.feed.view))
        self.watch_theme_files()
        try:
            if changed and before is not None and self.feed.view is not None and has_ended(before, self.feed.view):
                self._show_result()
            self.show_answers()
            screen = self.screen
            if isinstance(screen, LoopScreen) and screen.is_mounted:
                self._turns += 1
                if changed:
                    screen.refresh_view()
                elif self._turns % TURNS == 0:
                    screen.paint_top()
                screen.tick()
        except TROUBLE as error:
            self.show_message(str(error), ok=False)

    async def run_action(self, action: Any, default_namespace: Any = None, *args: Any, **kwargs: Any) -> bool:
        """Run an action. Every key ends here, so a failure of the store or a disk is reported as a message."""
        self._acted_at = time.monotonic()
        asked = _registered(action, default_namespace or self)
        try:
            if asked is not None and (reason := self.refusal(asked)):
                self.show_message(reason, ok=False)
                return True
            return await super().run_action(action, default_namespace, *args, **kwargs)
        except TROUBLE as error:
            self.show_message(str(error), ok=False)
            return True

    def refusal(self, action_id: str, on: Screen[Any] | None = None) -> str:
        """Return why an action is not available now, as a sentence; empty if it is. `on` is the screen that asks, which a
        dialog may cover; by default the top screen."""
        if action_id in REPLAYING:
            return "this is no replay"
        if self.readonly and action_id in CHANGING:
            return f"{self.readonly}: no commands are sent"
        view = self.feed.view
        if action_id == "app.engine":
            if view is None or view.engine is not None:
                return "the engine is running"
            if view.loop.state is LoopState.FINISHED:
                return f"the loop has finished: {view.loop.reason}"
        screen = on or (self.screen_stack[-1] if self.screen_stack else None)
        return screen.refusal(action_id) if isinstance(screen, LoopScreen) and screen.is_attached else ""

    @property
    def mode(self) -> str:
        """Special modes of this console, for the top line of every screen."""
        held = self.feed.view is not None and self.feed.view.loop.agents_held is not None
        return self.glyphs.dot.join(filter(None, [self.readonly, "agents held" if held else ""]))

    async def on_hint_bar_chosen(self, event: HintBar.Chosen) -> None:
        target = self if event.action.scope == "app" else self.screen
        await self.run_action(event.action.method, default_namespace=target)

    def _call_back(self, sentences: list[str]) -> None:
        """Notify the user through the terminal, by bell or OSC 9."""
        if sentences and self.preferences.notify == "bell":
            self.bell()
        elif sentences and self._driver is not None:
            self._driver.write(osc9("; ".join(sentences), tmux="TMUX" in os.environ))

    def _show_result(self) -> None:
        """Show the finish page when the loop has just ended; if the user is active, only report the key that opens it."""
        from textual.widgets import Input

        from autoloop_tui.console.screens.finish.screen import FinishScreen

        busy = time.monotonic() - self._acted_at < HANDS or isinstance(self.focused, Input)
        if isinstance(self.screen, LoopScreen) and not busy:
            if not isinstance(self.screen, FinishScreen):
                self.push_screen(FinishScreen())
        else:
            self.show_message(f"the loop has ended: {self.keys_of('app.finish')} shows the result")

    def action_palette(self) -> None:
        from autoloop_tui.console.palette import Palette

        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(self.screen))

    def action_command_palette(self) -> None:
        self.action_palette()  # Textual binds another key to this action

    def action_explain(self) -> None:
        """Explain what the item under the cursor is waiting for."""
        from autoloop_tui.console.screens.dialogs import Notice
        from autoloop_tui.console.screens.explaining import explain

        view, screen = self.feed.view, self.screen
        if view is not None and isinstance(screen, LoopScreen):
            what, lines, command = explain(view, screen.subject(view), self.feed.events())
            screen.query_one(HintBar).show_command(command)
            self.push_screen(Notice(what, lines))

    def own_actions(self, on: LoopScreen) -> list[Action]:
        """Return the user commands available for the screen's current item, for its hints."""
        commands = list(enumerate(self.preferences.commands))
        return [
            Action(f"app.own_command({at})", each.key, each.label, clip(plain(each.label), OWN_HINT, self.glyphs.ellipsis))
            for at, each in commands
            if not self.why_not(each, on)
        ]

    def why_not(self, command: UserCommand, on: LoopScreen | None = None) -> str:
        """Return why a user command is not available now; empty if it is. `on` is the screen that asks, by default the top
        loop screen."""
        if self.readonly and command.dangerous:
            return f"{self.readonly}: {command.label} is marked as dangerous"
        view = self.feed.view
        below = on or next((screen for screen in reversed(self.screen_stack) if isinstance(screen, LoopScreen)), None)
        if view is None or below is None:
            return "the loop is still loading"
        return lacking(command, values_of(view, below.subject(view)))

    def action_own_command(self, place: int) -> None:
        """Run a command of console.toml on the item under the cursor."""
        from autoloop_tui.console.screens.own_commands import run_command

        command, view, screen = self.preferences.commands[place], self.feed.view, self.screen
        if reason := self.why_not(command):
            self.show_message(reason, ok=False)
        elif view is not None and isinstance(screen, LoopScreen):
            run_command(self, str(self.project), command, values_of(view, screen.subject(view)))

    def filled(self, command: str, on: Screen[Any]) -> str:
        """Return a command with its placeholders filled in from the item under the cursor of a screen."""
        view = self.feed.view
        known = values_of(view, on.subject(view)) if view is not None and isinstance(on, LoopScreen) else {}
        return command.format_map(Placeholders(known))

    def action_copy(self) -> None:
        screen = self.screen
        text = screen.query_one(HintBar).command if isinstance(screen, LoopScreen) else ""
        if text:
            self.copy_to_clipboard(text)
            self.show_message(f"copied: {text}")
        else:
            self.show_message("there is nothing to copy here")

    def look_at(self, loop: Loop) -> None:
        """Switch every screen to another loop of the project."""
        self.feed.follow_loop(loop.id)
        self.feed.poll()
        self.marked.clear()
        self.seen_proposals = None
        self.action_slots()
        if isinstance(self.screen, LoopScreen):
            self.screen.refresh_view()
        self.show_message(f"the console now shows {loop.name}")


BY_METHOD = {(action.scope, action.method): action.id for action in ACTIONS}


def _registered(action: object, namespace: object) -> str | None:
    """Return the action id for a key, click or palette entry; None if it is not one of our actions."""
    scope = "app" if isinstance(namespace, ConsoleApp) else getattr(namespace, "SCOPE", "")
    return BY_METHOD.get((scope, action)) if isinstance(action, str) else None


if TYPE_CHECKING:

    def _is_a_host(app: ConsoleApp) -> ConsoleHost:
        """Make the type checker verify that the app provides everything the screens expect."""
        return app
