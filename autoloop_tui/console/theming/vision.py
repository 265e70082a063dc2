"""How different two colours look with various kinds of colour vision."""

from __future__ import annotations

import math
from collections.abc import Mapping

from autoloop_tui.console.theming.colours import RGB

_Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]

_SEEN: Mapping[str, _Matrix] = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
"""How linear red, green and blue appear if one kind of cone is missing (Machado, Oliveira, Fernandes 2009)."""

KINDS = tuple(_SEEN)


def linear(colour: RGB) -> tuple[float, float, float]:
    """Return red, green and blue as linear light, 0 to 1."""
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in _shares(colour))
    return red, green, blue


def _shares(colour: RGB) -> list[float]:
    return [each / 255 for each in colour]


def distance(first: RGB, second: RGB, kind: str = "") -> float:
    """Return how different two colours look: the CIE 1976 difference in L*a*b*, from 0 (equal) to about 100 (black and
    white).

    `kind`: one of KINDS of colour vision; empty: normal vision.
    """
    return math.dist(_lab(first, kind), _lab(second, kind))


def _lab(colour: RGB, kind: str) -> tuple[float, float, float]:
    red, green, blue = linear(colour)
    if kind:
        red, green, blue = (min(1.0, max(0.0, row[0] * red + row[1] * green + row[2] * blue)) for row in _SEEN[kind])
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    x, y, z = (each ** (1 / 3) if each > 0.008856 else 7.787 * each + 16 / 116 for each in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)
