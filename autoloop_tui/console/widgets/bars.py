"""The first line and the last two of every screen: where one is, which keys there are, and the command that would do
the same without the screen."""

from __future__ import annotations

import time
from collections.abc import Callable

from autoloop.engine.planning.limits import quiet_in_words, quiet_until
from autoloop.model import LoopState, RoundState, RunState

from autoloop_tui.console.actions import BY_ID, Action, of_scope
from autoloop_tui.console.drawing.paint import cells, clip, look, plain
from autoloop_tui.console.loop_view import View
from autoloop_tui.console.widgets.row_pane import Piece, RowPane, crop

SHORTEST = 12
"""Cells that the loop's name keeps when all that is told of it leaves less."""


class TopBar(RowPane):
    """The loop, its state, its round and what it waits for."""

    DEFAULT_CSS = "TopBar { height: 1; background: $panel; }"

    def paint_view(self, view: View | None, title: str) -> None:
        pieces: list[Piece] = [(f" {title} ", "bold key")]
        if view:
            told = status(view, key=self.app.keys_of, ascii_only=self.ascii_only)  # type: ignore[attr-defined]
            room = self.size.width - sum(cells(text) for text, _ in [*pieces, *told]) - 1
            mark = "~" if self.ascii_only else "…"
            pieces += [(f"{clip(name(view), max(SHORTEST, room), mark)} ", "bold"), *told]
            if title != "slots":  # whose last rows say it whole
                pieces += [(f"{' - ' if self.ascii_only else ' · '}{why}", "slot-warn") for why in waits(view)]
            pieces = crop(pieces, 0, self.size.width, mark)
        self.show([pieces])


def name(view: View) -> str:
    loop = view.loop
    return f"{loop.spec.name} ({loop.name})" if loop.spec.name else loop.name


def status(view: View, *, key: Callable[[str], str], ascii_only: bool) -> list[Piece]:
    """How the loop stands, in one line."""
    loop, round_ = view.loop, view.snapshot.round
    dot = " - " if ascii_only else " · "
    pieces = state(view, key=key, ascii_only=ascii_only)
    if round_:
        runs = view.in_round
        ended = len(runs) - view.unended
        pieces.append((f"{dot}round {round_.number}/{loop.spec.rounds}{dot}{ended}/{len(runs)} runs", ""))
        failed = sum(run.state in (RunState.FAILED, RunState.LOST) for run in runs)
        if failed:
            pieces.append((f"{dot}{failed} failed", "slot-failed"))
    queued = view.snapshot.queued
    if queued:
        pieces.append((f"{dot}{queued} queued", "dim"))
    return pieces


def state(view: View, *, key: Callable[[str], str], ascii_only: bool) -> list[Piece]:
    """The loop's state as glyph, word and colour; `key` gives the key of an action."""
    loop, round_ = view.loop, view.snapshot.round
    if view.orphaned:
        seen = look("lost")
        told = f"{seen.mark(ascii_only=ascii_only)} no engine drives it: {key('app.engine')} resumes it"
        return [(told, f"bold {seen.variable}")]
    if loop.state is LoopState.ACTIVE:
        if loop.paused:
            seen, word = look("paused"), f"paused: {key('app.pause')} goes on"
        elif round_ and round_.state is RoundState.DECIDING:
            seen = look("pending")
            if loop.held:
                word = "held: starts by hand"
            elif view.decisions["pending"] or round_.start_at is None:
                word = "waits for your decisions"
            else:
                word = f"round {round_.number + 1} starts in a moment"
        elif waits(view):
            seen, word = look("paused"), "no run starts"  # the foot of Slots says why, whole
        elif view.questions:
            seen, word = look("pending"), "a live rule asks"
        else:
            seen, word = look("running"), "running"
    elif loop.state is LoopState.FINISHED:
        seen, word = look("finished"), f"finished: {plain(loop.reason or '')}"
    else:
        seen, word = look("stopped"), f"stopped: {plain(loop.reason or '').removeprefix('stopped ')}"
    return [(f"{seen.mark(ascii_only=ascii_only)} {word}", seen.variable)]


def waits(view: View) -> list[str]:
    """Why no run starts although the loop goes on; nothing where one may."""
    loop = view.loop
    if loop.state is not LoopState.ACTIVE or loop.paused:
        return []
    if loop.waits_for:
        return [plain(loop.waits_for)]
    quiet = quiet_until(loop.spec.quiet_hours, time.time())
    return [quiet_in_words(quiet)] if quiet and view.snapshot.queued else []


class HintBar(RowPane):
    """Keys of the screen, and under them what was just said or the command line that does the same."""

    DEFAULT_CSS = "HintBar { height: 2; dock: bottom; background: $panel; }"

    def __init__(self, scope: str) -> None:
        super().__init__(id="hints")
        self.scope = scope
        self.command = ""
        self.said: Piece = ("", "")

    def on_resize(self) -> None:
        self.repaint()

    def tell(self, text: str, look_: str = "") -> None:
        """Show a sentence in place of the command, until something else is chosen."""
        self.said = (plain(text), look_)
        self.repaint()

    def show_command(self, command: str, *, keep: bool = False) -> None:
        """The command that would do the same as the key that was just pressed or is pointed at. `keep`: what is said
        stays, because nobody pressed anything."""
        if command != self.command:
            self.command = command
            if not keep:
                self.said = ("", "")
            self.repaint()

    def repaint(self) -> None:
        width = self.size.width
        last = [BY_ID["app.help"], BY_ID["app.back"]]
        shown = [BY_ID.get(f"app.{self.scope}"), *last]
        first = [each for each in [*of_scope(self.scope), *of_scope("app")] if each.hint and each not in shown]
        room = width - sum(cells(self._key(action)) + cells(action.hint) + 3 for action in last)
        keys: list[Piece] = []
        for action in [*first, None, *last]:
            # Help and the way back are told on the narrowest screen too.
            if action is None:
                room = width
                continue
            key = self._key(action)
            length = cells(key) + cells(action.hint) + 3
            if length <= room:
                keys += [(f" {key}", "bold key"), (f" {action.hint} ", "")]
            room -= length
        mark = "~" if self.ascii_only else "…"
        text, names = self.said
        if not text and self.command:
            text, names = f"$ {self.command}", "dim"
        self.show([keys, [(" " + clip(text, width - 2, mark), names)]])

    def _key(self, action: Action) -> str:
        return str(self.app.keys_of(action.id))  # type: ignore[attr-defined]
