"""The screen of an app as text: the characters, followed by the style of each."""

from __future__ import annotations

from string import ascii_letters
from typing import Any

from rich.segment import Segment
from textual.app import App


def rows(app: App[Any]) -> list[list[Segment]]:
    """Return the rows of the screen as the terminal gets them, as lists of segments; dialogs cover what is below them."""
    update: Any = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    return [[segment for strip in row if strip is not None for segment in strip] for row in update.strips]


def text(app: App[Any]) -> str:
    """Return the characters on the screen, one line per row."""
    return "\n".join("".join(segment.text for segment in row) for row in rows(app))


def picture(app: App[Any]) -> str:
    """Return the characters, then each row's cell ranges by style, then the styles: text that gives readable diffs."""
    lines: list[str] = []
    runs: list[str] = []
    names: dict[str, str] = {}
    for row in rows(app):
        line = ""
        spans: list[list[Any]] = []
        for segment in row:
            name = names.setdefault(str(segment.style), letter(len(names)))
            line += segment.text
            if spans and spans[-1][1] == name:
                spans[-1][0] += segment.cell_length
            elif segment.cell_length:
                spans.append([segment.cell_length, name])
        lines.append(line.rstrip())
        runs.append(" ".join(f"{length}{name}" for length, name in spans))
    styles = [f"{name}: {style}" for style, name in names.items()]
    return "\n".join([*lines, "=" * app.size.width, *runs, "=" * app.size.width, *styles, ""])


def letter(number: int) -> str:
    """Return a … z, A … Z, aa …"""
    more, number = divmod(number, len(ascii_letters))
    return (ascii_letters[more - 1] if more else "") + ascii_letters[number]
