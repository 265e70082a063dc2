"""Parses the axes of a grid and its seeds.

An axis is written `lr=1e-3,3e-3`, `layers=2..6` (whole numbers), `lr=1e-4..1e-2:5` (evenly spaced) or `lr=1e-4..1e-2:3log`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from autoloop.model import UserError

MOST = 10_000
"""The most runs of one grid."""
_RANGE = re.compile(r"(?P<first>[^.,:]+(?:\.\d+)?(?:e[-+]?\d+)?)\.\.(?P<last>[^:]+)(?::(?P<count>\d+)(?P<log>log)?)?")
_WHOLE = re.compile(r"[-+]?\d+")
SEED = "seed"


@dataclass(frozen=True)
class Axis:
    """A path (with an operation, as in an edit) and its values, as written."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A grid. `seeds`: the seeds with which each combination runs; if empty, the config's seed stays. `zipped`: the first
    values of all axes are combined, then the second ones, instead of all combinations."""

    axes: tuple[Axis, ...] = ()
    seeds: tuple[int, ...] = ()
    zipped: bool = False


def parse_grid(axes: Sequence[str], seeds: str | None, *, zipped: bool = False) -> Grid:
    """Return the grid for `--grid`, `--seeds` and `--zip`. UserError names the invalid word."""
    parsed = tuple(map(_axis, axes))
    if zipped and len({len(axis.values) for axis in parsed}) > 1:
        lengths = ", ".join(f"{axis.name} has {len(axis.values)}" for axis in parsed)
        raise UserError(f"--zip pairs the values of all axes, and they are not equally many: {lengths}.")
    if zipped and len(parsed) < 2:
        raise UserError("--zip pairs the values of several axes: give two or more to --grid, or omit it.")
    names = [axis.name for axis in parsed]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"--grid names {twice} twice; give all its values at once, as {twice}=1,2,3.")
    grid = Grid(parsed, _seeds(seeds), zipped)
    size = math.prod(len(axis.values) for axis in (parsed[:1] if zipped else parsed)) * max(1, len(grid.seeds))
    if size > MOST:
        raise UserError(f"The grid has {size} runs, and {MOST} is the most; give fewer values.")
    return grid


def _axis(text: str) -> Axis:
    name, equals, values = text.partition("=")
    if not equals or not name.strip() or not values.strip():
        raise UserError(f'--grid "{text}" is not an axis: write name=value,value, as lr=1e-3,3e-3 or layers=2..6.')
    spelt = [value for part in _parts(values) for value in _values(name, part.strip())]
    if not all(spelt):
        raise UserError(f'--grid "{text}" has an empty value; write name=value,value.')
    if twice := next((value for value in spelt if spelt.count(value) > 1), None):
        raise UserError(f'--grid "{text}" has the value {twice} twice; write it once.')
    return Axis(name.strip(), tuple(spelt))


def _parts(text: str) -> list[str]:
    """Split at commas; a comma inside brackets or quotes belongs to its value."""
    parts, depth, quote = [""], 0, False
    for character in text:
        quote ^= character == '"'
        depth += 0 if quote else (character in "[{(") - (character in ")}]")
        if character == "," and depth == 0 and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _values(name: str, part: str) -> list[str]:
    """The value as written, or the values of a range."""
    match = _RANGE.fullmatch(part)
    if match is None:
        return [part]
    first, last, count = match["first"], match["last"], match["count"]
    try:
        low, high = float(first), float(last)
    except ValueError:
        return [part]  # text with two dots, such as a path
    whole = bool(_WHOLE.fullmatch(first) and _WHOLE.fullmatch(last))
    what = f"--grid {name}={part}"
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(f"{what}: a range goes from one finite number to another.")
    if count is None:
        if not whole:
            raise UserError(f"{what}: say how many values, as {part}:5, or {part}:5log for equal ratios.")
        if abs(int(last) - int(first)) >= MOST:
            raise UserError(f"{what}: that is more than {MOST} values; say how many, as {part}:5.")
        step = 1 if high >= low else -1
        return [str(number) for number in range(int(first), int(last) + step, step)]
    number = int(count)
    if not 2 <= number <= MOST:
        raise UserError(f"{what}: give 2 values or more, up to {MOST}.")
    if match["log"] and not (low > 0 and high > 0):
        raise UserError(f"{what}: equal ratios need two numbers above 0.")
    shares = [index / (number - 1) for index in range(number)]
    spaced = [low * (high / low) ** share if match["log"] else low + (high - low) * share for share in shares]
    if whole:
        return list(dict.fromkeys(str(round(value)) for value in spaced))
    return list(dict.fromkeys(f"{value:.6g}" for value in spaced))


def _seeds(text: str | None) -> tuple[int, ...]:
    """Parse seeds: `2` means the seeds 1 and 2; `42,43` and `5..8` list them."""
    if text is None:
        return ()
    wrong = UserError(f'--seeds "{text}" is not understood: write how many (3), or which (42,43 or 1..5).')
    try:
        if _WHOLE.fullmatch(text.strip()):
            count = int(text)
            if not 1 <= count <= MOST:
                raise UserError(f"--seeds {text}: give 1 or more, up to {MOST}.")
            return tuple(range(1, count + 1))
        found = tuple(int(value) for part in text.split(",") for value in _values(SEED, part.strip()))
    except ValueError:
        raise wrong from None
    if len(set(found)) < len(found):
        raise UserError(f"--seeds {text} names a seed twice.")
    return found
