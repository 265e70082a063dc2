"""Edits: parse `path@op=value` and resolve it to changes.

Everything is resolved to (path, before, after) on a copy before anything is written, so a failed edit has no effect and the
user sees exactly the places that would change.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from autoloop.configs.fields import FieldTypes, default_fields
from autoloop.configs.paths import (
    DELETED,
    Keys,
    copied,
    exists,
    get,
    near_sibling,
    nearest,
    places,
    places_to_set,
    put,
    split,
    why_no_match,
    without_deleted,
    written,
)
from autoloop.configs.text import MAX_DEPTH, is_number, kind, parse_value
from autoloop.model import Change, Config, UserError
from autoloop.text.suggest import did_you_mean

OPS = ("set", "new", "mul", "add", "min", "max", "del")
SETTING = ("set", "new")

_WORDS = {"true": "true", "false": "false", "none": "null", "null": "null"}
"""JSON spellings of words that Python and YAML spell differently."""

_LONGEST_PATH = 1000
_LONGEST_EXACT = 2**53
"""Every integer up to this one is exactly representable as a float."""
_BEFORE_EQUALS = re.compile(r"((?:\\.|[^\\=])*)=(.*)", re.DOTALL)
_BEFORE_AT = re.compile(r"((?:\\.|[^\\@])*)@(.*)", re.DOTALL)
_LONE_STAR = re.compile(r"(?:\\.|[^\\*])*\*", re.DOTALL)
_DECIMAL = Context(prec=40)


@dataclass(frozen=True)
class Edit:
    """One parsed edit. `path`: its segments as written, `*` for every element or key. `op`: one of OPS.

    `value`: JSON data for set and new, None for del, a finite number for the other ops. `text`: the edit as given.
    """

    path: tuple[str, ...]
    op: str
    value: Any
    text: str


def parse_edit(text: str) -> Edit:
    """Parse `path@op=value`, `path=value` (same as set), or `path@del`.

    The value is parsed as JSON (`true`, `null`, `[0,8]`, `1e-4`, `"text"`); if it is not JSON it is the text itself. Text
    that looks like misspelt JSON (`False`, `.5`, `[1,2`) is refused unless it is in double quotes. In the path, a backslash
    escapes `.`, `*`, `@` and `=`. Raises UserError.
    """
    text = text.strip()
    shown = text if len(text) <= 120 else text[:117] + "…"
    parts = _BEFORE_EQUALS.fullmatch(text)
    deleting = _BEFORE_AT.fullmatch(text)
    if parts is None and (deleting is None or deleting[2].strip() != "del"):
        raise UserError(
            f'"{shown}" is not an edit: write path=value, path@op=value with op one of {", ".join(OPS[:-1])}, or path@del.'
        )
    left, value_text = (parts[1].strip(), parts[2].strip()) if parts else (text, "")
    op = "set"
    if at := _BEFORE_AT.fullmatch(left):
        left, op = at[1].strip(), at[2].strip()
    if op not in OPS:
        hint = did_you_mean(op[:20], OPS, f"use one of {', '.join(OPS)}.", quote='"')
        raise UserError(f'In the edit "{shown}" the operation "{op[:20]}" is unknown; {hint}')
    path = split(left)
    if not all(path) or len(left) > _LONGEST_PATH or len(path) > MAX_DEPTH:
        why = "has an empty part" if not all(path) else "is too long"
        raise UserError(f'In the edit "{shown}" the path {why}; write keys joined by dots, as in ot.loss_config.reg.')
    if bad := next((segment for segment in path if segment != "*" and _LONE_STAR.match(segment)), None):
        raise UserError(f'In the edit "{shown}" the * in "{bad}" must stand alone between dots; it matches every key.')
    if op == "del":
        if parts is not None:
            raise UserError(f'The edit "{shown}" deletes, so it cannot have a value; write {left}@del.')
        return Edit(path, op, None, text)
    if not value_text:
        raise UserError(f'The edit "{shown}" has no value after "="; write "" (with the quotes) for an empty text.')
    try:
        value = parse_value(value_text)
    except ValueError as error:
        raise UserError(f'The edit "{shown}" is invalid: {error}.') from None
    if value == value_text and (meant := _misspelt(value_text)):
        quoted = json.dumps(value_text[:60], ensure_ascii=False)
        raise UserError(
            f'In the edit "{shown}" the value is not JSON: write {meant}; if you mean the text itself, put it in double '
            f"quotes: {quoted}."
        )
    if op not in SETTING and not is_number(value):
        raise UserError(f'The edit "{shown}" needs a number after "=", because {op} is arithmetic, but has {kind(value)}.')
    return Edit(path, op, value, text)


def split_edit(text: str) -> tuple[str, str] | None:
    """The path (with its operation) and the value as text; None for an edit without a value."""
    parts = _BEFORE_EQUALS.fullmatch(text.strip())
    return (parts[1].strip(), parts[2].strip()) if parts else None


def _misspelt(text: str) -> str | None:
    """The JSON spelling of what the text seems to mean; None if it does not look like misspelt JSON."""
    if word := _WORDS.get(text.casefold()):
        return word
    if text[0] in "[{(":
        return 'a list as [1, 2] and a block as {"key": 1}'
    if text[0] in "'\"":
        return "it between two double quotes"
    try:
        number = float(text) if "x" not in text.casefold() else float(int(text, 0))
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number):
        return "a finite number"
    return json.dumps(int(number) if number.is_integer() and "." not in text and abs(number) < 1e15 else number)


def parse_edits(texts: Iterable[str]) -> list[Edit]:
    """Parse each text with `parse_edit`. Raises UserError at the first invalid one."""
    return [parse_edit(text) for text in texts]


def edits_from_mapping(changes: Mapping[str, Any]) -> list[str]:
    """The edit texts for `{"path@op": value}`, the form that Python rules return; the value of `path@del` is None.

    Raises UserError.
    """
    texts = []
    for key, value in changes.items():
        if not isinstance(key, str):
            raise UserError(f'The change "{key}" has no text for a key; write it as "path@op": value.')
        if value is None and (at := _BEFORE_AT.fullmatch(key)) and at[2].strip() == "del":
            texts.append(key)
            continue
        try:
            texts.append(f"{key}={json.dumps(value, ensure_ascii=False, allow_nan=False)}")
        except (TypeError, ValueError, RecursionError):
            raise UserError(
                f'The change "{key}" has a value that a config cannot hold ({str(value)[:60]}); '
                "give a finite number, a text, true/false, None, a list or a dict."
            ) from None
    return texts


def edits_as_mapping(edits: Sequence[str]) -> dict[str, Any]:
    """Edit texts as `{"path@op": value}`; f"{key}={value}" is an edit again."""
    return {f"{'.'.join(edit.path)}@{edit.op}": edit.value for edit in map(parse_edit, edits)}


def resolve(config: Config, edits: Iterable[Edit], fields: FieldTypes | None = None) -> list[Change]:
    """Every place that the edits change, with its value before and after; `config` itself is not modified.

    An edit sees the results of the edits before it. Edits of the same place, or of places inside one another, give one
    change from the original value to the final one. A change to the same value is kept here; the guards drop it with a note.

    * `set` may create a key (with its parents): `created`, with a note that names the nearest existing key. A name very
      similar to a sibling key is refused as a probable typo; `new` is a `set` that creates it anyway. Both may turn a scalar
      into a list or block, text into a number or true/false, anything into null and null into anything. Any other change of
      type is an error, so that a typo cannot erase a block.
    * `del` deletes a key or a list element. The indices of the other elements stay the same for all edits given together.
    * `mul`, `add`, `min` and `max` need an existing number. `max` gives the larger of the two numbers, `min` the smaller.
      Under a `*`, blocks that lack the key are skipped with a note, as long as at least one has it.
    * Arithmetic is decimal: 0.1 times 1.5 is 0.15, so equal configs compare equal regardless of the edits that led to them.
    * An integer that replaces a float becomes a float: `lr=1` gives 1.0.
    * A number in an integer field (`fields`) is rounded to an integer, halves up, with a note if that changed it. In any
      other field that holds an int, an integral result stays an int, which every trainer accepts there; a fractional one
      gets a note.

    Raises UserError that names the edit: no match (with the nearest path), index out of range, wrong type, a result that
    is not finite.
    """
    fields = default_fields() if fields is None else fields
    result = copied(config)
    touched: dict[Keys, list[str]] = {}
    for edit in edits:
        outcomes = _outcomes(result, edit, fields)
        for keys, after, notes in outcomes:
            put(result, keys, after)
            touched.setdefault(keys, []).extend(notes)
    changes = []
    for keys, notes in _outermost(touched).items():
        was, is_ = exists(config, keys), exists(result, keys)
        if was or is_:  # skip a key that one edit created and another deleted
            changes.append(
                Change(
                    path=written(keys),
                    before=copied(get(config, keys)) if was else None,
                    after=without_deleted(get(result, keys)) if is_ else None,
                    created=not was,
                    removed=not is_,
                    note="; ".join(dict.fromkeys(notes)) or None,
                )
            )
    return changes


def _outermost(touched: dict[Keys, list[str]]) -> dict[Keys, list[str]]:
    """The outermost written places, each with the notes on all places inside it."""
    outermost: dict[Keys, list[str]] = {}
    for keys, notes in touched.items():
        outer = next(keys[:width] for width in range(1, len(keys) + 1) if keys[:width] in touched)
        outermost.setdefault(outer, []).extend(notes)
    return outermost


def _outcomes(config: Config, edit: Edit, fields: FieldTypes) -> list[tuple[Keys, Any, list[str]]]:
    """(place, value after, notes) for every match of one edit; writes nothing."""
    found = (places_to_set if edit.op in SETTING else places)(config, edit.path)
    if not found:
        raise UserError(f'The edit "{edit.text}" matches nothing: {why_no_match(config, edit.path)}.')
    outcomes = []
    for keys in found:
        notes: list[str] = []
        if edit.op == "del":
            outcomes.append((keys, DELETED, notes))
            continue
        if edit.op in SETTING:
            keys, after = _set(config, edit, keys, notes)
        else:
            after = _calculated(edit, keys, get(config, keys))
        before = get(config, keys) if exists(config, keys) else None
        after, rounded = fields.fitted(keys, after, before)  # also copies: one edit may write its value to many places
        outcomes.append((keys, _as_before(before, after, keys, fields, notes), notes + rounded))
    if edit.op not in SETTING and "*" in edit.path:
        outcomes[0][2].extend(_passed_over(config, edit.path, found))
    return outcomes


def _as_before(before: Any, after: Any, keys: Keys, fields: FieldTypes, notes: list[str]) -> Any:
    """`after` as an int or float like `before` if possible, because a trainer may insist on the type of its default."""
    if isinstance(before, int) and is_number(before) and isinstance(after, float):
        if after.is_integer():
            return int(after)
        where = "under [fields], integers, in autoloop.toml"
        notes.append(f"{written(keys)} was a whole number ({before}); if it must stay one, declare it {where}")
    if isinstance(before, float) and is_number(after) and not fields.is_integer(keys) and abs(after) <= _LONGEST_EXACT:
        return float(after)
    return after


def _set(config: Config, edit: Edit, keys: Keys, notes: list[str]) -> tuple[Keys, Any]:
    after = edit.value
    if exists(config, keys):
        before = get(config, keys)
        _check_kinds(edit, keys, before, after, notes)
        return keys, after
    if edit.op == "set":
        _refuse_slip(config, edit, keys)
    near = nearest(config, [written((key,)) for key in keys])
    hint = f"the nearest existing one is {near}" if near else "no existing key has a similar name"
    notes.append(f"{written(keys)} is a new key ({hint})")
    for i in range(len(keys) - 1, 0, -1):  # if a parent is null, the change is there: it becomes a block
        if exists(config, keys[:i]):
            if get(config, keys[:i]) is None:
                for key in reversed(keys[i:]):
                    after = {key: after}
                return keys[:i], after
            break
    return keys, after


def _refuse_slip(config: Config, edit: Edit, keys: Keys) -> None:
    """UserError for a new key with a name very similar to a sibling's: the trainer would ignore it or fail on it."""
    width = next(width for width in range(1, len(keys) + 1) if not exists(config, keys[:width]))
    beside = near_sibling(get(config, keys[: width - 1]), str(keys[width - 1]))
    if beside is not None:
        raise UserError(
            f'The edit "{edit.text}" would create a new key {written(keys[:width])}, but '
            f"{written((*keys[: width - 1], beside))} exists; to create the new one, write {'.'.join(edit.path)}@new="
            f"{json.dumps(edit.value, ensure_ascii=False)[:80]}."
        )


