"""Reduction of a theme's colours to those of the terminal: stated colours exactly, all others to the nearest one.

Textual draws in 24 bit and leaves the reduction to Rich, which turns a tinted dark grey into navy or teal and is off by one
for the lighter greys of the palette.
"""

from __future__ import annotations

from functools import lru_cache

from rich.color import Color, ColorType
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as TextualColor
from textual.filter import LineFilter

from autoloop_tui.console.theming.colours import ANSI, PALETTE, STANDARD, Depth, nearest_16, nearest_256


class Reduce(LineFilter):
    """The last filter of an app."""

    def __init__(self, depth: Depth) -> None:
        super().__init__(enabled=depth is not Depth.FULL)
        self.depth = depth

    def apply(self, segments: list[Segment], background: TextualColor) -> list[Segment]:
        return [Segment(text, style and _reduced_style(style, self.depth), control) for text, style, control in segments]


@lru_cache(4096)
def _reduced_style(style: Style, depth: Depth) -> Style:
    front, back = _reduced(style.color, depth), _reduced(style.bgcolor, depth)
    return style if (front, back) == (style.color, style.bgcolor) else style + Style.from_color(front, back)


@lru_cache(4096)
def _reduced(colour: Color | None, depth: Depth) -> Color | None:
    """Return the nearest colour that the terminal has. Numbered colours keep their RGB values because Textual blends
    them."""
    if colour is None or colour.type is not ColorType.TRUECOLOR or colour.triplet is None:
        return colour
    if depth is Depth.PALETTE:
        number = nearest_256(tuple(colour.triplet))
        return Color(colour.name, ColorType.EIGHT_BIT, number, ColorTriplet(*PALETTE[number]))
    number = nearest_16(tuple(colour.triplet))
    return Color(colour.name, ColorType.STANDARD, number, ColorTriplet(*STANDARD[ANSI[number]]))
