"""Text of somebody else's cut to cells: in the middle, before its end, or into lines."""

from __future__ import annotations

from autoloop_tui.console.drawing.paint import cells, clip, fit, plain

LONG = 2000
"""Characters of it that are shown."""


def middle(text: str, width: int, mark: str) -> str:
    """`text` cut in the middle: the variants of a config differ at the end of their names."""
    text = plain(text)
    if cells(text) <= width:
        return text
    end = min(8, width // 3)
    return clip(text, width - end, mark) + ending(text, end + 1, "")[-end:] if width >= 9 else clip(text, width, mark)


def ending(text: str, width: int, mark: str) -> str:
    """`text` cut in front: the end of a path tells it from its neighbours."""
    text = plain(text)
    if cells(text) <= width:
        return text
    while text and cells(text) > width - 1:
        text = text[1:] if cells(text) - width < 8 else text[4:]
    return mark + text if width > 0 else ""


def tail(path: str, width: int, mark: str) -> str:
    """The end of a path in exactly `width` cells: what tells paths apart stands last."""
    if cells(path) <= width:
        return fit(path, width)
    kept = ""
    for character in reversed(path):
        if cells(character + kept) > width - len(mark):
            break
        kept = character + kept
    return fit(mark + kept, width)


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken between words where there are any."""
    text, width = plain(text[:LONG]) + ("…" if len(text) > LONG else ""), max(4, width)
    lines: list[str] = []
    current = ""
    for word in text.split():
        while cells(word) > width:  # Longer than a line: broken where the line ends.
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
