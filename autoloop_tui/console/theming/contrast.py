"""Whether a theme can be read: contrast of its text and state colours, in full colour and in a terminal's 256."""

from __future__ import annotations

import re
from typing import NamedTuple

from autoloop_tui.console.theming.theme_files import ThemeFile

TEXT, MARK = 4.5, 3.0
"""Least contrast (WCAG 2: 1 … 21) of running text, and of state words, glyphs and lines of charts."""

RGB = tuple[int, int, int]


class Fault(NamedTuple):
    """`foreground` on `background` has `ratio`, less than `least`, in `depth` colours."""

    foreground: str
    background: str
    ratio: float
    least: float
    depth: str

    def __str__(self) -> str:
        return f"{self.foreground} on {self.background}: {self.ratio:.1f}, needs {self.least:g} ({self.depth})"


class Figures(NamedTuple):
    """The least contrast of text and of marks, and which mark it is; None where the terminal defines the colours."""

    text: float | None
    mark: float | None
    faintest: str


class _Pair(NamedTuple):
    """A colour on a ground, as contrast in full colour and in 256."""

    foreground: str
    background: str
    least: float
    ratios: dict[str, float]


def faults(theme: ThemeFile) -> list[Fault]:
    """What is too faint. Colours of the terminal itself (`ansi_…`) are not known here and are passed over."""
    found = []
    for pair in _pairs(theme):
        depth = next((depth for depth, value in pair.ratios.items() if value < pair.least), None)
        if depth is not None:
            found.append(Fault(pair.foreground, pair.background, pair.ratios[depth], pair.least, depth))
    return found


def figures(theme: ThemeFile) -> Figures:
    """How well the theme can be read at its worst, in either depth."""
    text = [min(pair.ratios.values()) for pair in _pairs(theme) if pair.least == TEXT]
    marks = [(min(pair.ratios.values()), pair) for pair in _pairs(theme) if pair.least == MARK]
    faintest, pair = min(marks, key=lambda each: each[0], default=(None, None))
    return Figures(min(text, default=None), faintest, f"{pair.foreground} on {pair.background}" if pair else "")


def _pairs(theme: ThemeFile) -> list[_Pair]:
    """What is drawn on what, where both colours are known."""
    grounds: list[str] = [name for name in ("background", "surface", "panel") if name in theme.colours]
    pairs = [("foreground", ground, TEXT) for ground in grounds]
    marks = [name for name in theme.variables if re.match(r"(slot|chart|diff)-|dim$|key$", name)]
    pairs += [(mark, ground, MARK) for mark in marks for ground in grounds]
    pairs += [("match-foreground", "match-background", TEXT), ("foreground", "line-background", TEXT)]
    colours = {**theme.variables, **theme.colours}
    known = []
    for front, back, least in pairs:
        first, second = rgb(colours[front]), rgb(colours[back])
        if first is not None and second is not None:
            ratios = {"full colour": ratio(first, second), "256 colours": ratio(to_256(first), to_256(second))}
            known.append(_Pair(front, back, least, ratios))
    return known


def rgb(colour: str) -> RGB | None:
    """`#rgb` or `#rrggbb` as three numbers; None for a colour that the terminal defines."""
    if not colour.startswith("#"):
        return None
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def ratio(first: RGB, second: RGB) -> float:
    """Contrast of two colours: 1 (the same) to 21 (black and white)."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: RGB) -> float:
    shares = [each / 255 for each in colour]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


_CUBE = (0, 95, 135, 175, 215, 255)


def to_256(colour: RGB) -> RGB:
    """The nearest of xterm's 6×6×6 cube and its 24 greys."""
    red, green, blue = (_nearest_level(part) for part in colour)
    grey = min(max(round((sum(colour) / 3 - 8) / 10), 0), 23) * 10 + 8
    candidates: tuple[RGB, RGB] = ((red, green, blue), (grey, grey, grey))
    return min(candidates, key=lambda near: sum((a - b) ** 2 for a, b in zip(near, colour, strict=True)))


def _nearest_level(part: int) -> int:
    return min(_CUBE, key=lambda level: abs(level - part))
