"""Sending a loop's data to a remote console: each part remembers what it has sent and sends only what is new."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import NamedTuple

from autoloop.files import Stamp, read_regular, stamp
from autoloop.gpu_history import NAME
from autoloop.metric_readers.tail import Tail
from autoloop.model import Attempt, Loop, Run, Series
from autoloop.secrets import mask_bytes, unsure
from autoloop.store import Places
from autoloop.toml import SETTINGS_FILE

from autoloop_tui.console.feed import Feed
from autoloop_tui.console.remote.messages import File, History, LogEnd, LogPart, Message, changes_of

Send = Callable[[Message], None]

LOG_BYTES = 1 << 20
"""Of an existing log, only this many of the newest bytes are sent."""

LOG_PART = 256 << 10
"""Bytes of a log sent at a time."""

FILE_BYTES = 4 << 20
"""Larger files are not ours and are not sent."""

TURN = 0.1
"""Seconds that one part may take per turn, so that requests are handled promptly."""


class Files:
    """The small files that a console reads: the project's settings, the files of each loop and the frozen configs."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._sent: dict[Path, Stamp | None] = {}

    def send_settings(self, loop: Loop, send: Send) -> None:
        """Send the files that determine how a loop is shown, again if they have changed."""
        folder = self._places.frozen(loop.name)
        found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        for path in (self._places.project / SETTINGS_FILE, *found):
            self.send(path, send)

    def send_configs(self, runs: Iterable[Run], send: Send) -> bool:
        """Send the frozen configs of these runs, as many as fit into one turn; return whether that was all of them."""
        until = time.monotonic() + TURN
        for run in runs:
            path = Path(run.config_path)
            if path not in self._sent:  # frozen, so it does not change
                self.send(path, send)
                if time.monotonic() > until:
                    return False
        return True

    def send(self, path: Path, send: Send) -> None:
        now = stamp(path)
        if now == self._sent.get(path) or not path.is_relative_to(self._places.project):
            return
        self._sent[path] = now
        try:
            data = read_regular(path, FILE_BYTES) if now is not None else b""
        except OSError:
            return
        send(File(str(path.relative_to(self._places.project)), data))


class Histories:
    """The histories of the runs on screen and their GPU usage."""

    def __init__(self) -> None:
        self._sent: dict[str, _SentHistory] = {}
        self._last: str | None = None
        """The last run processed."""

    def keep(self, wanted: Sequence[str]) -> None:
        """Forget all other runs; a run requested again is sent from the start. Call this for every `Look`."""
        for gone in [run for run in self._sent if run not in wanted]:
            del self._sent[gone]

    def send(self, feed: Feed, runs: Sequence[Run], files: Files, send: Send) -> None:
        """Send new points of these runs, of as many as fit into one turn; the next call continues with the others."""
        until = time.monotonic() + TURN
        first = next((place + 1 for place, run in enumerate(runs) if run.id == self._last), 0)
        for run in [*runs[first:], *runs[:first]]:
            self._last = run.id
            self._send(feed, run, send)
            attempt = feed.view.snapshot.attempts.get(run.id) if feed.view else None
            if attempt is not None:
                files.send(Path(attempt.directory) / NAME, send)
            if time.monotonic() > until:
                return

    def _send(self, feed: Feed, run: Run, send: Send) -> None:
        before = feed.known(run)
        columns = feed.read(run)
        progress = feed.step(run), feed.rate(run), columns is before or not columns
        sent = self._sent.get(run.id)
        restart = sent is None or sent.attempts != run.attempts
        if sent is not None and not restart and columns is sent.columns and progress == sent.progress:
            return
        there = sent.there if sent is not None and not restart else {}
        points, dropped = changes_of(there, columns)
        if points or dropped or restart or sent is None or progress != sent.progress:
            send(History(run.id, run.attempts, restart, points, dropped, *progress))
        there = {name: copy_of(series) for name, series in columns.items()}
        self._sent[run.id] = _SentHistory(run.attempts, columns, there, progress)


class _SentHistory(NamedTuple):
    """What the other end has of a run."""

    attempts: int
    columns: Mapping[str, Series]
    """As they were read, to detect quickly that nothing is new."""
    there: dict[str, Series]
    progress: tuple[int, float | None, bool]


def copy_of(series: Series) -> Series:
    return Series(copy(series.steps), copy(series.values))


class Log:
    """The log of an attempt, with secrets masked. Of an unfinished line, only the part in which no secret can begin is
    sent."""

    def __init__(self, attempt: Attempt, known: Sequence[str], there: LogEnd | None) -> None:
        self._attempt = attempt.id
        self._known = known
        self._tail = Tail(Path(attempt.directory) / "log.txt", bounded=True)
        self._restart = True
        self._restarts = 0
        self._begin(there)

    def _begin(self, there: LogEnd | None) -> None:
        """Continue where the other end stopped, or start with the newest part."""
        if not self._tail.look():
            return
        if there is not None and there.left_out == self._tail.left_out and there.offset <= self._tail.size:
            self._tail.offset, self._restart = there.offset, False
        elif self._tail.size > LOG_BYTES:
            self._tail.offset = self._tail.size - LOG_BYTES

    def send(self, send: Send, *, ended: bool) -> None:
        """Send the next part. `ended`: nothing more will be written."""
        self._tail.look()
        if self._tail.restarts != self._restarts:
            self._restarts, self._restart = self._tail.restarts, True
        data = self._tail.read(LOG_PART)
        left = self._tail.offset if self._restart else 0
        if left:  # the first half of a truncated line may contain a secret
            cut = data.find(b"\n") + 1
            self._tail.offset += cut
            data = data[cut:]
        if not ended or self._tail.offset + len(data) < self._tail.size:
            data = data[: len(data) - unsure(data)]
        if not data:
            return
        text = mask_bytes(data, self._known)
        if left:
            text = b"[the first %d bytes of this log stay on its machine]\n" % self._tail.offset + text
        self._tail.offset += len(data)
        send(LogPart(self._attempt, self._restart, text, LogEnd(self._tail.offset, self._tail.left_out)))
        self._restart = False


class Logs:
    """The logs on screen."""

    def __init__(self) -> None:
        self._open: dict[str, Log] = {}

    def send(self, feed: Feed, wanted: dict[str, LogEnd | None], send: Send) -> None:
        for gone in [attempt for attempt in self._open if attempt not in wanted]:
            del self._open[gone]
        if feed.view is None:
            return
        until = time.monotonic() + TURN
        for run_id, attempt in feed.view.snapshot.attempts.items():
            run = feed.view.run(run_id) if attempt.id in wanted else None
            if run is None:
                continue
            if attempt.id not in self._open:
                self._open[attempt.id] = Log(attempt, feed.secrets(run), wanted[attempt.id])
            self._open[attempt.id].send(send, ended=run.state.ended)
            if time.monotonic() > until:
                return
