"""The engine's log file, `.autoloop/engines/<loop>.log`: the output of the core's loggers while an engine drives a loop.

Modules log to `logging.getLogger(__name__)`: every event of the loop at INFO, problems that the loop survives at WARNING,
bugs of Auto Loop with their traceback at ERROR, and explanations of the engine's decisions at DEBUG. The environment
variable AUTOLOOP_LOG sets the lowest level that is written (debug, info, warning, error; the default is info).
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from autoloop.secrets import mask

VARIABLE = "AUTOLOOP_LOG"
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
FORMAT = "%(asctime)s %(levelname)-7s %(message)s"
LOG = logging.getLogger("autoloop")


class EngineLog(logging.Handler):
    """Appends each record to the file with one write. On a full disk records are lost, but the engine continues."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(FORMAT, "%F %T"))
        self._file: int | None = None
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def emit(self, record: logging.LogRecord) -> None:
        if self._file is None:
            return
        try:
            text = mask(self.format(record))
        except Exception:  # a bug in a log call must not end a loop that has run for days
            self.handleError(record)
            return
        with contextlib.suppress(OSError):
            os.write(self._file, f"{text}\n".encode("utf-8", "replace"))

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
        super().close()


@contextlib.contextmanager
def logging_to(path: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Write the core's log records to the file at `path` within the block. The level comes from `environment`."""
    wanted = environment.get(VARIABLE, "").strip().lower()
    handler, before = EngineLog(path), LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(LEVELS.get(wanted, logging.INFO))
    if wanted and wanted not in LEVELS:
        LOG.warning("%s=%s is not a level (%s); info is used", VARIABLE, wanted, ", ".join(LEVELS))
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(before)
        handler.close()
