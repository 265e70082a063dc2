"""Fitting external text into cells: cut in the middle, at the front or at the end, or wrapped into lines."""

from __future__ import annotations

from autoloop_tui.console.drawing.paint import cells, clip, fit, plain

LONG = 2000
"""Maximum number of characters shown of a wrapped text."""


def middle(text: str, width: int, mark: str) -> str:
    """Return `text` cut in the middle, because variants of a config differ at the end of their names."""
    text = plain(text)
    if cells(text) <= width:
        return text
    end = min(8, width // 3)
    return clip(text, width - end, mark) + ending(text, end + 1, "")[-end:] if width >= 9 else clip(text, width, mark)


def ending(text: str, width: int, mark: str) -> str:
    """Return `text` cut at the front, because paths differ at the end."""
    text = plain(text)
    if cells(text) <= width:
        return text
    while text and cells(text) > width - 1:
        text = text[1:] if cells(text) - width < 8 else text[4:]
    return mark + text if width > 0 else ""


def tail(path: str, width: int, mark: str) -> str:
    """Return the end of a path, which identifies it, in exactly `width` cells."""
    if cells(path) <= width:
        return fit(path, width)
    kept = ""
    for character in reversed(path):
        if cells(character + kept) > width - len(mark):
            break
        kept = character + kept
    return fit(mark + kept, width)


def wrapped(text: str, width: int) -> list[str]:
    """Return `text` in lines of at most `width` cells, broken between words where possible."""
    text, width = plain(text[:LONG]) + ("…" if len(text) > LONG else ""), max(4, width)
    lines: list[str] = []
    current = ""
    for word in text.split():
        while cells(word) > width:  # Longer than a line: break the word.
            if current:
                lines.append(current)
                current = ""
            piece = clip(word, width, "")
            lines.append(piece)
            word = word[len(piece) :]
        joined = f"{current} {word}" if current else word
        if cells(joined) > width:
            lines.append(current)
            current = word
        elif word:
            current = joined
    return [*lines, current] if current or not lines else lines
