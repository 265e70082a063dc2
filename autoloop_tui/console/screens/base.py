"""The base of every screen of the console: a bar at the top, two lines at the bottom, the newest view, and the timer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, ClassVar, Protocol, cast

from autoloop.model import Proposal, Round, Run, Slot
from autoloop.protocol import Request
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen, ScreenResultType
from textual.timer import Timer
from textual.widget import Widget

from autoloop_tui.console.actions import BY_ID, URGENT, Action
from autoloop_tui.console.drawing.glyphs import Glyphs
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import TROUBLE, View
from autoloop_tui.console.preferences import Preferences
from autoloop_tui.console.standing import StackedScreen
from autoloop_tui.console.widgets.bars import HintBar, TopBar


class ConsoleHost(Protocol):
    """What a screen needs from its app. Screens use this protocol because the app imports the screens."""

    feed: Feed
    preferences: Preferences
    glyphs: Glyphs
    marked: list[str]
    """Runs marked for Compare, by id, in the order of marking."""
    seen_proposals: set[int] | None
    """Proposals that are no longer new; None until they are first displayed."""

    @property
    def mode(self) -> str:
        """Special modes of this console for the top line, such as `read-only`; empty if there are none."""

    def keys_of(self, action_id: str) -> str:
        """Return the key of an action as displayed, after remapping."""

    def refusal(self, action_id: str, on: Screen[Any] | None = None) -> str:
        """Return why an action is not available now, as a sentence; empty if it is. `on` is the screen that asks."""

    def own_actions(self, on: LoopScreen) -> list[Action]:
        """Return the user commands available for the screen's current item."""

    def ask(self, request: Request) -> bool:
        """Send a request to the engine; its answer is shown when it arrives. Returns False, with a message, if it was not
        sent."""

    def ask_waking(self, request: Request) -> None:
        """Like `ask`, but start an engine if the loop has none."""

    def show_message(self, text: str, *, ok: bool = True) -> None:
        """Show a sentence on the last line of the screen."""

    def confirm(self, what: str, why: str, yes: str, request: Request) -> None:
        """Ask for confirmation, and send the request if the user agrees."""

    def action_compare(self) -> None:
        """Show the marked runs side by side above the current screen."""

    def open_run(self, run_id: str) -> None:
        """Show a run above the current screen."""

    def push_screen(
        self, screen: Screen[ScreenResultType], callback: Callable[[ScreenResultType | None], None] | None = None
    ) -> object:
        """Show a dialog; `callback` receives its result, None if it was dismissed without one."""

    def suspend(self) -> AbstractContextManager[None]:
        """Hand the terminal over to another program. Raises SuspendNotSupported if that is impossible."""


FRAME = 0.005
"""Minimum seconds between two paints. On a key press, the cursor is painted first and its details in the next paint; at
Textual's 1/60 s those would be late."""


def host_of(screen: Screen[Any]) -> ConsoleHost:
    return cast("ConsoleHost", screen.app)


