"""Text files that a person named: read as they are, and in one sentence what is wrong with one that cannot be."""

from __future__ import annotations

import codecs
import difflib
import os
from pathlib import Path

from autoloop.files import read_regular
from autoloop.model import UserError

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path, what: str) -> str:
    """The text of a file, with its own line ends and without a byte order mark. `what` it is stands in the UserError."""
    try:
        content = read_regular(path)
    except FileNotFoundError:
        raise UserError(f"The {what} {path} does not exist; {_nearest_file(path)}") from None
    except OSError as error:
        raise UserError(f"The {what} {path} cannot be read: {error.strerror}; name another file.") from None
    if content.startswith(_UTF_16) or (len(content) > 1 and b"\0" in content[:2]):
        raise UserError(f"The {what} {path} is UTF-16 text; save it as UTF-8.")
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise UserError(f"The {what} {path} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from None


def _nearest_file(path: Path) -> str:
    """What to do about a file that is not there: a slip in the name is the usual reason."""
    try:
        near = difflib.get_close_matches(path.name, os.listdir(path.parent), 1)
    except OSError:
        return f"there is no folder {path.parent} either."
    return f"did you mean {near[0]}?" if near else "correct the path."
