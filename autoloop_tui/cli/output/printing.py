"""Plain text for people and pipes: tables, wrapping, JSON. Nothing here needs Textual or Rich."""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from autoloop_tui.cli.documents import answers


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    texts: Collection[int] = (),
    spare: Sequence[int] = (),
    cells: int | None = None,
) -> str:
    """Return a table whose columns are padded by display width. It takes at most `cells` cells; without a limit, all is
    shown.

    If the table is too wide, the columns `texts` shrink first, down to NARROWEST. Then the columns `spare` are dropped
    whole, in the given order, and a last line names them. Numbers are therefore never cut.
    """
    all_rows = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = {i: max(width(row[i]) for row in all_rows) for i in range(len(head))}
    widths = {i: wide for i, wide in widths.items() if wide}
    dropped: list[int] = []
    if cells is not None:
        _narrow(widths, texts, cells)
        for column in spare:
            if _across(widths) <= cells:
                break
            if widths.pop(column, 0):
                dropped.append(column)
        if dropped:  # dropped columns may leave room for the text columns
            widths |= {i: max(width(row[i]) for row in all_rows) for i in texts if i in widths}
            _narrow(widths, texts, cells)
    lines = ["  ".join(pad(cut(row[i], wide), wide) for i, wide in widths.items()).rstrip() for row in all_rows]
    text = "\n".join([lines[0], "  ".join("─" * wide for wide in widths.values()).rstrip(), *lines[1:]])
    if dropped:
        names = ", ".join(head[i] for i in sorted(dropped) if head[i])
        text = "\n".join([text, *wrapped(f"Hidden columns (terminal too narrow): {names}.", cells)])
    return text


NARROWEST = 8
"""The width, in cells, below which a text column does not shrink."""


def _across(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + 2 * (len(widths) - 1)


def _narrow(widths: dict[int, int], texts: Collection[int], cells: int) -> None:
    """Shrink the widest text column, cell by cell, until the table fits."""
    while _across(widths) > cells:
        column = max((i for i in texts if i in widths), key=lambda i: widths[i], default=None)
        if column is None or widths[column] <= NARROWEST:
            return
        widths[column] -= 1


def cut(text: str, cells: int) -> str:
    """Return `text` cut to `cells` cells. A path loses its beginning, any other text its end."""
    if width(text) <= cells:
        return text
    path = "/" in text and " " not in text
    kept, room = "", cells - 1
    for character in reversed(text) if path else text:
        room -= width(character)
        if room < 0:
            break
        kept = character + kept if path else kept + character
    return f"…{kept}" if path else f"{kept}…"


def wrapped(text: str, cells: int | None, *, first: str = "", others: str = "") -> list[str]:
    """Return `text` as lines of at most `cells` cells, broken between words.

    `first` starts the first line, `others` the rest.
    """
    if cells is None or width(first + text) <= cells or cells < width(others) + 20:
        return [first + text]
    lines, line, empty = [], first, True
    for word in text.split(" "):
        if not empty and width(line) + 1 + width(word) > cells:
            lines.append(line.rstrip())
            line, empty = others, True
        line += word if empty else f" {word}"
        empty = False
    return [*lines, line.rstrip()]


def across() -> int | None:
    """Return the width of the output terminal in cells; None for a file or pipe, for which nothing is cut or wrapped."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def complain(text: str) -> None:
    """Print text to standard error: one line to a file or pipe, wrapped between words on a terminal."""
    try:
        cells: int | None = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        cells = None
    for line in wrapped(text, cells):
        print(line, file=sys.stderr)


def width(text: str) -> int:
    """Return the width of `text` on a terminal, in cells."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pad(text: str, cells: int) -> str:
    return text + " " * (cells - width(text))


def printable(text: str) -> str:
    """Return untrusted text without control characters, so that it is harmless to a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|[ -/]*[0-~])?|\x9b[0-?]*[ -/]*[@-~]"
)


def log_text(text: str, *, fold: bool) -> str:
    """Return a part of a log, harmless to a terminal.

    `fold`: keep only the last state of lines that were redrawn (progress bars).
    """
    if text.isascii() and "\r" not in text and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    if "\x1b" in text or "\x9b" in text:
        text = _ESCAPES.sub("", text)
    if fold and "\r" in text:
        *whole, last = text.split("\n")
        # The state of a line that is still being redrawn is unknown.
        text = "\n".join([*map(_last_state, whole), "" if last.endswith("\r") else _last_state(last)])
    return "".join(c if c.isprintable() or c in "\n\r\t" else "�" for c in text)


def _last_state(line: str) -> str:
    return next((part for part in reversed(line.split("\r")) if part.strip()), "")


def encodable(text: str) -> str:
    """Return `text` with escapes for what UTF-8 cannot encode.

    File names may hold any bytes, and distinct names must stay distinct.
    """
    return text.encode(errors="backslashreplace").decode()


def answer(name: str, document: Mapping[str, Any]) -> str:
    """Return an answer as indented JSON, with its name and version."""
    return json_text(document if name in answers.UNMARKED else {"schema": answers.mark(name), **document})


def answer_parts(name: str, field: str, values: Iterable[Any]) -> Iterator[str]:
    """Yield the text of `answer(name, {field: values})` value by value, for lists too large for memory."""
    before, _, after = answer(name, {field: []}).rpartition("[]")
    between, end = f"{before}[", f"{before}[]{after}"
    for value in values:
        yield f"{between}\n    " + json_text(value).replace("\n", "\n    ")
        between, end = ",", f"\n  ]{after}"
    yield end


def json_text(document: Any) -> str:
    """Return a value as indented JSON for programs. Control characters are written as `\\u…`, harmless to a terminal."""
    text = msgspec.json.format(msgspec.json.encode(document, enc_hook=_as_dict), indent=2).decode()
    if text.isascii() and "\x7f" not in text:  # DEL is the only control character that JSON leaves unescaped
        return text
    return "".join(c if c == "\n" or c.isprintable() else _escaped(c) for c in text)


def _as_dict(value: object) -> dict[str, Any]:
    """Convert mappings that JSON encoding does not know, such as the metrics of a run from a store."""
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def print_answer(answer: str) -> int:
    """Print an engine's answer and return 0, the exit code of a request that was carried out."""
    print(printable(answer))
    return 0
