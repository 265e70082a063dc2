"""The characters that the console draws with, and their replacements on terminals that show only ASCII."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec


class Glyphs(msgspec.Struct, frozen=True):
    """A set of characters. Drawing code takes it from its pane or as an argument."""

    ascii_only: bool
    blocks: bool
    """Whether charts and bars are drawn with full and half blocks; otherwise with braille or ASCII."""
    ellipsis: str
    """Marks the end of a truncated text; one cell."""
    dot: str
    """Separates two facts on a line; includes spaces."""
    arrow: str
    """Between an old and a new value."""
    rule: str
    """One cell of a horizontal line."""
    nothing: str
    """A missing value; one cell."""
    about: str
    """Equal within noise; one cell."""
    up: str
    down: str

    def towards(self, good: Literal["low", "high"] | None) -> str:
        """Return the arrow of the direction in which a metric improves; empty if unknown."""
        return {"high": self.up, "low": self.down, None: ""}[good]

    def of(self, glyph: str, ascii: str) -> str:
        """Return `glyph`, or `ascii` on an ASCII terminal. For characters drawn in only one place."""
        return ascii if self.ascii_only else glyph


UNICODE = Glyphs(False, False, ellipsis="…", dot=" · ", arrow="→", rule="─", nothing="–", about="≈", up="↑", down="↓")
ASCII = Glyphs(True, False, ellipsis="~", dot=" - ", arrow="->", rule="-", nothing="-", about="~", up="^", down="v")
UNICODE_BLOCKS, ASCII_BLOCKS = (msgspec.structs.replace(glyphs, blocks=True) for glyphs in (UNICODE, ASCII))
"""For fonts without braille; the second is for the Linux console, whose font has blocks but few other characters."""

_POOR = ("linux", "vt", "ansi", "cons", "sun")


def glyphs_for(environment: Mapping[str, str], *, ascii_only: bool | None = None, blocks: bool | None = None) -> Glyphs:
    """Return the set to draw with: as requested, otherwise according to TERM."""
    term = environment.get("TERM", "")
    if ascii_only is None:
        ascii_only = term.startswith(_POOR)
    if blocks is None:
        blocks = term.startswith("linux")
    if ascii_only:
        return ASCII_BLOCKS if blocks else ASCII
    return UNICODE_BLOCKS if blocks else UNICODE