def _check_kinds(edit: Edit, keys: Keys, before: Any, after: Any, notes: list[str]) -> None:
    was, now = kind(before), kind(after)
    if was == now or before is None:
        return
    if isinstance(before, str) and not isinstance(after, list | dict | None):
        text = json.dumps(before[:40], ensure_ascii=False)
        notes.append(f"{written(keys)} was the text {text} and becomes {now}; text is written in double quotes")
    elif after is None:
        notes.append(f"{written(keys)} becomes null: the trainer must accept that")
    elif not isinstance(before, list | dict) and isinstance(after, list | dict):
        notes.append(f"{written(keys)} was {was} and becomes {now}")
    else:
        advice = "give a value of the same kind"
        if isinstance(before, bool):
            advice = "write true or false"
        elif isinstance(before, dict):
            advice = "name a key inside it"
        raise UserError(f'The edit "{edit.text}" would turn {written(keys)} from {was} into {now}; {advice}.')


def _calculated(edit: Edit, keys: Keys, before: Any) -> int | float:
    if not is_number(before):
        shown = "null" if before is None else f"{kind(before)} ({str(before)[:40]})"
        advice = f"; set one first: {written(keys)}=NUMBER" if before is None or isinstance(before, str) else ""
        raise UserError(f'The edit "{edit.text}" needs a number at {written(keys)}, and there is {shown}{advice}.')
    value: int | float = edit.value
    after: int | float
    if edit.op in ("min", "max"):
        after = min(before, value) if edit.op == "min" else max(before, value)
    elif isinstance(before, int) and isinstance(value, int):
        after = before * value if edit.op == "mul" else before + value
    else:
        a, b = Decimal(repr(before)), Decimal(repr(value))
        after = float(_DECIMAL.multiply(a, b) if edit.op == "mul" else _DECIMAL.add(a, b))
    if not abs(after) <= sys.float_info.max:
        raise UserError(f'The edit "{edit.text}" gives a number too large to store at {written(keys)}.')
    return after


def _passed_over(config: Config, path: Sequence[str], found: list[Keys]) -> list[str]:
    """A note naming the blocks under the last `*` that lack the key."""
    width = max(i for i, segment in enumerate(path) if segment == "*") + 1
    blocks = [keys for keys in places(config, path[:width]) if isinstance(get(config, keys), dict)]
    without = [keys for keys in blocks if not any(place[: len(keys)] == keys for place in found)]
    if not without or width == len(path):
        return []
    names = ", ".join(written(keys) for keys in without[:3]) + (" …" if len(without) > 3 else "")
    verb = "has" if len(without) == 1 else "have"
    return [f"{names} {verb} no {'.'.join(path[width:])} and stay{'s' if len(without) == 1 else ''} as before"]
