"""Plain text for people and pipes: tables, durations, numbers. Nothing here needs Textual or Rich."""

from __future__ import annotations

import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

import msgspec


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns padded by their width on a terminal; numbers as they come."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(width(row[i]) for row in cells) for i in range(len(head))]
    lines = ["  ".join(pad(cell, w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    return "\n".join([lines[0], "  ".join("─" * w for w in widths).rstrip(), *lines[1:]])


def across() -> int | None:
    """Cells of the terminal that is written to; None where it is a file or a pipe, for which nothing is cut or wrapped."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def width(text: str) -> int:
    """Cells that `text` takes on a terminal."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def pad(text: str, cells: int) -> str:
    return text + " " * (cells - width(text))


def printable(text: str) -> str:
    """Text of somebody else's making, harmless to a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|[ -/]*[0-~])?|\x9b[0-?]*[ -/]*[@-~]"
)


def log_text(text: str, *, fold: bool) -> str:
    """A piece of a log, harmless to a terminal. `fold`: of a line that was redrawn (a progress bar) its last state only."""
    if text.isascii() and "\r" not in text and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    if "\x1b" in text or "\x9b" in text:
        text = _ESCAPES.sub("", text)
    if fold and "\r" in text:
        *whole, last = text.split("\n")
        # Nothing is known yet of a line that is being redrawn.
        text = "\n".join([*map(_last_state, whole), "" if last.endswith("\r") else _last_state(last)])
    return "".join(c if c.isprintable() or c in "\n\r\t" else "�" for c in text)


def _last_state(line: str) -> str:
    return next((part for part in reversed(line.split("\r")) if part.strip()), "")


def encodable(text: str) -> str:
    """`text` without what UTF-8 has no word for: a file name may hold any bytes."""
    return text.encode(errors="replace").decode()


def duration(seconds: float) -> str:
    """`0:42`, `12:05`, `3:07:00`."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def json_text(document: Any) -> str:
    """For programs: any of our values as indented JSON. What a terminal would act on is written as `\\u…`."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    return text if text.isascii() else "".join(c if c == "\n" or c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
