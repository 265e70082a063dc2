"""The top line and the last two lines of every screen: the location, the available keys, and the equivalent shell
command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from textual import events
from textual.message import Message

from autoloop_tui.console.actions import BY_ID, URGENT, Action, of_scope, shown_key
from autoloop_tui.console.drawing.paint import cells, clip, plain
from autoloop_tui.console.drawing.pieces import Piece
from autoloop_tui.console.feed import Feed
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.present.top_line import top_line
from autoloop_tui.console.widgets.row_pane import RowPane


class TopBar(RowPane):
    """The loop, its state, its best result, its estimated end, and the time."""

    DEFAULT_CSS = "TopBar { height: 1; background: $panel; }"

    def __init__(self, keys_of: Callable[[str], str], *, id: str | None = None) -> None:
        """`keys_of` returns the key of an action as displayed."""
        super().__init__(id=id)
        self._keys_of = keys_of
        self._told: Callable[[], list[Piece]] = list

    def paint_view(self, view: View | None, feed: Feed, title: str, mode: str, now: float) -> None:
        """Show the bar. `title` is the screen's, empty for the first screen; `mode` is a special mode of this console, such
        as `read-only`."""
        self._told = partial(self._row, view, feed, title, mode, now)
        if self.is_attached:  # otherwise its first frame requests the row
            self.show([self._told()])

    def _waited_for(self, y: int) -> list[Piece]:
        return self._told() if y == 0 else []

    def _row(self, view: View | None, feed: Feed, title: str, mode: str, now: float) -> list[Piece]:
        head: list[Piece] = [(f" {title} ", "bold key"), (self.glyphs.of("│", "|"), "rule")] if title else []
        head += [(f" {mode} ", "bold slot-warn")] if mode else []
        if view is not None:
            width = self.size.width - sum(cells(text) for text, _ in head)
            head += top_line(view, feed, width, now, first=not title, key=self._keys_of, glyphs=self.glyphs)
        return head


class HintBar(RowPane):
    """The keys of the screen, and below them the last message or the equivalent shell command."""

    DEFAULT_CSS = "HintBar { height: 2; dock: bottom; background: $panel; }"

    def __init__(
        self,
        scope: str,
        keys_of: Callable[[str], str],
        refusal: Callable[[str], str],
        own: Callable[[], Sequence[Action]] = list,
        *,
        back: str = BY_ID["app.back"].hint,
    ) -> None:
        """`refusal` returns why an action is unavailable; empty if it is available. `own` returns the user commands
        available now. `back` describes what the back key does here."""
        super().__init__(id="hints")
        self._keys_of, self._refusal, self._own = keys_of, refusal, own
        self._back = msgspec.structs.replace(BY_ID["app.back"], hint=back)
        self._places: list[tuple[int, int, Action]] = []
        """The position of each hint, for the mouse: its first cell and the cell after its last."""
        self.scope = scope
        self.urgent: Sequence[str] = URGENT
        """Actions whose hints come first when they are available."""
        self.command = ""
        self.message: Piece = ("", "")

    def on_resize(self) -> None:
        self.repaint()

    def show_message(self, text: str, look_: str = "") -> None:
        """Show a sentence instead of the command until something else is selected."""
        self.message = (plain(text), look_)
        self.repaint()

    def forget(self) -> None:
        """Clear the message because something else is selected; the next repaint shows it."""
        self.message = ("", "")

    def show_command(self, command: str, *, keep: bool = False) -> None:
        """Show the shell command equivalent to the last key press or the current item. `keep`: keep the message, because no
        key was pressed."""
        if command != self.command:
            self.command = command
            if not keep:
                self.message = ("", "")
        self.repaint()

    def repaint(self) -> None:
        width = self.size.width
        last = [BY_ID["app.help"], self._back]
        shown = [BY_ID.get(f"app.{self.scope}"), *last]
        urgent = [BY_ID[each] for each in self.urgent]
        others = [each for each in of_scope("app") if each not in urgent and each.id != "app.back"]
        known = [each for each in [*urgent, *of_scope(self.scope), *others] if each.hint and each not in shown]
        first = [each for each in known if not self._refusal(each.id)]
        # User commands follow those of the screen.
        place = next((at for at, each in enumerate(first) if each in others), len(first))
        first[place:place] = self._own()
        room = width - sum(cells(self._key(action)) + cells(action.hint) + 3 for action in last)
        keys: list[Piece] = []
        self._places, at = [], 0
        for action in [*first, None, *last]:
            # Help and back are shown even on the narrowest screen.
            if action is None:
                room = width
                continue
            key = self._key(action)
            if any(key == self._key(other) for _, _, other in self._places):
                continue  # the screen's meaning of the key takes precedence
            length = cells(key) + cells(action.hint) + 3
            if length <= room:
                keys += [(f" {key}", "bold key"), (f" {action.hint} ", "")]
                self._places.append((at, at + length, action))
                at += length
            room -= length
        mark = self.glyphs.ellipsis
        text, names = self.message
        if not text and self.command:
            text, names = f"$ {self.command}", "dim"
        self.show([keys, [(" " + clip(text, width - 2, mark), names)]])

    def on_click(self, event: events.Click) -> None:
        """Run the action of the clicked hint."""
        for start, end, action in self._places if event.y == 0 else []:
            if start <= event.x < end:
                self.post_message(self.Chosen(action))

    class Chosen(Message):
        """A hint was clicked."""

        def __init__(self, action: Action) -> None:
            super().__init__()
            self.action = action

    def _key(self, action: Action) -> str:
        return self._keys_of(action.id) if action.id in BY_ID else shown_key(action.keys)
