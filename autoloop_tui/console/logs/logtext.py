"""Converts the bytes of a log into lines that are safe to display, whatever was printed; never raises.

Escape sequences and control characters are removed. A progress bar redrawn with carriage returns is reduced to its last
state, and removed if a message is glued to it. Invalid UTF-8 is shown as `\\xff`, secrets as asterisks. Lines are limited to
4 kB.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Sequence

from autoloop.secrets import mask_bytes
from autoloop.text.values import count
from autoloop.wandb_cloud.key import known_secrets

from autoloop_tui.console.drawing.paint import plain, size

_GLUED_BAR = re.compile(r"^[^|\r\n]{0,60}\d+%\|[^|\r\n]{0,200}\|[^\[\r\n]{1,40}\[[^\]\r\n]{0,60}\](?=\S)")
"""A progress bar followed directly by the next message: both go to stderr, and the bar ends without a newline."""

LINE_LIMIT = 4096
"""Maximum number of characters kept of a line; only the number of the others is shown."""

_ESCAPES = re.compile(
    r"""\x1b\[[0-?]*[ -/]*[@-~]                      # CSI: colours, cursor movement
      | \x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)    # OSC, DCS and other strings: titles, links, pasteboard
      | \x1b[ -/]*[0-~]?                             # two-character escapes, and a lone ESC
      | \x9b[0-?]*[ -/]*[@-~]                        # CSI as one C1 character
    """,
    re.VERBOSE,
)


def decode(data: bytes, *, final: bool = True) -> str:
    """Decode UTF-8; invalid bytes become `\\xff`. Without `final`, an incomplete character at the end is dropped."""
    return codecs.utf_8_decode(data, "backslashreplace", final)[0]


def sanitize(line: str) -> str:
    """Return a line as displayed: printable characters only, the part after the last carriage return, at most 4 kB."""
    if line.isprintable() and line.isascii() and len(line) <= LINE_LIMIT:
        return line
    if "\x1b" in line or "\x9b" in line:
        line = _ESCAPES.sub("", line)
    if "\r" in line:
        line = next((part for part in reversed(line.split("\r")) if part.strip()), "")
    if "%|" in line:
        line = _GLUED_BAR.sub("", line, count=1)
    kept = plain(line[:LINE_LIMIT].expandtabs(8))[:LINE_LIMIT]
    return f"{kept} … and {count(len(line) - LINE_LIMIT)} more characters" if len(line) > LINE_LIMIT else kept


def sanitize_long(head: bytes, tail: bytes, length: int, known: Sequence[str] = ()) -> str:
    """Return a line of `length` bytes of which only both ends were read: its last state if it was redrawn, else its
    start."""
    known = [*known_secrets(os.environ), *known]
    head, tail = mask_bytes(head, known), mask_bytes(tail, known).rstrip(b"\r\n")
    if b"\r" in tail:
        return sanitize(decode(tail))
    kept = sanitize(decode(head, final=False))[:LINE_LIMIT]
    return f"{kept} … a line of {size(length)}"


def split(data: bytes, known: Sequence[str] = (), *, final: bool = True) -> list[str]:
    """Return the sanitised lines of a block; its last newline is optional. Without `final`, the last line is still growing.
    `known`: secrets in addition to those of the environment."""
    text = decode(mask_bytes(data, [*known_secrets(os.environ), *known]), final=final)
    lines = text.removesuffix("\n").split("\n")
    # Test the whole block at once: nearly every block of a real log is printable ASCII and needs no work per line.
    if text.isascii() and text.replace("\n", "").isprintable() and len(max(lines, key=len)) <= LINE_LIMIT:
        return lines
    return list(map(sanitize, lines))
