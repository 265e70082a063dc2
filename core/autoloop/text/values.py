"""Formats values for messages, tables, reports and screens, each kind in one way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

NOTHING = "–"
"""Shown for a missing value."""

OF_SETTINGS = 6
"""Significant digits of a number in a config; a measured one has four."""

LEAST, MOST = -4, 5
"""Powers of ten between which numbers are written without an exponent; from below 0.0001 on with one, as in JSON."""


def number(value: float | None, digits: int = 4) -> str:
    """`1.842`, `31250`, `2.6e-85`, `nan`: a number to `digits` significant digits, without trailing zeros; `–` for None."""
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    mantissa, exponent = _scientific(value, digits)
    if LEAST <= exponent < max(MOST, digits):
        return _trim(f"{value or 0.0:.{max(0, digits - 1 - exponent)}f}")  # no minus before zero
    return f"{mantissa}e{exponent}"


def signed(value: float) -> str:
    """`+0.0123`, `-5e-5`: a difference as `number` writes it, always with its sign."""
    return ("" if value < 0 or math.isnan(value) else "+") + number(value)


def size_text(size: float) -> str:
    """`118 GB`, `3.5 MB`, `12 kB`, `0`: powers of 1000, like the sizes of disks."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size:.0f} B" if size else "0"


def ordinal(place: int) -> str:
    """`1st`, `2nd`, `3rd`, `11th`."""
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"


def with_power(value: float, digits: int) -> str:
    """A finite number of any size as `3.1e4`, the shortest notation for large and small ones."""
    mantissa, exponent = _scientific(value, digits)
    return f"{mantissa}e{exponent}"


def _scientific(value: float, digits: int) -> tuple[str, int]:
    mantissa, exponent = f"{value or 0.0:.{digits - 1}e}".split("e")
    return _trim(mantissa), int(exponent)


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def value_text(value: object, most: int | None = None) -> str:
    """A value of a config on one line, as JSON with rounded floats, cut to `most` characters. Takes bounded time, even for a
    large value.

    It is for display only: an edit that sets exactly this value needs all its digits (`json.dumps`).
    """
    parts: list[str] = []
    length = 0
    for part in _parts(value, most):
        parts.append(part)
        length += len(part)
        if most is not None and length > most:
            return "".join(parts)[: most - 1] + "…"
    return "".join(parts)


def _parts(value: object, most: int | None) -> Iterator[str]:
    if isinstance(value, float):
        yield number(value, OF_SETTINGS)
    elif isinstance(value, str):
        yield _quoted(value[:most])
    elif isinstance(value, Mapping):
        yield "{"
        for index, (key, each) in enumerate(value.items()):
            yield f"{', ' if index else ''}{_quoted(str(key)[:most])}: "
            yield from _parts(each, most)
        yield "}"
    elif isinstance(value, list | tuple):
        yield "["
        for index, each in enumerate(value):
            if index:
                yield ", "
            yield from _parts(each, most)
        yield "]"
    else:
        yield "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    import json  # a local import, because most commands show no such value

    return json.dumps(text, ensure_ascii=False)


def count(value: int) -> str:
    """An integer in groups of three digits: `31 250`."""
    return f"{value:,}".replace(",", " ")


def duration(seconds: float | None) -> str:
    """A duration in at most six characters: `42s`, `4m05s`, `1h02m`, `3d04h`; `–` if unknown."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    if whole < 86400 * 100:
        return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"
    return f"{whole // 86400}d"
