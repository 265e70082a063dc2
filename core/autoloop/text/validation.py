"""msgspec's validation errors in our words: the key, what it must be, and for a typo the nearest known key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from autoloop.text.suggest import did_you_mean
from autoloop.text.values import value_text

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "null": "nothing",
}
"""msgspec's type names, in words."""

GIVEN = KINDS | {"float": "a decimal number"}
"""The same for the given value: 1.5 in place of a whole number is a number too, so it is called a decimal number."""

LIMITS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}

EXAMPLES = {"str": '"…"', "array": "[…]", "object": "{…}", "int": "1", "float": "1.0", "bool": "true"}

_PLACE = re.compile(r"(?P<text>.*) - at (?:`key` in )?`\$\.?(?P<path>.*)`", re.DOTALL)


def problem_text(error: msgspec.ValidationError, shape: Any, written: Mapping[str, str] = {}) -> str:
    """Return why data do not match `shape`, as a sentence: `gpus[1] must be a whole number, not a text.`

    `written`: the names of keys in the outermost table that differ from their fields (`{"command": "argv"}`).
    """
    text = _problem(error, shape, {field: key for key, field in written.items()})
    return text if text.endswith("?") else f"{text}."


def _problem(error: msgspec.ValidationError, shape: Any, keys: Mapping[str, str]) -> str:
    found = _PLACE.fullmatch(str(error))
    text, path = (found["text"], found["path"]) if found else (str(error), "")
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", text, re.DOTALL):
        known = [name if path else keys.get(name, name) for name, _ in _fields(shape, path)]
        hint = did_you_mean(unknown[1], known, f"known are {', '.join(known)}", quote='"')
        return f"unknown key {value_text(_inside(path, unknown[1]))}; {hint}"
    if missing := re.fullmatch(r"Object missing required field `(.*)`", text):
        kind = dict(_fields(shape, path)).get(missing[1], "str")
        return f'the key "{_inside(path, missing[1])}" is missing; write {missing[1]} = {EXAMPLES.get(kind, "…")}'
    top = re.split(r"[.\[]", path, maxsplit=1)[0]
    shown = keys.get(top, top) + path[len(top) :]
    where = f"a value of {shown.removesuffix('[...]')}" if shown.endswith("[...]") else shown or "it"
    if wrong := re.fullmatch(r"Expected `([^`]+)`, got `(\w+)`", text):
        wanted = [KINDS.get(kind, kind) for kind in wrong[1].split(" | ") if kind != "null"]
        return f"{where} must be {' or '.join(wanted)}, not {GIVEN.get(wrong[2], wrong[2])}"
    if limit := re.fullmatch(r"Expected `\w+` (>=|>|<=|<) (\S+?)(?:\.0)?", text):
        return f"{where} must be {LIMITS[limit[1]]} {limit[2]}"
    if length := re.fullmatch(r"Expected `array` of length (?:(>=|<=) )?(\d+)(?:, got (\d+))?", text):
        amount = f"{LIMITS[length[1]]} {length[2]}" if length[1] else length[2]
        return f"{where} must be a list of {amount}" + (f", not {length[3]}" if length[3] else "")
    if re.fullmatch(r"Expected `str` of length >= 1", text):
        return f"{where} must not be empty"
    if choice := re.fullmatch(r"Invalid enum value (.*)", text, re.DOTALL):
        known = [value_text(each) for each in _choices(shape, path)]
        given = value_text(choice[1][1:-1]) if choice[1].startswith("'") else choice[1]
        return f"{where} must be {' or '.join([', '.join(known[:-1]), *known[-1:]])}, not {given}"
    return f"{where}: {text[:1].lower()}{text[1:]}"


def _inside(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _fields(shape: Any, path: str) -> Iterator[tuple[str, str]]:
    """The valid keys of the table at `path`, each with the type of its value."""
    from msgspec import inspect

    for found in _reached(shape, path):
        if isinstance(found, inspect.StructType):
            yield from ((field.encode_name, _kind(field.type)) for field in found.fields)


def _choices(shape: Any, path: str) -> Iterator[Any]:
    from msgspec import inspect

    for found in _reached(shape, path):
        if isinstance(found, inspect.LiteralType):
            yield from found.values
        elif isinstance(found, inspect.EnumType):
            yield from (member.value for member in found.cls)


def _reached(shape: Any, path: str) -> list[Any]:
    """The valid types at a path such as `failures[2].cause`."""
    from msgspec import inspect

    reached = list(_alternatives(inspect.type_info(shape)))
    for name, index in re.findall(r"([^.\[\]]+)|\[([^\]]*)\]", path):
        inner: list[Any] = []
        for each in reached:
            if name and isinstance(each, inspect.StructType):
                inner += [field.type for field in each.fields if field.encode_name == name]
            elif index.isdigit() and isinstance(each, inspect.TupleType):
                inner += each.item_types[int(index) : int(index) + 1]
            elif index and isinstance(each, inspect.DictType):
                inner.append(each.value_type)
            elif index and hasattr(each, "item_type"):
                inner.append(each.item_type)
        reached = [found for each in inner for found in _alternatives(each)]
    return reached


def _alternatives(kind: Any) -> Iterator[Any]:
    from msgspec import inspect

    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from _alternatives(each)
    elif isinstance(kind, inspect.Metadata):
        yield from _alternatives(kind.type)
    else:
        yield kind


def _kind(kind: Any) -> str:
    from msgspec import inspect

    names: dict[type, str] = {
        inspect.StrType: "str",
        inspect.IntType: "int",
        inspect.FloatType: "float",
        inspect.BoolType: "bool",
        inspect.StructType: "object",
        inspect.DictType: "object",
    }
    first = next(_alternatives(kind))
    return names.get(type(first), "array" if hasattr(first, "item_type") or hasattr(first, "item_types") else "any")
