"""What every screen of the console has: a line above, two below, the newest view, and the clock."""

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
from autoloop_tui.console.standing import Standing
from autoloop_tui.console.widgets.bars import HintBar, TopBar


class ConsoleHost(Protocol):
    """What a screen asks of the app that shows it. Screens know this and not the app, which imports the screens."""

    feed: Feed
    preferences: Preferences
    glyphs: Glyphs
    marked: list[str]
    """Runs marked for Compare, by id, in the order of marking."""
    seen_proposals: set[int] | None
    """Proposals that are not new any more; None until the first look at them."""

    @property
    def mode(self) -> str:
        """What is different in this console, for the first line: `read-only`; empty: nothing."""

    def keys_of(self, action_id: str) -> str:
        """The key of an action as it is shown, remapped or not."""

    def refusal(self, action_id: str, on: Screen[Any] | None = None) -> str:
        """Why an action cannot be taken just now, in a sentence; empty if it can. `on`: the screen that asks."""

    def own_actions(self, on: LoopScreen) -> list[Action]:
        """The user's own commands that can be used now on what the screen points at."""

    def ask(self, request: Request) -> bool:
        """Send a request to the engine; its answer is shown when it comes. False if it was not handed over; that is said."""

    def ask_waking(self, request: Request) -> None:
        """`ask`, and start an engine for it if the loop has none."""

    def show_message(self, text: str, *, ok: bool = True) -> None:
        """Show one sentence on the last line of the screen."""

    def confirm(self, what: str, why: str, yes: str, request: Request) -> None:
        """Ask, and send the request only after a yes."""

    def action_compare(self) -> None:
        """Show the marked runs side by side on top of the present screen."""

    def open_run(self, run_id: str) -> None:
        """Show one run on top of the present screen."""

    def push_screen(
        self, screen: Screen[ScreenResultType], callback: Callable[[ScreenResultType | None], None] | None = None
    ) -> object:
        """Show a dialog; `callback` gets its result, None if it was dismissed without one."""

    def suspend(self) -> AbstractContextManager[None]:
        """Hand the terminal to another program. SuspendNotSupported if the terminal cannot be handed over."""


FRAME = 0.005
"""Seconds between two paintings at least. Of a key, the cursor is painted first and what it points at with the next: at
Textual's sixtieth of a second that would come too late."""


def host_of(screen: Screen[Any]) -> ConsoleHost:
    return cast("ConsoleHost", screen.app)


class LoopScreen(Standing, Screen[None]):
    """A screen over one loop. Subclasses give SCOPE, TITLE (empty on the first), `body`, and paint in `show_view` and
    `tick`."""

    SCOPE: ClassVar[str]
    TITLE: ClassVar[str]
    BACK: ClassVar[str] = "back"
    """The hint of the key that goes back."""
    KEPT: ClassVar[bool] = False
    """Whether it stays mounted while it is left: to take a screen down and mount it again costs as much as to paint it."""
    BINDINGS: ClassVar[list[BindingType]] = []
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-xwide")]  # noqa: RUF012 - Textual's own form

    _has_content = False
    """Whether its panes have been told what to show."""
    _refresh_due = False
    _once_painted: Callable[[], None] | None = None
    _frames: Timer | None = None

    @property
    def _update_timer(self) -> Timer:
        """Textual's own, which paints, at a pace of ours."""
        if self._frames is None:
            self._frames = self.set_interval(FRAME, self._on_timer_update, pause=True)
        return self._frames

    @property
    def console(self) -> ConsoleHost:
        return host_of(self)

    def once_painted(self, callback: Callable[[], None]) -> None:
        """Call it after the first paint of the screen."""
        self._once_painted = callback

    def _compositor_refresh(self) -> None:
        """Empty panes are not painted: their sizes are known only after a layout, with which Textual paints."""
        if self._has_content:
            super()._compositor_refresh()

    @property
    def view(self) -> View | None:
        return self.console.feed.view if self.console.feed else None

    def compose(self) -> ComposeResult:
        # Textual sets them when the screen is told its size, and styles all of it a second time.
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
        """The widgets between the bars."""
        raise NotImplementedError

    def show_view(self, view: View) -> None:
        """Paint a new view. Called when the screen comes up and whenever the store has changed."""

    def tick(self) -> None:
        """Called four times a second while this is the screen on top: poll visible logs and histories."""

    def step_back(self) -> bool:
        """Go one step back within the screen. False if there is none: then the screen itself is left."""
        return False

    def subject(self, view: View) -> Run | Slot | Round | Proposal | None:
        """What is explained: what is under the cursor; by default the newest round."""
        return view.snapshot.round

    def refusal(self, action: str) -> str:
        """Why the action of that id cannot be taken on what is shown, in a sentence; empty if it can."""
        return ""

    def urgent(self, view: View) -> Sequence[str]:
        """Actions whose hints stand first: they are the answer to what the screen says."""
        return URGENT

    def not_sent(self) -> None:
        """A command could not be sent: forget that it is on its way."""

    # ------------------------------------------------------------------------------------------- called by the app

    def refresh_view(self) -> None:
        view = self.view
        self._has_content = True
        if self._once_painted is not None:
            self.call_after_refresh(self._once_painted)
            self._once_painted = None
        self.paint_top()
        if view is not None:
            self.show_view(view)
            hints = self.query_one(HintBar)
            hints.urgent = self.urgent(view)
            hints.repaint()

    def paint_top(self) -> None:
        """The first line again: the time goes on while nothing else happens."""
        self.query_one(TopBar).paint_view(self.view, self.console.feed, self.TITLE, self.console.mode, time.time())

    def on_screen_resume(self) -> None:
        self._refresh_due = False  # what was put off when it was left has been dropped
        if self._has_content and self.size == self.app.size:
            self.refresh_view()  # its panes have their sizes: painted once
        else:
            self._refresh_soon()

    def on_resize(self) -> None:
        self._refresh_soon()

    def _refresh_soon(self) -> None:
        """After the layout, since the sizes of the panes are known only then; once, however often it was asked for."""
        if not self._refresh_due:
            self._refresh_due = True
            self.call_after_refresh(self._refresh_now)

    def _refresh_now(self) -> None:
        self._refresh_due = False
        self.refresh_view()

    def _while_standing(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """What the store does not let it do is a sentence, as for keys and the clock."""
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
        """Show the command that does the same as `action`; `keep`: but not in place of a sentence that stands there."""
        self.query_one(HintBar).show_command(BY_ID[action].command.format_map(Blank(values)), keep=keep)


class Blank(dict[str, Any]):
    """A place without a value stays as it is written."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"
