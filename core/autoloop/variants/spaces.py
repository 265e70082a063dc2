"""The space of a search: parsed from ranges and values, and checked against the configs that the search starts from.

An axis is written as for `--grid` (`lr=1e-4..1e-2`, `layers=2..6`, `batch_size=16,32,64`), or as a table of `[search]` with
`low`, `high`, `log` and `step`, or `values`. No I/O.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from autoloop.configs import Config, same
from autoloop.configs.changes import OBSERVING
from autoloop.configs.paths import Keys, copied, get, places, put, split, written
from autoloop.configs.text import is_number, parse_value
from autoloop.model import Axis, UserError
from autoloop.text.searches import values_words
from autoloop.toml import read_table
from autoloop.variants.axes import parse_grid
from autoloop.variants.check import check
from autoloop.variants.grids import place, seed_path
from autoloop.variants.policy import VariantPolicy
from autoloop.variants.request import VariantRequest

SPAN = 10.0
"""A range of non-integers whose ends differ by at least this factor is logarithmic, unless `log` says otherwise."""
TABLE = "[search]"
_RANGE = re.compile(r"(?P<low>[^,:\[\]\"]+?)\.\.(?P<high>[^,:\[\]\"]+)(?P<log>:log)?")


class _AxisTable(msgspec.Struct, forbid_unknown_fields=True):
    low: int | float | None = None
    high: int | float | None = None
    log: bool | None = None
    step: int | float | None = None
    values: list[Any] = []


_Written = tuple[str, str, _AxisTable]
"""The source of an axis, for errors; its name; its range or values."""


def space_of_words(words: Sequence[str]) -> list[_Written]:
    """Return the axes given to `--grid`. UserError for an invalid word."""
    found: list[_Written] = []
    for word in words:
        name, equals, text = (part.strip() for part in word.partition("="))
        if not equals or not name or not text:
            raise UserError(
                f'--grid "{word}" is not an axis: write a range or values, as lr=1e-4..1e-2 or batch_size=16,32.'
            )
        found.append(("--grid", name, _axis_of_text(name, text)))
    return found


def space_of_table(table: Mapping[str, Any]) -> list[_Written]:
    """Return the axes of `[search]`. UserError for an invalid one."""
    return list(_axes_in(table, ()))


def checked_space(
    axes: Sequence[_Written], configs: Sequence[tuple[str, Config]], policy: VariantPolicy, *, steps: str | None = None
) -> list[Axis]:
    """Return the axes with their full paths. `configs`: all configs that the search starts from, with their names; `steps`:
    the path of the number of steps, if the trainer takes it from the config. UserError in one sentence."""
    found: list[Axis] = []
    _, first = configs[0]
    for said, name, given in axes:
        path, operation = place(first, name, policy.overridden, said=said)
        if operation:
            raise UserError(f"{said} {name}: a search sets values; give the path without {operation}.")
        if path in [axis.path for axis in found]:
            raise UserError(f"{said} gives {path} twice; give all that it may be at once.")
        what = f"{said} {path}"
        if path == seed_path(first, policy.seed):
            raise UserError(f"{what}: that is the seed, which makes no config better; --seeds repeats each config.")
        if path == steps:
            raise UserError(f"{what}: runs of different length cannot be compared, so the number of steps is not searched.")
        if split(path)[0] in OBSERVING:
            raise UserError(f"{what} names or watches a training and does not change it; leave it out.")
        axis = _checked(
            what, path, given, [(source, _value(what, source, config, path)) for source, config in configs], policy
        )
        for source, config in configs:
            _try_ends(what, source, config, axis, policy)
        found.append(axis)
    return found


def point_of(config: Config, axes: Sequence[Axis]) -> list[Any] | None:
    """Return a config's values on the axes; None if one is missing or outside its axis."""
    values = []
    for axis in axes:
        found = places(config, split(axis.path))
        if len(found) != 1 or not contains(axis, value := get(config, found[0])):
            return None
        values.append(value)
    return values


def contains(axis: Axis, value: Any) -> bool:
    """Whether a value is within the range of an axis or one of its values; `step` is ignored."""
    if axis.values:
        return any(same(value, each) for each in axis.values)
    return is_number(value) and axis.low <= value <= axis.high and (not axis.whole or float(value).is_integer())


def at_point(config: Config, axes: Sequence[Axis], point: Sequence[Any]) -> Config:
    """Return a config, which has all axes, with the values of a point."""
    moved: Config = copied(config)
    for axis, value in zip(axes, point, strict=True):
        put(moved, places(moved, split(axis.path))[0], value)
    return moved


def edits_to(config: Config, axes: Sequence[Axis], point: Sequence[Any]) -> list[str]:
    """Return the edits that lead from a config, which has all axes, to a point; none for values that are already equal."""
    return [
        f"{axis.path}={json.dumps(value, ensure_ascii=False)}"
        for axis, value in zip(axes, point, strict=True)
        if not same(get(config, places(config, split(axis.path))[0]), value)
    ]


# --------------------------------------------------------------------------------------------------------- reading