class LoopScreen(StackedScreen, Screen[None]):
    """A screen of a loop. Subclasses define SCOPE, TITLE (empty for the first screen) and `body`, and paint in `show_view`
    and `tick`."""

    SCOPE: ClassVar[str]
    TITLE: ClassVar[str]
    BACK: ClassVar[str] = "back"
    """The hint of the back key."""
    KEPT: ClassVar[bool] = False
    """Whether the screen stays mounted after it is left: unmounting and mounting it again costs as much as painting it."""
    BINDINGS: ClassVar[list[BindingType]] = []
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-xwide")]  # noqa: RUF012 - Textual's own form

    _has_content = False
    """Whether its panes have received their contents."""
    _refresh_due = False
    _once_painted: Callable[[], None] | None = None
    _frames: Timer | None = None

    @property
    def _update_timer(self) -> Timer:
        """Textual's paint timer, with our interval."""
        if self._frames is None:
            self._frames = self.set_interval(FRAME, self._on_timer_update, pause=True)
        return self._frames

    @property
    def console(self) -> ConsoleHost:
        return host_of(self)

    def once_painted(self, callback: Callable[[], None]) -> None:
        """Register a callback for after the first paint of the screen, or for when it is covered before that."""
        self._once_painted = callback

    def _now_painted(self) -> None:
        if self._once_painted is not None:
            self.call_later(self._once_painted)
            self._once_painted = None

    def _compositor_refresh(self) -> None:
        """Skip painting until the panes have contents (their sizes are known only after a layout, which paints as well), and
        during a batch, when Textual would discard the result. After a full paint, drop the repaints requested before it:
        Textual would repaint the whole screen for them, twice when a screen comes up."""
        if not self._has_content or self.app._batch_count:  # noqa: SLF001 - the check that Textual makes itself
            return
        compositor = self._compositor
        whole = self is self.app.screen and compositor.size.region in compositor._dirty_regions  # noqa: SLF001
        super()._compositor_refresh()
        if whole:
            self._repaint_required = False
            for widget in (self, *compositor.visible_widgets):
                widget._exchange_repaint_regions()  # noqa: SLF001
            self._now_painted()

    @property
    def view(self) -> View | None:
        return self.console.feed.view if self.console.feed else None

    def compose(self) -> ComposeResult:
        # Otherwise Textual sets these when the screen gets its size, and styles everything a second time.
        self.add_class(*self._get_breakpoint_classes(self.app.size.width, self.HORIZONTAL_BREAKPOINTS))
        self.add_class(*self._get_breakpoint_classes(self.app.size.height, self.VERTICAL_BREAKPOINTS or []))
        top = TopBar(self.console.keys_of, id="top")
        top.paint_view(self.view, self.console.feed, self.TITLE, self.console.mode, time.time())
        yield top
        yield from self.body()
        host = self.console
        refusal, own = partial(host.refusal, on=self), partial(host.own_actions, on=self)
        yield HintBar(self.SCOPE, host.keys_of, refusal, own, back=self.BACK)

    def body(self) -> list[Widget] | ComposeResult:
        """Return the widgets between the bars."""
        raise NotImplementedError

    def show_view(self, view: View) -> None:
        """Paint a new view. Called when the screen appears and whenever the store has changed."""

    def tick(self) -> None:
        """Poll visible logs and histories. Called four times a second while this is the top screen."""

    def step_back(self) -> bool:
        """Go one step back within the screen. Returns False if there is none; then the screen itself is left."""
        return False

    def subject(self, view: View) -> Run | Slot | Round | Proposal | None:
        """Return the item to explain: the one under the cursor, by default the newest round."""
        return view.snapshot.round

    def refusal(self, action: str) -> str:
        """Return why an action is not available for the current item, as a sentence; empty if it is."""
        return ""

    def urgent(self, view: View) -> Sequence[str]:
        """Return the actions whose hints come first, because they answer what the screen reports."""
        return URGENT

    def not_sent(self) -> None:
        """Forget pending commands, because one could not be sent."""

    # ------------------------------------------------------------------------------------------- called by the app

    def refresh_view(self) -> None:
        view = self.view
        self._has_content = True
        self.paint_top()
        if view is not None:
            self.show_view(view)
            hints = self.query_one(HintBar)
            hints.urgent = self.urgent(view)
            hints.repaint()

    def paint_top(self) -> None:
        """Repaint the top line, so that its time advances while nothing else happens."""
        self.query_one(TopBar).paint_view(self.view, self.console.feed, self.TITLE, self.console.mode, time.time())

    def on_screen_resume(self) -> None:
        self._refresh_due = False  # calls deferred when the screen was left have been dropped
        if self._has_content and self.size == self.app.size:
            self.refresh_view()  # its panes already have sizes: painted only once
        else:
            self._refresh_soon()

    def on_screen_suspend(self) -> None:
        self._now_painted()

    def on_resize(self) -> None:
        self._refresh_soon()

    def _refresh_soon(self) -> None:
        """Refresh once after the next layout, because the panes have no sizes before it."""
        if not self._refresh_due:
            self._refresh_due = True
            self.call_after_refresh(self._refresh_now)

    def _refresh_now(self) -> None:
        self._refresh_due = False
        self.refresh_view()

    def _while_standing(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """Report errors of the store as a message, as for keys and the timer."""
        call = super()._while_standing(callback)

        def tried(*args: Any, **kwargs: Any) -> Any:
            try:
                return call(*args, **kwargs)
            except TROUBLE as error:
                self.show_message(str(error), "slot-failed")

        return tried

    # ------------------------------------------------------------------------------------------------- for subclasses

    def show_message(self, text: str, look: str = "") -> None:
        self.query_one(HintBar).show_message(text, look)

    def equivalent(self, action: str, *, keep: bool = False, **values: Any) -> None:
        """Show the shell command equivalent to `action`. `keep`: keep a message that is being shown."""
        self.query_one(HintBar).show_command(BY_ID[action].command.format_map(Placeholders(values)), keep=keep)


class Placeholders(dict[str, Any]):
    """Leaves placeholders without a value unchanged."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"
