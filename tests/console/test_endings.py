"""However the console ends, it restores the terminal; an internal error is reported as one sentence and a file."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop_tui.console import crash
from tests.console.projects import RecordedProject
from tests.support.waiting import PATIENCE, eventually

MODES = {b"1049": "alternate screen", b"1000": "mouse", b"1003": "mouse moves", b"2004": "bracketed paste", b"25": "cursor"}


def _heed_signals() -> None:
    """Restore default signal handlers: a test runner started with nohup or in the background passes ignored signals on."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


class Terminal:
    """A program on a separate terminal."""

    def __init__(self, folder: Path, code: str | None = None, term: str = "xterm-256color") -> None:
        self.seen = b""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        environment = {**os.environ, "TERM": term, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}
        for name in ("TMUX", "COLUMNS", "LINES"):  # do not inherit these from the test runner's terminal
            environment.pop(name, None)
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "autoloop_tui"]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_heed_signals,
        )

    def read(self, until: bytes | None = None) -> bytes:
        """Return what it has written, up to `until` or its end."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.master], [], [], 0.05)
            if ready:
                self.seen += os.read(self.master, 1 << 16)
            elif until is None and self.process.poll() is not None:
                return self.seen
            if until is not None and until in self.seen:
                return self.seen
        raise AssertionError(f"never came to {until!r}: {self.seen[-2000:]!r}")

    def end(self) -> str:
        """Return what is on the terminal below the app after the program has ended."""
        written = self.read()
        below = written.rpartition(b"\x1b[?1049l")[2].decode(errors="replace")
        return re.sub(r"\x1b\[[?<>\d;]*[a-z]", "", below)

    @property
    def left_on(self) -> list[str]:
        """Return the terminal modes that the program has not reset."""
        last: dict[bytes, bytes] = {}
        for numbers, act in re.findall(rb"\x1b\[\?([\d;]+)([hl])", self.seen):
            for number in numbers.split(b";"):
                last[number] = act
        return [what for number, what in MODES.items() if last.get(number, b"l") != (b"h" if number == b"25" else b"l")]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal() -> Iterator[Any]:
    opened = []

    def start(*args: Any, **options: Any) -> Any:
        opened.append(Terminal(*args, **options))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


FAILING = """
import asyncio
import sys
from pathlib import Path
import autoloop_tui.console.app as app
from autoloop_tui.console import opening
secret = "hunter2"

def fail(*_):
    password = secret
    raise KeyError("unforeseen")

async def restart(times):
    try:
        await asyncio.Event().wait()
    finally:
        if times:
            asyncio.ensure_future(restart(times - 1))

def fail_and_leave_tasks(*_):
    asyncio.ensure_future(restart(3))
    fail()

