"""A column of numbers: one notation, four significant digits, decimal points below each other."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from autoloop.text.values import NOTHING, number

DIGITS = 4
"""Significant digits, if there is room for them."""

LEAST, MOST = -3, 5
"""Powers of ten between which numbers are written without one; see `values.number`."""


class NumberColumn(msgspec.Struct, frozen=True):
    """How the numbers of one column are written. Every text is `width` cells wide, so that points stand below each other.

    `left`: cells up to the last digit before the point; `decimals`: the most digits after it; `powers`: all are written as
    `3.44e-11`, because one of them has to be; `power`: cells of its `e-11`. `signed`: these are changes, and a `+` is
    written too.
    """

    left: int = 1
    decimals: int = 0
    powers: bool = False
    power: int = 0
    digits: int = DIGITS
    signed: bool = False

    @classmethod
    def of(
        cls, values: Iterable[float | None], *, digits: int = DIGITS, signed: bool = False, room: int | None = None
    ) -> NumberColumn:
        """The column for `values`. `room`: cells that there are; significant digits are left out for them, not cells."""
        known = [value for value in values if value is not None]
        made = cls._of(known, digits, signed=signed)
        for fewer in range(digits - 1, 0, -1):
            if room is None or made.width <= room:
                break
            made = cls._of(known, fewer, signed=signed)
        return made

    @classmethod
    def _of(cls, values: list[float], digits: int, *, signed: bool) -> NumberColumn:
        finite = [value for value in values if math.isfinite(value)]
        sizes = [abs(value) for value in finite if value]
        least, most = (_exponent(value, digits) for value in (min(sizes), max(sizes))) if sizes else (0, 0)
        powers = not LEAST <= least <= most < max(MOST, digits)
        before = 1 if powers else max(1, most + 1)
        minus = signed or any(value < 0 for value in finite)
        # nan and inf stand before the point, as `–` does.
        words = max((len(_word(value)) for value in values if not math.isfinite(value)), default=0)
        column = cls(
            left=max(before + minus, words),
            powers=powers,
            power=max(len(f"e{least}"), len(f"e{most}")) if powers else 0,
            digits=digits,
            signed=signed,
        )
        decimals, room = 0, max(0, digits - 1 - (0 if powers else least))
        for value in set(sizes):  # of a thousand runs many have the same
            decimals = max(decimals, len(column._parts(value, room)[1]))
            if decimals >= room:
                break
        return msgspec.structs.replace(column, decimals=decimals)

    @property
    def width(self) -> int:
        """Cells of every text."""
        return self.left + self.right

    @property
    def right(self) -> int:
        """Cells from the point on."""
        return (self.decimals + 1 if self.decimals else 0) + self.power

    def text(self, value: float | None, nothing: str = NOTHING) -> str:
        """The number in exactly `width` cells; one that came later and does not fit into the column is as wide as it has
        to be."""
        if value is None or not math.isfinite(value):
            return f"{nothing if value is None else _word(value):>{self.left}}".ljust(self.width)
        whole, after, power = parts = self._parts(value, self.decimals)
        if not self._shows(value, parts):
            return ("+" if self.signed and value > 0 else "") + number(value, self.digits)  # it came later
        after = after.ljust(min(self.decimals, self._most(value)), "0")
        return (f"{whole:>{self.left}}" + (f".{after}" if after else "") + power).ljust(self.width)

    def takes(self, value: float) -> bool:
        """Whether a number that came later stands in the column as the others do."""
        if not math.isfinite(value):
            return len(_word(value)) <= self.left
        parts = self._parts(value, self.decimals)
        return len(parts[0]) <= self.left and len(parts[2]) <= self.power and self._shows(value, parts)

    def _shows(self, value: float, parts: tuple[str, str, str]) -> bool:
        whole, after, power = parts
        return abs(float(f"{whole}.{after}{power}") - value) <= abs(value) * 0.51 * 10.0 ** (1 - self.digits)

    def _most(self, value: float) -> int:
        """Digits after the point that four significant ones leave."""
        if not value:
            return 0
        return self.digits - 1 if self.powers else max(0, self.digits - 1 - _exponent(value, self.digits))

    def _parts(self, value: float, decimals: int) -> tuple[str, str, str]:
        """Sign and digits before the point, those after it without zeros at the end, and the power."""
        sign = "-" if value < 0 else "+" if self.signed and value else ""
        size, power = abs(value), ""
        if not size:
            return "0", "", ""
        if self.powers:
            mantissa, exponent = f"{size:.{self.digits - 1}e}".split("e")
            text, power = mantissa, f"e{int(exponent)}"
        else:
            text = f"{size:.{max(0, min(decimals, self._most(value)))}f}"
        whole, _, after = text.partition(".")
        return sign + whole, after.rstrip("0"), power


def _exponent(value: float, digits: int) -> int:
    """The power of ten of its first digit, as it is rounded."""
    return int(f"{value:.{digits - 1}e}".partition("e")[2])


def _word(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def aligned(values: Iterable[float | None], *, signed: bool = False) -> list[str]:
    """All of a column's numbers as texts of one width."""
    values = list(values)
    column = NumberColumn.of(values, signed=signed)
    return [column.text(value) for value in values]
