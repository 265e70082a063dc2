"""The base of every app of ours that takes the whole terminal: keys act in the order in which they were typed, signals
end it as `q` does, and an unforeseen error becomes a crash file instead of a traceback on the terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import termios
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from autoloop.model import UserError
from rich.console import Console
from textual import events
from textual._context import active_message_pump
from textual.app import App, ReturnType
from textual.css.query import NoMatches
from textual.filter import LineFilter, Monochrome, NoColor
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.worker import WorkerFailed

from autoloop_tui.console import crash
from autoloop_tui.console.drawing.glyphs import UNICODE, glyphs_for
from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.standing import Standing
from autoloop_tui.console.terminal import TerminalDriver
from autoloop_tui.console.theming.colours import depth_of
from autoloop_tui.console.theming.defaults import variable_defaults
from autoloop_tui.console.theming.reducing import Reduce
from autoloop_tui.console.theming.sheet import KeptSheet
from autoloop_tui.console.theming.theme_files import ThemeFile, to_textual
from autoloop_tui.console.widgets.row_pane import ASCII_CLASS, BLOCKS_CLASS

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)

GRACE = 5.0
"""Seconds that an app has to leave after a signal; then the terminal is restored without it."""

PATIENCE = 5.0
"""Seconds until a key that is still being handled no longer holds up the next one."""

TURNS = 20
"""Turns of the event loop left to everybody else before a pump is asked whether it is done. A pump that is asked comes to
rest once more, and at rest it styles, lays out and calls what was put off: not before the others have said what changed."""

NAP = 0.005

RESTORE = (
    "\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"  # paste, wrap, resize, mouse
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"  # keyboard protocol, alternate screen, cursor, focus
)


class FullScreenApp(App[ReturnType]):
    """Run it by `run_on_terminal`."""

    STILL: ClassVar[str] = "your runs continue"
    """What a crash does not change, for the sentence that reports it."""

    def __init__(self, project: Path) -> None:
        super().__init__(driver_class=TerminalDriver)
        self.stylesheet = KeptSheet(variables=self.get_css_variables())
        self.project = project
        self.crash_folder = project
        """The project below which a crash is kept."""
        self.glyphs = UNICODE
        self.depth = depth_of(os.environ)
        """How many colours the terminal shows."""
        self._last_filters: list[LineFilter] = [NoColor(), Reduce(self.depth)]
        # Rich must not convert what `Reduce` has converted.
        self.console = Console(
            color_system="truecolor",
            file=self.console.file,
            force_terminal=True,
            legacy_windows=False,
            highlight=False,
            emoji=False,
            safe_box=False,
            soft_wrap=False,
        )
        self.crashed: str | None = None
        """Why the app ended, if by an error of ours."""
        self.parting: list[str] = []
        """Sentences for the terminal once the app has gone."""
        self.terminal_before: list[Any] | None = None
        """The terminal's settings before the app took it."""
        self._typed: deque[events.Key | events.Paste] = deque()
        """Typed and not handed on yet."""
        self._handling: asyncio.Task[None] | None = None
        """Waits until the key that was handed on last has done all it does."""

    def use_glyphs(self, *, ascii_only: bool | None = None, blocks: bool | None = None) -> None:
        """Choose what everything on the screen is drawn with, None as the terminal needs it; style sheets and panes see it
        by the app's classes."""
        self.glyphs = glyphs_for(os.environ, ascii_only=ascii_only, blocks=blocks)
        self.set_class(self.glyphs.ascii_only, ASCII_CLASS)
        self.set_class(self.glyphs.blocks, BLOCKS_CLASS)

    # ------------------------------------------------------------------------------------------------------------ colours

    def get_theme_variable_defaults(self) -> dict[str, str]:
        theme = self.current_theme
        return variable_defaults(dark=theme.dark, ansi=theme.ansi)

    def register_themes(self, themes: Iterable[ThemeFile]) -> None:
        """Make themes known, as they look on this terminal."""
        for theme in themes:
            self.register_theme(to_textual(theme, self.depth))

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's, then ours. Of the terminal's own colours nobody knows the grey: under NO_COLOR they are left out."""
        no_colour, reduce = self._last_filters
        filters = [
            no_colour if isinstance(each, Monochrome) and self.native_ansi_color else each
            for each in super().get_line_filters()
        ]
        return [*filters, reduce] if reduce.enabled else filters

    def copy_to_clipboard(self, text: str) -> None:
        """By OSC 52, and through tmux by its own command: as it is set up by default, it takes no OSC 52 from programs."""
        super().copy_to_clipboard(text)
        if "TMUX" in os.environ:
            self.run_worker(partial(_to_tmux, text), thread=True, group="copy", exit_on_error=False)

    # ------------------------------------------------------------------------------------------------------- keys in order

    @property
    def keys_under_way(self) -> bool:
        return self._handling is not None

    async def on_event(self, event: events.Event) -> None:
        """Hand on one key after the other.

        A character goes straight into an input, but a key that is bound to an action rises through the queues of all
        the input's parents first; a dialog that a key opens takes a moment to come up and get the focus. Handed on at once,
        characters typed in that moment overtake the key or reach the wrong screen.
        """
        if not isinstance(event, (events.Key, events.Paste)) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed.append(event)
        if self._handling is None:
            await self._hand_on()

    async def _hand_on(self) -> None:
        if not self.screen_stack:  # It is ending.
            self._typed.clear()
            return
        before = self.screen_stack[-1]
        self._handling = asyncio.current_task()  # until the next line has made another
        await super().on_event(self._typed.popleft())
        self._handling = asyncio.create_task(self._go_on(before))

    async def _go_on(self, before: Screen[Any]) -> None:
        try:
            await self._done(before)
            self._handling = None
            if self._typed:
                await self._hand_on()
        except Exception as error:
            self._handling = None
            self._handle_exception(error)

    async def _done(self, before: Screen[Any] | None) -> None:
        """Until everything that the last key set off has been handled, and a screen that it opened is up and painted."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        quiet = 0
        while quiet < 2 and self.is_running and loop.time() < deadline and self.screen_stack:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if not self.screen_stack:  # it has ended in the meantime
                return
            screen = self.screen_stack[-1]
            if not screen.is_mounted:
                quiet = 0
                await asyncio.sleep(NAP)
                continue
            pumps: list[MessagePump] = [*(self.focused or screen).ancestors_with_self]
            queued = any(pump.message_queue_size for pump in pumps)
            for pump in pumps:  # From the focused widget up to the app, as keys and messages rise.
                await _turn_of(pump, deadline)
            standing = screen if isinstance(screen, Standing) else None
            if screen is not before or (standing is not None and standing.put_off):
                before = screen
                if standing is not None:
                    standing.put_off = False
                await _turn_of(screen, deadline, painted=True)  # What it shows then is what the next key acts on.
                quiet = 0
            else:
                quiet = 0 if queued else quiet + 1

    # ------------------------------------------------------------------------------------------------------------ its end

    def _handle_exception(self, error: Exception) -> None:
        if not self._of_one_gone(error):
            super()._handle_exception(error)

    def _of_one_gone(self, error: Exception) -> bool:
        """Whether a screen that has left the stack looked for widgets that are taken down, as Textual's palette does from
        its searches: nobody misses what it wanted to paint."""
        missed = error.error if isinstance(error, WorkerFailed) else error
        pump = active_message_pump.get(None)
        if not isinstance(missed, NoMatches) or (pump is not None and self._lives(pump) and missed is error):
            return False
        *_, (frame, _) = traceback.walk_tb(missed.__traceback__)
        looked = frame.f_locals.get("self")
        return isinstance(looked, MessagePump) and not self._lives(looked)

    def _lives(self, pump: MessagePump) -> bool:
        """Whether it is the app, or a screen on the stack or part of one."""
        node: MessagePump | None = pump
        while node is not None and node is not self and not isinstance(node, Screen):
            node = node._parent  # noqa: SLF001 - Textual tells it of its widgets only, not of other pumps
        return node is self or node in self.screen_stack

    def _fatal_error(self) -> None:
        """Textual's own prints the traceback with all local variables."""
        self._crash()

    def panic(self, *renderables: Any) -> None:
        """As above, for errors that know how to draw themselves, and for what fails in a thread of the terminal's."""
        self._crash()

    def _crash(self) -> None:
        error = self._exception or sys.exc_info()[1] or RuntimeError("the terminal could not be read")
        cause = getattr(error, "error", None)  # what failed in a worker
        if isinstance(cause, BaseException):
            error = cause
        self._return_code = 1
        if self.crashed is None:
            self.crashed = crash.sentence(error, crash.keep_traceback(error, self.crash_folder), self.STILL)
        self._close_messages_no_wait()

    async def run_async(self, **options: Any) -> ReturnType | None:
        loop = asyncio.get_running_loop()

        def leave(number: int, _: object) -> None:
            """End the app as `q` does; one that is stuck is ended by force.

            A handler of the loop's own would wait for the loop.
            """
            code = 128 + number
            last_resort = threading.Timer(GRACE, _leave_now, [code, self.terminal_before])
            last_resort.daemon = True
            last_resort.start()
            loop.call_soon_threadsafe(self.exit, None, code)

        before = {number: signal.getsignal(number) for number in SIGNALS}
        heeded = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]  # nohup ignores one
        for number in heeded:
            signal.signal(number, leave)
        try:
            return await super().run_async(**options)
        finally:
            for number in heeded:
                signal.signal(number, before[number])


