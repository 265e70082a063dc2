"""What remains when an unforeseen error ends a full-screen app: a file with the traceback, one sentence for the terminal.

A traceback on the terminal helps nobody who watches runs, and the values of local variables may hold what is secret; so the
file has neither screen nor locals.
"""

from __future__ import annotations

import os
import tempfile
import time
import traceback
from pathlib import Path


def keep_traceback(error: BaseException, project: Path) -> Path | None:
    """Write the traceback below the project's `.autoloop`, else into a temporary folder; None if neither works."""
    from importlib.metadata import version  # here, because the first paint does not need it

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
    """`still`: what the crash did not change."""
    where = f"the traceback is in {kept}" if kept else "the traceback could not be saved"
    return f"The screen closed after an internal error ({type(error).__name__}); {still}. Please report it: {where}."
