"""The number of colours of a terminal, its palettes, and the nearest palette colour."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from functools import lru_cache

RGB = tuple[int, int, int]


class Depth(enum.Enum):
    """How many colours a terminal supports."""

    SIXTEEN = "16 colours"
    PALETTE = "256 colours"
    FULL = "24 bit"


def depth_of(environment: Mapping[str, str]) -> Depth:
    """Return the depth that the terminal announces by COLORTERM and TERM.

    A plain tmux sets TERM to `screen` but supports 256 colours, which it converts for the outer terminal.
    """
    term = environment.get("TERM", "").lower()
    if environment.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit") or term.endswith("-direct"):
        return Depth.FULL
    # These terminals support 24 bit, but SSH does not forward COLORTERM.
    if term.startswith(("xterm-kitty", "alacritty", "foot", "wezterm", "xterm-ghostty")):
        return Depth.FULL
    in_tmux = "TMUX" in environment and term.startswith(("screen", "tmux"))
    return Depth.PALETTE if "256" in term or in_tmux else Depth.SIXTEEN


# ------------------------------------------------------------------------------------------------ 256 colours

_LEVELS = (0, 95, 135, 175, 215, 255)
FIRST = 16
"""The first of the 256 colours that is the same in every terminal; the sixteen before it are the terminal's own."""

PALETTE: dict[int, RGB] = {
    FIRST + 36 * red + 6 * green + blue: (_LEVELS[red], _LEVELS[green], _LEVELS[blue])
    for red in range(6)
    for green in range(6)
    for blue in range(6)
} | {232 + step: (8 + 10 * step,) * 3 for step in range(24)}
"""xterm's 6×6×6 cube and its 24 greys, by number."""


@lru_cache(1024)
def nearest_256(colour: RGB) -> int:
    """Return the number of the nearest palette colour. A tinted dark grey becomes grey: 256 colours cannot show its hue, and
    the cube has nothing between black and navy."""
    red, green, blue = (min(range(6), key=lambda level: abs(_LEVELS[level] - part)) for part in colour)
    grey = 232 + min(max(round((sum(colour) / 3 - 8) / 10), 0), 23)
    return min((FIRST + 36 * red + 6 * green + blue, grey), key=lambda number: _squares(PALETTE[number], colour))


def _squares(first: RGB, second: RGB) -> int:
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True))


# ------------------------------------------------------------------------------------------------ 16 colours

HUES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
ANSI = tuple(f"ansi_{bright}{hue}" for bright in ("", "bright_") for hue in HUES)
"""The names of the terminal's own colours, by number."""

_DIM = ((0, 0, 0), (170, 0, 0), (0, 170, 0), (170, 85, 0), (0, 0, 170), (170, 0, 170), (0, 170, 170), (170, 170, 170))
_BRIGHT = tuple((85 + 170 * (n & 1), 85 + 170 * (n >> 1 & 1), 85 + 170 * (n >> 2)) for n in range(8))
STANDARD: dict[str, RGB] = dict(zip(ANSI, (*_DIM, *_BRIGHT), strict=True))
"""The sixteen colours of the Linux console. Other terminals use other values, and users change them."""


@lru_cache(1024)
def nearest_16(colour: RGB) -> int:
    """Return the number of the nearest standard colour."""
    return min(range(16), key=lambda number: _squares(STANDARD[ANSI[number]], colour))


# ------------------------------------------------------------------------------------------------ text form


def rgb(colour: str) -> RGB | None:
    """Parse `#rgb` or `#rrggbb` into three numbers; None for a colour that the terminal defines."""
    if not colour.startswith("#"):
        return None
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def hexadecimal(colour: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
