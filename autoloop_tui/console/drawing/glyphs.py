"""The signs that the console draws with, and what stands for each of them on a terminal that shows only ASCII."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec


class Glyphs(msgspec.Struct, frozen=True):
    """One set of signs. Every place that draws takes it from its pane or gets it as an argument."""

    ascii_only: bool
    blocks: bool
    """Whether charts and bars are drawn with full and half blocks, otherwise with braille, or with ASCII."""
    ellipsis: str
    """At the end of a text that was cut; one cell."""
    dot: str
    """Between two facts in one line, with its spaces."""
    arrow: str
    """From a value to the next."""
    rule: str
    """One cell of a horizontal line."""
    nothing: str
    """A value that is not there; one cell."""
    about: str
    """Equal within the noise; one cell."""
    up: str
    down: str

    def towards(self, good: Literal["low", "high"] | None) -> str:
        """The arrow of the direction in which a metric is better; nothing if that is not known."""
        return {"high": self.up, "low": self.down, None: ""}[good]

    def of(self, glyph: str, ascii: str) -> str:
        """`glyph`, or `ascii` in its place: for a sign that is drawn in one place only."""
        return ascii if self.ascii_only else glyph


UNICODE = Glyphs(False, False, ellipsis="…", dot=" · ", arrow="→", rule="─", nothing="–", about="≈", up="↑", down="↓")
ASCII = Glyphs(True, False, ellipsis="~", dot=" - ", arrow="->", rule="-", nothing="-", about="~", up="^", down="v")
UNICODE_BLOCKS, ASCII_BLOCKS = (msgspec.structs.replace(glyphs, blocks=True) for glyphs in (UNICODE, ASCII))
"""For fonts without braille; the second is for the Linux console, whose font has blocks and few signs beside them."""

_POOR = ("linux", "vt", "ansi", "cons", "sun")


def glyphs_for(environment: Mapping[str, str], *, ascii_only: bool | None = None, blocks: bool | None = None) -> Glyphs:
    """The set to draw with: as a person wants it, otherwise as the terminal needs it by its TERM."""
    term = environment.get("TERM", "")
    if ascii_only is None:
        ascii_only = term.startswith(_POOR)
    if blocks is None:
        blocks = term.startswith("linux")
    if ascii_only:
        return ASCII_BLOCKS if blocks else ASCII
    return UNICODE_BLOCKS if blocks else UNICODE