def run_on_terminal(make: Callable[[], FullScreenApp[Any]], project: Path, *, mouse: bool = True) -> int:
    """Make an app and run it until it ends; its exit code. The terminal is as it was before, whatever happens.

    UserError passes through.
    """
    before = _terminal_settings()
    app: FullScreenApp[Any] | None = None
    crashed: str | None = None
    try:
        app = make()
        app.terminal_before = before
        asyncio.run(_to_its_end(app, mouse=mouse))
        crashed = app.crashed
    except UserError:
        raise
    except Exception as error:
        still = app.STILL if app else FullScreenApp.STILL
        crashed = (app and app.crashed) or crash.sentence(error, crash.keep_traceback(error, project), still)
        _restore(before)
    with suppress(OSError):  # The terminal may be gone.
        for told in [*filter(None, [crashed]), *(app.parting if app else ())]:
            print(f"autoloop-tui: {plain(told)}", file=sys.stderr)
    return 1 if crashed else (app and app.return_code) or 0


async def _to_its_end(app: FullScreenApp[Any], *, mouse: bool) -> None:
    """Run the app and end every task it leaves, also those that begin while others are cancelled.

    asyncio.run cancels once; what begins during that, as a timer of a screen that closes late does, would be reported
    below our sentence when it is collected.
    """
    try:
        await app.run_async(mouse=mouse)
    finally:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GRACE
        while (left := asyncio.all_tasks() - {asyncio.current_task()}) and loop.time() < deadline:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=10 * NAP)


