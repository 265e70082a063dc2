"""A copy of a loop on another machine as files of a local project, in a folder that is deleted with the console."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from autoloop.files import write_atomically
from autoloop.model import UserError
from autoloop.store import Places
from autoloop.store.copying import Copy
from autoloop.toml import SETTINGS_FILE

from autoloop_tui.console.remote.messages import File, LogEnd, LogPart, Message, Rows

PREFIX = "autoloop-console-"
"""Prefix of the names of mirrors, followed by the process id."""


class Mirror:
    """Written by the connection's thread; read by the console like any project."""

    def __init__(self) -> None:
        _clear_up()
        self.project = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")).resolve()
        self._places = Places(self.project)
        self._copy: Copy | None = None
        self.logs: dict[str, LogEnd] = {}
        """By attempt: how much of its log has been received."""
        self.replaced = 0
        """How often all rows were replaced; the remote database may be an earlier one since then."""
        self.settings = 0
        """Number of received files that affect how a loop is shown."""

    def end(self) -> None:
        """Stop taking messages. Called by the thread that takes them."""
        if self._copy is not None:
            self._copy.close()
            self._copy = None

    def close(self) -> None:
        shutil.rmtree(self.project, ignore_errors=True)

    def take(self, message: Message) -> bool:
        """Write a message's contents to files; return False if it has none. Raises UserError or OSError if a file cannot be
        written."""
        if isinstance(message, Rows):
            if self._copy is None:
                self._copy = Copy(self._places)
            self._copy.apply(message.tables, whole=message.whole)
            self.replaced += message.whole
        elif isinstance(message, File):
            path = self._inside(message.path)
            write_atomically(path, message.data)
            if path == self.project / SETTINGS_FILE or path.is_relative_to(self._places.home / "loops"):
                self.settings += 1
        elif isinstance(message, LogPart):
            path = self._inside(self._places.attempt(message.attempt) / "log.txt")
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("wb" if message.restart else "ab") as file:
                file.write(message.data)
            self.logs[message.attempt] = message.end
        else:
            return False
        return True

    def _inside(self, path: str | Path) -> Path:
        """Return the path within this folder; the other machine must not be able to write anywhere else."""
        place = self.project / path
        if ".." in place.parts or not place.is_relative_to(self.project):
            raise UserError(f"{path} is not a project path.")
        return place


def _clear_up() -> None:
    """Delete the mirrors of consoles that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        try:
            if not pid.isdigit() or folder.lstat().st_uid != os.getuid():
                continue
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except (OSError, OverflowError):
            continue
