"""Crash reports for full-screen apps: a file with the traceback, and one sentence for the terminal.

A traceback on the terminal does not help someone who watches runs, and local variables may hold secrets. The file therefore
contains neither the screen nor local variables.
"""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from pathlib import Path


def keep_traceback(error: BaseException, project: Path) -> Path | None:
    """Write the traceback below the project's `.autoloop`, otherwise into a temporary folder. Returns its path; None if
    neither works."""
    from importlib.metadata import version  # imported here because the first paint does not need it

    body = f"autoloop-tui {version('autoloop-tui')}, {time.strftime('%Y-%m-%d %H:%M:%S %z')}\n\n"
    body += "".join(traceback.format_exception(error))
    for folder in (project / ".autoloop", None):
        try:
            return _write(body, folder)
        except OSError:
            continue
    return None


def _write(body: str, folder: Path | None) -> Path:
    name = f"console-crash-{time.strftime('%Y%m%d-%H%M%S')}-"
    if folder is not None and (folder.is_symlink() or folder.stat().st_uid != os.getuid()):
        raise PermissionError("the folder belongs to another user")
    file, path = tempfile.mkstemp(".txt", name, folder)
    try:
        with os.fdopen(file, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write(body)
    except OSError:
        Path(path).unlink(missing_ok=True)
        raise
    return Path(path)


def sentence(error: BaseException, kept: Path | None, still: str) -> str:
    """Return the message for the terminal. `still` says what the crash did not affect."""
    where = f"the traceback is in {kept}" if kept else "the traceback could not be saved"
    return f"The screen closed after an internal error ({type(error).__name__}); {still}. Please report it: {where}."