def _to_tmux(text: str) -> None:
    """Into tmux's buffer, and on to the clipboard of the terminal that it is attached to."""
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(["tmux", "load-buffer", "-w", "-"], input=text.encode(), capture_output=True, timeout=5, check=False)


async def _turn_of(pump: MessagePump, deadline: float, *, painted: bool = False) -> None:
    """Until the pump has handled what was in its queue; not for one that is going away."""
    turn = asyncio.Event()
    if not (MessagePump.call_after_refresh(pump, turn.set) if painted else pump.call_later(turn.set)):
        return
    loop = asyncio.get_running_loop()
    while not turn.is_set() and pump.is_running and loop.time() < deadline:
        try:
            await asyncio.wait_for(turn.wait(), 10 * NAP)
        except TimeoutError:
            continue


def _terminal_settings() -> list[Any] | None:
    try:
        return termios.tcgetattr(sys.__stdin__.fileno()) if sys.__stdin__ else None
    except (termios.error, ValueError, OSError):
        return None


def _restore(settings: list[Any] | None) -> None:
    """Bring the terminal back without the app's help."""
    try:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, RESTORE.encode())
        if settings is not None and sys.__stdin__:
            termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSANOW, settings)
    except (termios.error, ValueError, OSError):
        pass  # It is gone.


def _leave_now(code: int, settings: list[Any] | None) -> None:
    _restore(settings)
    os._exit(code)
