"""Readability of a theme: the contrast of its text and state colours and whether they can be told apart, in 24 bit, 256
colours and the sixteen of the Linux console."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from autoloop_tui.console.theming.colours import RGB, STANDARD, Depth, rgb
from autoloop_tui.console.theming.theme_files import ThemeFile
from autoloop_tui.console.theming.vision import KINDS, distance, linear

TEXT, MARK = 4.5, 3.0
"""Minimum contrast (WCAG 2, 1 to 21) of running text, and of dim text, state words, glyphs and chart lines."""

APART, APART_TO_ALL = 15.0, 12.0
"""Minimum difference (see `vision.distance`) of two states or two curves: with normal colour vision, and with every kind of
colour vision if the theme promises that."""

STATES = tuple(f"slot-{state}" for state in ("running", "queued", "finished", "failed", "warn", "stopped", "lost"))
CURVES = tuple(f"chart-{number}" for number in range(1, 7))
FAILURE = "slot-failed"
"""The colour of failure; no run may use it."""

_GROUNDS = ("background", "surface", "panel", "line-background")
_ON_ITS_OWN = ("match", "block-cursor", "block-cursor-blurred")
"""Text with its own background: `…-foreground` on `…-background`."""


class Fault(NamedTuple):
    """Two colours whose contrast or difference `found` is below `least`."""

    first: str
    second: str
    what: str
    """`on`, or for which colour vision they look alike."""
    found: float
    least: float
    depth: Depth

    def __str__(self) -> str:
        pair = f"{self.first} {self.what} {self.second}"
        return f"{pair}: {self.found:.1f}, needs {self.least:g} ({self.depth.value})"


class Figures(NamedTuple):
    """The minimum contrast of text and of marks, and the mark with the lowest contrast; None if the terminal defines the
    colours."""

    text: float | None
    mark: float | None
    faintest: str


class _Pair(NamedTuple):
    foreground: str
    background: str
    least: float
    ratio: float
    depth: Depth


def faults(theme: ThemeFile) -> list[Fault]:
    """Return pairs of colours with too little contrast or difference. Colours defined by the terminal are skipped because
    they are unknown."""
    found = [
        Fault(pair.foreground, pair.background, "on", pair.ratio, pair.least, pair.depth)
        for pair in _pairs(theme)
        if pair.ratio < pair.least
    ]
    return found + list(_alike(theme))


def figures(theme: ThemeFile) -> Figures:
    """Return the theme's lowest contrasts at any depth."""
    pairs = _pairs(theme)
    text = min((pair.ratio for pair in pairs if pair.least == TEXT), default=None)
    worst = min((pair for pair in pairs if pair.least == MARK), key=lambda pair: pair.ratio, default=None)
    if worst is None:
        return Figures(text, None, "")
    return Figures(text, worst.ratio, f"{worst.foreground} on {worst.background}, {worst.depth.value}")


def _known(theme: ThemeFile, depth: Depth) -> dict[str, RGB]:
    """Return the colours with known RGB values."""
    chosen = theme.at[depth]
    known = {}
    for name, colour in {**chosen.variables, **chosen.colours}.items():
        parts = rgb(colour) if " " not in colour else None
        if parts is None and not theme.ansi:
            parts = STANDARD.get(colour)
        if parts is not None:
            known[name] = parts
    return known


def _pairs(theme: ThemeFile) -> list[_Pair]:
    """Return the pairs of foreground and background that are drawn."""
    pairs = []
    for depth in Depth:
        known = _known(theme, depth)
        marks = [name for name in known if re.match(r"(slot|chart|diff)-|dim$|key$", name)]
        wanted = [("foreground", ground, TEXT) for ground in _GROUNDS]
        wanted += [(f"{name}-foreground", f"{name}-background", TEXT) for name in _ON_ITS_OWN]
        wanted += [(mark, ground, MARK) for mark in marks for ground in _GROUNDS]
        for front, back, least in wanted:
            if front in known and back in known:
                pairs.append(_Pair(front, back, least, ratio(known[front], known[back]), depth))
    return pairs


def _alike(theme: ThemeFile) -> Iterator[Fault]:
    for depth in Depth:
        known = _known(theme, depth)
        promised = theme.colour_blind and depth is not Depth.SIXTEEN  # sixteen colours have no such seven
        for kind in ("", *(KINDS if promised else ())):
            least = APART_TO_ALL if kind else APART
            what = f"looks to {kind} like" if kind else "looks like"
            pairs = [*combinations(STATES, 2), *combinations(CURVES, 2), *((curve, FAILURE) for curve in CURVES)]
            for first, second in pairs:
                if first not in known or second not in known:
                    continue
                apart = distance(known[first], known[second], kind)
                if apart < least:
                    yield Fault(first, second, what, apart, least, depth)


def ratio(first: RGB, second: RGB) -> float:
    """Return the contrast of two colours: 1 (equal) to 21 (black and white)."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: RGB) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