def _axis_of_text(name: str, text: str) -> _AxisTable:
    match = _RANGE.fullmatch(text)
    if match is not None and (ends := (_number(match["low"]), _number(match["high"]))) != (None, None):
        return _AxisTable(low=ends[0], high=ends[1], log=True if match["log"] else None)
    (axis,) = parse_grid([f"{name}={text}"], None).axes
    return _AxisTable(values=[_parsed(value) for value in axis.values])


def _number(text: str) -> int | float | None:
    value = _parsed(text.strip())
    return value if is_number(value) else None


def _parsed(text: str) -> Any:
    try:
        return parse_value(text)
    except ValueError as error:
        raise UserError(f"--grid: the value {text} cannot be read ({error}).") from None


def _axes_in(table: Mapping[str, Any], above: Keys) -> Iterator[_Written]:
    for key, given in table.items():
        keys = (*above, *split(key))
        name = ".".join(map(str, keys))
        if isinstance(given, str):
            yield TABLE, name, _axis_of_text(name, given)
        elif isinstance(given, list):
            yield TABLE, name, _AxisTable(values=given)
        elif not isinstance(given, dict) or not given:
            raise UserError(f'{TABLE} {name}: give a range as "1e-4..1e-2", a list of values, or low and high.')
        elif given.keys() & set(_AxisTable.__struct_fields__) or not any(
            isinstance(each, dict | list | str) for each in given.values()
        ):
            yield TABLE, name, read_table(given, _AxisTable, f"{TABLE} {name}")
        else:
            yield from _axes_in(given, keys)


# -------------------------------------------------------------------------------------------------------- checking


def _value(what: str, source: str, config: Config, path: str) -> Any:
    found = places(config, split(path))
    if len(found) > 1:
        raise UserError(f"{what} matches several places of {source} ({', '.join(map(written, found[:4]))}); name one.")
    if not found:
        raise UserError(f"{what}: {source} has no {path}; every config of a loop that is searched needs it.")
    return get(config, found[0])


def _checked(what: str, path: str, given: _AxisTable, values: Sequence[tuple[str, Any]], policy: VariantPolicy) -> Axis:
    axis = _of_values(what, path, given) if given.values else _of_range(what, path, given, values, policy)
    for source, value in values:
        if not contains(axis, value):
            raise UserError(
                f"{what}: {source} has {json.dumps(value)} there, which is not among what is searched "
                f"({values_words(axis)}); add it, or change the config."
            )
    return axis


def _of_values(what: str, path: str, given: _AxisTable) -> Axis:
    if (given.low, given.high, given.log, given.step) != (None, None, None, None):
        raise UserError(f"{what}: values stand alone; omit low, high, log and step.")
    if twice := next((a for n, a in enumerate(given.values) for b in given.values[:n] if same(a, b)), None):
        raise UserError(f"{what} has the value {json.dumps(twice)} twice; write it once.")
    if len(given.values) < 2:
        raise UserError(f"{what}: one value leaves nothing to search; give two or more.")
    return Axis(path=path, values=given.values)


def _of_range(what: str, path: str, given: _AxisTable, values: Sequence[tuple[str, Any]], policy: VariantPolicy) -> Axis:
    low, high, step = given.low, given.high, given.step
    if low is None or high is None:
        raise UserError(f"{what}: give both low and high, or values.")
    if not (math.isfinite(low) and math.isfinite(high)):
        raise UserError(f"{what}: a range goes from one finite number to another.")
    if low >= high:
        raise UserError(f"{what}: low is {low:g} and high is {high:g}; low must be below high.")
    for source, value in values:
        if not is_number(value):
            raise UserError(f"{what}: {source} has {json.dumps(value)} there, which is not a number; give values instead.")
    whole = all(isinstance(each, int) for each in (low, high, *([] if step is None else [step])))
    fields, keys = policy.fields, tuple(split(path))
    counted = any(fields and fields.is_integer(keys, value) for _, value in values)
    if counted and not whole:
        raise UserError(f"{what} takes whole numbers; give whole numbers for low, high and step.")
    whole = whole and (counted or all(isinstance(value, int) for _, value in values))
    if step is not None and not 0 < step <= high - low:
        raise UserError(f"{what}: step {step:g} must be above 0 and at most {high - low:g}, the width of the range.")
    if given.log and low <= 0:
        raise UserError(f"{what}: a logarithmic range must begin above 0, not at {low:g}.")
    if given.log and step is not None:
        raise UserError(f"{what}: log and step exclude each other; omit one.")
    log = given.log
    if log is None:
        log = not whole and step is None and low > 0 and high / low >= SPAN
    return Axis(path=path, low=low, high=high, log=log, step=1 if whole and step is None else step, whole=whole)


def _try_ends(what: str, source: str, config: Config, axis: Axis, policy: VariantPolicy) -> None:
    """Check that a config can take the ends of an axis, or each of its values. UserError if not."""
    for value in axis.values or (axis.low, axis.high):
        edits = edits_to(config, [axis], [value])
        if edits and (why := check(config, VariantRequest(reason=what, edits=edits), policy).blocked):
            raise UserError(f"{what}: {source} cannot have {json.dumps(value)} there: {why}")
