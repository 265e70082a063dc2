"""The base of every full-screen app: keys act in the order typed, signals end the app as `q` does, and an unexpected error
becomes a crash file instead of a traceback on the terminal."""

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
from autoloop_tui.console.standing import StackedScreen
from autoloop_tui.console.terminal import TerminalDriver
from autoloop_tui.console.theming.colours import depth_of
from autoloop_tui.console.theming.defaults import variable_defaults
from autoloop_tui.console.theming.reducing import Reduce
from autoloop_tui.console.theming.sheet import KeptSheet
from autoloop_tui.console.theming.theme_files import ThemeFile, to_textual
from autoloop_tui.console.widgets.row_pane import ASCII_CLASS, BLOCKS_CLASS

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)

GRACE = 5.0
"""Seconds that an app has to exit after a signal; then the process ends and restores the terminal itself."""

PATIENCE = 5.0
"""Seconds after which a key that is still being handled no longer delays the next one."""

TURNS = 20
"""Event loop turns left to other tasks before checking whether a message pump is done. The check makes the pump idle once
more, and an idle pump applies styles and layout and runs deferred calls. That must not happen before other tasks have
reported their changes."""

NAP = 0.005

RESTORE = (
    "\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"  # paste, wrap, resize, mouse
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"  # keyboard protocol, alternate screen, cursor, focus
)


