"""A column of numbers: one notation, four significant digits, aligned decimal points."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from autoloop.text.values import LEAST, MOST, NOTHING, number

DIGITS = 4
"""Significant digits, if there is room."""


class NumberColumn(msgspec.Struct, frozen=True):
    """The format of the numbers in one column. Every text is `width` cells wide, so that decimal points are aligned.

    `left`: cells up to the last digit before the point; `decimals`: the most digits after it; `powers`: whether all numbers
    are written as `3.44e-11`, because one of them must be; `power`: the cells of the exponent `e-11`; `digits`: significant
    digits; `signed`: whether the numbers are changes and get a `+`.
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
        """Return the format for `values`. `room`: the available cells; significant digits are reduced to fit them, and
        powers of ten are used where fewer than two digits would be left."""
        known = [value for value in values if value is not None]
        made = cls._of(known, digits, signed=signed)
        narrower = [(fewer, False) for fewer in range(digits - 1, 1, -1)] + [(fewer, True) for fewer in range(digits, 1, -1)]
        for fewer, powers in [*narrower, (1, False)]:
            if room is None or made.width <= room:
                break
            made = cls._of(known, fewer, signed=signed, powers=powers)
        return made

    @classmethod
    def _of(cls, values: list[float], digits: int, *, signed: bool, powers: bool = False) -> NumberColumn:
        finite = [value for value in values if math.isfinite(value)]
        sizes = [abs(value) for value in finite if value]
        least, most = (_exponent(value, digits) for value in (min(sizes), max(sizes))) if sizes else (0, 0)
        powers = powers or not LEAST <= least <= most < max(MOST, digits)
        before = 1 if powers else max(1, most + 1)
        minus = signed or any(value < 0 for value in finite)
        # nan and inf are placed before the point, as `–` is.
        words = max((len(_word(value)) for value in values if not math.isfinite(value)), default=0)
        column = cls(
            left=max(before + minus, words),
            powers=powers,
            power=max(len(f"e{least}"), len(f"e{most}")) if powers else 0,
            digits=digits,
            signed=signed,
        )
        decimals, room = 0, max(0, digits - 1 - (0 if powers else least))
        for value in set(sizes):  # a thousand runs have many equal values
            decimals = max(decimals, len(column._parts(value, room)[1]))
            if decimals >= room:
                break
        return msgspec.structs.replace(column, decimals=decimals)

    @property
    def width(self) -> int:
        """The width of every text, in cells."""
        return self.left + self.right

    @property
    def right(self) -> int:
        """The cells from the point on."""
        return (self.decimals + 1 if self.decimals else 0) + self.power

    def text(self, value: float | None, nothing: str = NOTHING) -> str:
        """Return the number in exactly `width` cells; a number that was added later and does not fit is as wide as
        necessary."""
        if value is None or not math.isfinite(value):
            return f"{nothing if value is None else _word(value):>{self.left}}".ljust(self.width)
        whole, after, power = parts = self._parts(value, self.decimals)
        if not self._shows(value, parts):
            return ("+" if self.signed and value > 0 else "") + number(value, self.digits)  # it was added later
        after = after.ljust(min(self.decimals, self._most(value)), "0")
        return (f"{whole:>{self.left}}" + (f".{after}" if after else "") + power).ljust(self.width)

    def takes(self, value: float) -> bool:
        """Whether a number that was added later fits the format."""
        if not math.isfinite(value):
            return len(_word(value)) <= self.left
        parts = self._parts(value, self.decimals)
        return len(parts[0]) <= self.left and len(parts[2]) <= self.power and self._shows(value, parts)

    def _shows(self, value: float, parts: tuple[str, str, str]) -> bool:
        whole, after, power = parts
        return abs(float(f"{whole}.{after}{power}") - value) <= abs(value) * 0.51 * 10.0 ** (1 - self.digits)

    def _most(self, value: float) -> int:
        """The digits after the point for `digits` significant ones."""
        if not value:
            return 0
        return self.digits - 1 if self.powers else max(0, self.digits - 1 - _exponent(value, self.digits))

    def _parts(self, value: float, decimals: int) -> tuple[str, str, str]:
        """The sign with the digits before the point, the digits after it without trailing zeros, and the exponent."""
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
    """The power of ten of the first digit, after rounding."""
    return int(f"{value:.{digits - 1}e}".partition("e")[2])


def _word(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def aligned(values: Iterable[float | None], *, signed: bool = False) -> list[str]:
    """Return the numbers of a column as texts of equal width."""
    values = list(values)
    column = NumberColumn.of(values, signed=signed)
    return [column.text(value) for value in values]