{where}
sys.exit(opening.console_or_welcome(Path.cwd()))
"""


PLACES = {
    "a timer": "app.ConsoleApp.tick = fail",
    "a key": "app.ConsoleApp.action_next_theme = fail",
    "the start": "app.ConsoleApp.load_theme_files = fail",
    "before the start": "app.Feed.__init__ = fail",
    "a repaint": "from autoloop_tui.console.screens.slots.screen import SlotsScreen; SlotsScreen.show_view = fail",
    "a worker": "app.ConsoleApp.action_next_theme = lambda self: self.run_worker(fail, thread=True) and None",
    "the end": "app.ConsoleApp.on_unmount = fail",
    "the end, with tasks left": "app.ConsoleApp.on_unmount = fail_and_leave_tasks",
}


@pytest.mark.parametrize("where", PLACES)
def test_an_error_of_ours_is_one_sentence_and_a_file(project: RecordedProject, terminal: Any, where: Any) -> None:
    shown = terminal(project.folder, FAILING.format(where=PLACES[where]))
    if where in ("a key", "a worker", "the end", "the end, with tasks left"):
        shown.read(b"loop_1700000000")
        os.write(shown.master, b"T" if "the end" not in where else b"q")
    told = shown.end()
    assert shown.process.wait(PATIENCE) == 1
    assert "KeyError" in told
    assert "your runs continue" in told
    assert "Traceback" not in told
    assert "hunter2" not in told
    assert len(told.strip().splitlines()) == 1
    (kept,) = (project.folder / ".autoloop").glob("console-crash-*.txt")
    assert str(kept) in told
    assert kept.stat().st_mode & 0o777 == 0o600
    written = kept.read_text()
    assert "Traceback" in written
    assert "KeyError: 'unforeseen'" in written
    assert "hunter2" not in written
    assert shown.left_on == []
    assert termios.tcgetattr(shown.slave) == shown.before


def test_a_crash_file_goes_elsewhere_where_the_project_cannot_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    target = tmp_path / "elsewhere"
    target.mkdir()
    linked, missing = tmp_path / "linked", tmp_path / "missing"
    linked.mkdir()
    (linked / ".autoloop").symlink_to(target)
    for folder in (linked, missing):
        kept = crash.keep_traceback(KeyError("x"), folder)
        assert kept is not None
        assert kept.parent == tmp_path / "tmp"
    assert list(target.iterdir()) == []
    assert not missing.exists()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    assert crash.keep_traceback(KeyError("x"), missing) is None
    assert "could not be saved" in crash.sentence(KeyError("x"), None, "your runs continue")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT], ids=lambda n: n.name)
def test_a_signal_restores_the_terminal(project: RecordedProject, terminal: Any, number: int) -> None:
    shown = terminal(project.folder)
    shown.read(b"loop_1700000000")
    assert "alternate screen" in shown.left_on
    shown.process.send_signal(number)
    assert shown.end().strip() == ""
    assert shown.process.wait(PATIENCE) == 128 + number
    assert shown.left_on == []
    assert termios.tcgetattr(shown.slave) == shown.before


@pytest.mark.parametrize("stuck", ["time.sleep(600)", "while True: pass"])
def test_a_signal_ends_a_console_that_is_stuck(project: RecordedProject, terminal: Any, stuck: Any) -> None:
    code = FAILING.format(
        where="import time, autoloop_tui.console.full_screen as full\nfull.GRACE = 0.2\n"
        f"def stuck(self):\n    print('STUCK', file=sys.__stderr__, flush=True)\n    {stuck}\n"
        "app.ConsoleApp.action_next_theme = stuck\n"
    )
    shown = terminal(project.folder, code)
    shown.read(b"loop_1700000000")
    os.write(shown.master, b"T")
    shown.read(b"STUCK")
    shown.process.send_signal(signal.SIGTERM)
    shown.read()
    assert shown.process.wait(PATIENCE) == 143
    assert shown.left_on == []
    assert termios.tcgetattr(shown.slave) == shown.before


def test_a_terminal_that_goes_away_ends_the_console(project: RecordedProject, terminal: Any) -> None:
    shown = terminal(project.folder)
    shown.read(b"loop_1700000000")
    os.close(shown.slave)
    os.close(shown.master)
    shown.process.send_signal(signal.SIGHUP)  # as the kernel does for the shell's children
    assert shown.process.wait(PATIENCE) in (1, 129)
    shown.master, shown.slave = os.openpty()


STRANGE = [
    b"\xff\xfe\x80",
    b"caf\xe9 \xc3(",
    b"\x1b[99999999999999999999u\x1b[<;;M\x1b]11;rgb:\xff\x07",
    bytes(range(128, 256)),
]


@pytest.mark.parametrize("typed", STRANGE, ids=["no UTF-8", "Latin-1", "sequences", "every high byte"])
def test_no_byte_from_the_terminal_ends_the_console(project: RecordedProject, terminal: Any, typed: bytes) -> None:
    shown = terminal(project.folder)
    shown.read(b"loop_1700000000")
    os.write(shown.master, typed)

    def left() -> bool:
        with contextlib.suppress(OSError):
            os.write(shown.master, b"q")
        while select.select([shown.master], [], [], 0.05)[0]:
            shown.seen += os.read(shown.master, 1 << 16)
        return shown.process.poll() is not None

    eventually(left, "its end by q")
    assert shown.process.returncode == 0
    assert shown.left_on == []
    assert list((project.folder / ".autoloop").glob("console-crash-*.txt")) == []


@pytest.mark.parametrize("term", ["dumb", "", "unknown"])
def test_a_terminal_that_cannot_be_drawn_on_gets_a_sentence_and_the_status(
    project: RecordedProject, terminal: Any, term: Any
) -> None:
    shown = terminal(project.folder, term=term)
    told = shown.read().decode()
    assert shown.process.wait(PATIENCE) == 0
    assert "cannot show the console" in told
    assert "set TERM" in told
    assert "loop_1700000000" in told
    assert "\x1b" not in told


async def test_signals_that_are_ignored_stay_so(project: RecordedProject) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        app = project.app()
        running = asyncio.create_task(app.run_async(headless=True))
        while not app.is_running:
            await asyncio.sleep(0.01)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        app.exit(0)
        await running
    finally:
        signal.signal(signal.SIGHUP, before)