class FullScreenApp(App[ReturnType]):
    """The base class of full-screen apps. Start it with `run_on_terminal`."""

    STILL: ClassVar[str] = "your runs continue"
    """What a crash does not affect, for the crash message."""

    def __init__(self, project: Path) -> None:
        super().__init__(driver_class=TerminalDriver)
        self.stylesheet = KeptSheet(variables=self.get_css_variables())
        self.project = project
        self.crash_folder = project
        """The project below which a crash file is written."""
        self.glyphs = UNICODE
        self.depth = depth_of(os.environ)
        """How many colours the terminal shows."""
        self._last_filters: list[LineFilter] = [NoColor(), Reduce(self.depth)]
        # Rich must not convert colours that `Reduce` has already converted.
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
        """The crash message if the app ended by an internal error."""
        self.parting: list[str] = []
        """Messages printed on the terminal after the app has closed."""
        self.terminal_before: list[Any] | None = None
        """The terminal's settings before the app started."""
        self._typed: deque[events.Key | events.Paste] = deque()
        """Keys and pastes received but not dispatched yet."""
        self._handling: asyncio.Task[None] | None = None
        """Waits until the last dispatched key has taken full effect."""

    def use_glyphs(self, *, ascii_only: bool | None = None, blocks: bool | None = None) -> None:
        """Choose the characters that everything is drawn with; None chooses by the terminal. Style sheets and panes see the
        choice as classes of the app."""
        self.glyphs = glyphs_for(os.environ, ascii_only=ascii_only, blocks=blocks)
        self.set_class(self.glyphs.ascii_only, ASCII_CLASS)
        self.set_class(self.glyphs.blocks, BLOCKS_CLASS)

    # ------------------------------------------------------------------------------------------------------------ colours

    def get_theme_variable_defaults(self) -> dict[str, str]:
        theme = self.current_theme
        return variable_defaults(dark=theme.dark, ansi=theme.ansi)

    def register_themes(self, themes: Iterable[ThemeFile]) -> None:
        """Register themes with their colours reduced to what this terminal shows."""
        for theme in themes:
            self.register_theme(to_textual(theme, self.depth))

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return Textual's filters, then ours. The grey values of the terminal's own colours are unknown, so under NO_COLOR
        they are removed."""
        no_colour, reduce = self._last_filters
        filters = [
            no_colour if isinstance(each, Monochrome) and self.native_ansi_color else each
            for each in super().get_line_filters()
        ]
        return [*filters, reduce] if reduce.enabled else filters

    @property
    def _background_screens(self) -> list[Screen[Any]]:
        """The screens visible through the top one. Textual would also lay out and paint the one below an opaque screen."""
        return super()._background_screens if self.screen.styles.background.a < 1 else []

    def copy_to_clipboard(self, text: str) -> None:
        """Copy by OSC 52 and, under tmux, also by tmux's own command: its default configuration ignores OSC 52 from
        programs."""
        super().copy_to_clipboard(text)
        if "TMUX" in os.environ:
            self.run_worker(partial(_to_tmux, text), thread=True, group="copy", exit_on_error=False)

    # ------------------------------------------------------------------------------------------------------- keys in order

    @property
    def keys_under_way(self) -> bool:
        return self._handling is not None

    async def on_event(self, event: events.Event) -> None:
        """Dispatch keys one at a time.

        A character goes straight into an input, but a key bound to an action first passes through the queues of all the
        input's parents, and a dialog that a key opens needs a moment to appear and take the focus. If dispatched at once,
        characters typed in that moment would overtake the key or reach the wrong screen.
        """
        if not isinstance(event, (events.Key, events.Paste)) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed.append(event)
        if self._handling is None:
            await self._hand_on()

    async def _hand_on(self) -> None:
        if not self.screen_stack:  # The app is ending.
            self._typed.clear()
            return
        before = self.screen_stack[-1]
        self._handling = asyncio.current_task()  # until the next line creates the real task
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
        """Wait until everything that the last key triggered has been handled, and a screen that it opened is painted."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        quiet = 0
        while quiet < 2 and self.is_running and loop.time() < deadline and self.screen_stack:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            if not self.screen_stack:  # the app has ended in the meantime
                return
            screen = self.screen_stack[-1]
            if not screen.is_mounted:
                quiet = 0
                await asyncio.sleep(NAP)
                continue
            pumps: list[MessagePump] = [*(self.focused or screen).ancestors_with_self]
            queued = any(pump.message_queue_size for pump in pumps)
            for pump in pumps:  # From the focused widget up to the app, in the order in which keys and messages bubble.
                await _turn_of(pump, deadline)
            standing = screen if isinstance(screen, StackedScreen) else None
            if screen is not before or (standing is not None and standing.put_off):
                before = screen
                if standing is not None:
                    standing.put_off = False
                await _turn_of(screen, deadline, painted=True)  # The next key acts on what the screen shows then.
                quiet = 0
            else:
                quiet = 0 if queued else quiet + 1

    # ------------------------------------------------------------------------------------------------------------ exit

    def _handle_exception(self, error: Exception) -> None:
        if not self._of_one_gone(error):
            super()._handle_exception(error)

    def _of_one_gone(self, error: Exception) -> bool:
        """Return whether the error comes from a screen that has left the stack and looked for widgets that are being
        removed, as searches of Textual's palette do. Such an error is harmless."""
        missed = error.error if isinstance(error, WorkerFailed) else error
        pump = active_message_pump.get(None)
        if not isinstance(missed, NoMatches) or (pump is not None and self._lives(pump) and missed is error):
            return False
        *_, (frame, _) = traceback.walk_tb(missed.__traceback__)
        looked = frame.f_locals.get("self")
        return isinstance(looked, MessagePump) and not self._lives(looked)

    def _lives(self, pump: MessagePump) -> bool:
        """Return whether a pump is the app, a screen on the stack, or part of one."""
        node: MessagePump | None = pump
        while node is not None and node is not self and not isinstance(node, Screen):
            node = node._parent  # noqa: SLF001 - Textual exposes the parents of widgets only, not of other pumps
        return node is self or node in self.screen_stack

    def _fatal_error(self) -> None:
        """Crash without Textual's report, which prints a traceback with all local variables."""
        self._crash()

    def panic(self, *renderables: Any) -> None:
        """Like `_fatal_error`, for errors that render themselves and for failures in one of the terminal's threads."""
        self._crash()

    def _crash(self) -> None:
        error = self._exception or sys.exc_info()[1] or RuntimeError("the terminal could not be read")
        cause = getattr(error, "error", None)  # the original error of a failed worker
        if isinstance(cause, BaseException):
            error = cause
        self._return_code = 1
        if self.crashed is None:
            self.crashed = crash.sentence(error, crash.keep_traceback(error, self.crash_folder), self.STILL)
        self._close_messages_no_wait()

    async def run_async(self, **options: Any) -> ReturnType | None:
        loop = asyncio.get_running_loop()

        def leave(number: int, _: object) -> None:
            """End the app as `q` does; if it is stuck, end the process after GRACE seconds.

            A signal handler of the event loop would have to wait for the loop.
            """
            code = 128 + number
            last_resort = threading.Timer(GRACE, _leave_now, [code, self.terminal_before])
            last_resort.daemon = True
            last_resort.start()
            loop.call_soon_threadsafe(self.exit, None, code)

        before = {number: signal.getsignal(number) for number in SIGNALS}
        heeded = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]  # nohup ignores SIGHUP
        for number in heeded:
            signal.signal(number, leave)
        try:
            return await super().run_async(**options)
        finally:
            for number in heeded:
                signal.signal(number, before[number])


def run_on_terminal(make: Callable[[], FullScreenApp[Any]], project: Path, *, mouse: bool = True) -> int:
    """Create an app and run it until it ends; return its exit code. The terminal is always restored.

    UserError is propagated.
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
    """Run the app and cancel every task it leaves, including tasks that start while others are being cancelled.

    asyncio.run cancels tasks only once. A task that starts during that, such as a timer of a screen that closes late, would
    be reported below our message when it is garbage-collected.
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
    """Load text into tmux's buffer and into the clipboard of the attached terminal."""
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(["tmux", "load-buffer", "-w", "-"], input=text.encode(), capture_output=True, timeout=5, check=False)


async def _turn_of(pump: MessagePump, deadline: float, *, painted: bool = False) -> None:
    """Wait until the pump has handled its queue; return at once if the pump is closing."""
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
    """Restore the terminal without the app's help."""
    try:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, RESTORE.encode())
        if settings is not None and sys.__stdin__:
            termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSANOW, settings)
    except (termios.error, ValueError, OSError):
        pass  # The terminal is gone.


def _leave_now(code: int, settings: list[Any] | None) -> None:
    _restore(settings)
    os._exit(code)
