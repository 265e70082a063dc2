"""Parse and write configs as JSON, and parse the JSON value of an edit.

Stricter than the `json` module, because everything accepted here is launched: no duplicate keys, no NaN or Infinity.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from autoloop.model import Config, UserError

MAX_DEPTH = 64
"""Maximum nesting of a config or value: far above any real config, far below Python's recursion limit."""

_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|(-?\d+)(\.\d+)?(?:([eE])([+-]?)(\d+))', re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)|[{}\[\],:]|-?\d[\d.eE+-]*', re.DOTALL)


class _RefusedError(Exception):
    """Accepted by the json module, but not here. `token`: the number or key at fault."""

    def __init__(self, why: str, token: str, is_key: bool = False) -> None:
        super().__init__(why)
        self.why, self.token, self.is_key = why, token, is_key


def parse_json(text: str, source: str) -> Config:
    """The config in `text`; errors name `source`, usually a path.

    Raises UserError with line and column for invalid JSON, a duplicate key, NaN or Infinity, and if the top level is not an
    object.
    """
    text = text.removeprefix("\ufeff")
    try:
        config = _load(text)
    except json.JSONDecodeError as error:
        why = error.msg[:1].lower() + error.msg[1:]
        raise UserError(f"{source}, line {error.lineno}, column {error.colno}: invalid JSON ({why}).") from None
    except _RefusedError as refused:
        line, column = _locate(text, refused)
        raise UserError(f"{source}, line {line}, column {column}: {refused.why}.") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{source}: {_sizes(error)}.") from None
    if not isinstance(config, dict):
        raise UserError(f'{source}: a config must be one JSON object ({{"key": value, …}}), not {kind(config)}.')
    if depth(config) > MAX_DEPTH:
        raise UserError(f"{source}: it is nested deeper than {MAX_DEPTH} levels; make it flatter.")
    return config


def parse_value(text: str) -> Any:
    """The value of an edit: parsed if it is JSON, otherwise the text itself. Raises ValueError with a reason."""
    try:
        value = _load(text)
    except json.JSONDecodeError:
        return text
    except _RefusedError as refused:
        raise ValueError(refused.why) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(_sizes(error)) from None
    if depth(value) > MAX_DEPTH:
        raise ValueError(f"the value is nested deeper than {MAX_DEPTH} levels")
    return value


def dump_config(config: Config) -> str:
    """JSON with keys in the config's order, an indent of 4 spaces, integers as integers and a final newline.

    Raises UserError for values that JSON cannot express (NaN, Infinity, Python objects).
    """
    return dump_value(config, indent=4) + "\n"


def dump_value(value: Any, indent: int | str | None = None, separators: tuple[str, str] | None = None) -> str:
    """JSON data as text, with floats spelt so that YAML reads them as numbers too. Raises UserError like `dump_config`."""
    try:
        text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair: only the escaped form can be written to a file
        text = json.dumps(value, indent=indent, separators=separators, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"The config cannot be written as JSON ({error}); use finite numbers and texts.") from None
    return as_yaml_reads(text)


def as_yaml_reads(text: str) -> str:
    """JSON text with floats respelt so that YAML 1.1 reads them as numbers too: it requires a dot and a signed exponent.
    `1e-05` is a string there, and a trainer that reads its config with PyYAML fails on it; `1.0e-05` is a number in both."""

    def respelt(match: re.Match[str]) -> str:
        whole, fraction, e, sign, exponent = match.groups()
        return match[0] if whole is None else f"{whole}{fraction or '.0'}{e}{sign or '+'}{exponent}"

    return _NUMBER.sub(respelt, text)


def kind(value: Any) -> str:
    """The kind of a value, as named in messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "a block"


def is_number(value: Any) -> bool:
    """True for int and float; a bool is not a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def depth(value: Any) -> int:
    """Levels of nesting: 0 for a scalar, 1 for a flat list or object."""
    level, layer = 0, [value]
    while layer := [v for v in layer if isinstance(v, dict | list)]:
        level += 1
        layer = [child for v in layer for child in (v.values() if isinstance(v, dict) else v)]
    return level


def _load(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        why = f"the key {json.dumps(twice, ensure_ascii=False)} appears twice in one object; remove one"
        raise _RefusedError(why, twice, is_key=True)
    return result


def _constant(token: str) -> Any:
    raise _RefusedError(f"{token} is not allowed in a config; use a finite number", token)


def _float(token: str) -> float:
    value = float(token)
    if not math.isfinite(value):
        raise _RefusedError(f"{token} is too large for a number; give a smaller one", token)
    return value


def _sizes(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"it is nested deeper than {MAX_DEPTH} levels"
    return "a whole number in it has too many digits"


def _locate(text: str, refused: _RefusedError) -> tuple[int, int]:
    """Line and column of the refused number, or of the second appearance of the refused key in its object."""
    seen: list[set[str]] = []
    at = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in "{[":
            seen.append(set())
        elif token in "}]" and seen:
            seen.pop()
        elif refused.is_key and token[0] == '"' and seen and text[match.end() :].lstrip(" \t\r\n")[:1] == ":":
            key = json.loads(token)
            if key == refused.token and key in seen[-1]:
                at = match.start()
                break
            seen[-1].add(key)
        elif not refused.is_key and token == refused.token:
            at = match.start()
            break
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
