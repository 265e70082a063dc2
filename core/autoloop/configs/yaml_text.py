"""Parse a YAML config of one document into the values that PyYAML gives, with the position of each in the text.

ruamel.yaml tokenises the text. Its values are not used, because trainers read their configs as YAML 1.1 (PyYAML: `yes` is
true, `010` is 8) and ruamel.yaml as 1.2. There is one deliberate difference from PyYAML: `1e-5`, which PyYAML reads as a
string, is a number here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from autoloop.configs.paths import copied
from autoloop.configs.text import MAX_DEPTH, kind
from autoloop.model import Config, UserError

LARGEST = 200_000
"""Maximum number of values in a config, counting values repeated by aliases each time."""

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = {
    word: value
    for value, words in ((True, ("yes", "true", "on")), (False, ("no", "false", "off")))
    for each in words
    for word in (each, each.capitalize(), each.upper())
}
_INT = re.compile(r"[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_UNDOTTED = re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+")
_DOTTED = re.compile(r"[-+]?[0-9][0-9_]*\.[0-9_]*[eE][-+][0-9]+")
_PROPERTIES = re.compile(r"([&!][^\s,\[\]{}]*[ \t\r\n]*)+")
MERGE = "<<"
"""The key that merges the keys of other blocks."""
_TAG = "tag:yaml.org,2002:"


@dataclass
class Node:
    """A value in the text, from `start` to `end`. `at`: the start of its entry, at its key or dash."""

    start: int
    end: int
    at: int = 0
    value: Any = None
    keys: list[str] = field(default_factory=list)
    entries: list[Node] = field(default_factory=list)
    flow: bool = False
    """Written in brackets (flow style)."""
    style: str | None = None
    """The quote of a string, or `|` or `>`; None for a plain scalar."""
    alias: str | None = None
    anchor: str | None = None


def parse_yaml(text: str, source: str) -> Config:
    """The config in `text`. Raises UserError like `formats.parse_config`."""
    config: Config = root(text, source).value
    return config


def root(text: str, source: str) -> Node:
    """The top-level block of the document in `text`."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # ruamel.yaml reads the environment when it is imported

    text = text.removeprefix("\ufeff")
    try:
        return _Composer(text, source).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        why = " ".join((error.problem or "it cannot be read").split())
        raise UserError(f"{source}{where}: invalid YAML ({why}).") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{source}: invalid YAML ({' '.join(str(error).split())[:200]}).") from None


def plain_value(text: str) -> Any:
    """The value of a plain (unquoted) scalar. ValueError for a number that is not finite."""
    if _NULL.fullmatch(text):
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return _whole(text.replace("_", ""))
    if _FLOAT.fullmatch(text) and any(digit.isdigit() for digit in text):
        value = float(text.replace("_", ""))
        if not math.isfinite(value):
            raise ValueError(f"{text} is too large for a number; give a smaller one")
        return value
    if _NO_NUMBER.fullmatch(text):
        raise ValueError(f"{text} is not allowed in a config; use a finite number")
    return text


def ambiguous(text: str) -> list[str]:
    """The plain values that PyYAML reads differently from other parsers, as `line 3: lr: 1e-5`."""
    found: list[str] = []

    def look(node: Node, key: str) -> None:
        for name, entry in zip(node.keys or [""] * len(node.entries), node.entries, strict=False):
            look(entry, name or key)
        spelt = text[node.start : node.end]
        if node.entries or node.style or node.alias:
            return
        undotted = _UNDOTTED.fullmatch(spelt) and not _DOTTED.fullmatch(spelt)
        if undotted or _OCTAL.fullmatch(spelt) or _BASE_60.fullmatch(spelt):
            found.append(f"line {text.count(chr(10), 0, node.start) + 1}: {f'{key}: ' if key else ''}{spelt}")

    text = text.removeprefix("\ufeff")
    look(root(text, "config"), "")
    return found


def _whole(text: str) -> int:
    sign, digits = (-1 if text[0] == "-" else 1), text.lstrip("+-")
    base = (
        2 if digits.startswith("0b") else 16 if digits.startswith("0x") else 8 if digits[0] == "0" and digits != "0" else 10
    )
    return sign * int(digits, base)


class _Composer:
    """Builds nodes from the events of ruamel.yaml."""

    def __init__(self, text: str, source: str) -> None:
        from ruamel.yaml import YAML

        self.text, self.source = text, source
        self.events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))
        self.anchors: dict[str, Node | None] = {}
        self.sizes: dict[str, int] = {}
        self.size = 0

    def document(self) -> Node:
        found: Node | None = None
        for event in self.events:
            if type(event).__name__ == "DocumentStartEvent":
                if found is not None:
                    line = event.start_mark.line + 1
                    raise self._refused(f"a second document begins on line {line} (---); use one config per file")
                found = self._node(next(self.events), 0)
        if found is None or not isinstance(found.value, dict):
            what = "it is empty" if found is None or found.value is None else f"not {kind(found.value)}"
            raise self._refused(f"a config must be one block of keys (key: value), {what}".replace(", it", "; it"))
        return found

    def _refused(self, why: str, event: Any = None) -> UserError:
        mark = event.start_mark if event is not None else None
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        return UserError(f"{self.source}{where}: {why}.")

    def _node(self, event: Any, depth: int) -> Node:
        self.size += 1
        name = type(event).__name__
        if depth > MAX_DEPTH:
            raise self._refused(f"it is nested deeper than {MAX_DEPTH} levels; make it flatter")
        if name == "AliasEvent":
            return self._alias(event)
        before = self.size
        start, end = event.start_mark.index, event.end_mark.index
        properties = _PROPERTIES.match(self.text, start) if event.anchor or event.tag else None
        node = Node(start=min(properties.end(), end) if properties and name == "ScalarEvent" else start, end=end)
        node.anchor = event.anchor
        if node.anchor:
            self.anchors[node.anchor] = None  # not yet complete: it may not hold itself
        if name == "ScalarEvent":
            self._scalar(node, event)
        else:
            node.flow = bool(event.flow_style)
            if properties:
                node.start = properties.end()
            (self._mapping if name == "MappingStartEvent" else self._sequence)(node, depth)
        if node.anchor:
            self.anchors[node.anchor] = node
            self.sizes[node.anchor] = self.size - before + 1
        return node

    def _alias(self, event: Any) -> Node:
        anchored = self.anchors.get(event.anchor)
        if anchored is None:
            known = event.anchor in self.anchors
            why = (
                f"*{event.anchor} refers to a block that contains it" if known else f"*{event.anchor} has no earlier anchor"
            )
            raise self._refused(f"{why}; write the value out", event)
        self.size += self.sizes[event.anchor]
        if self.size > LARGEST:
            raise self._refused(f"its aliases expand to more than {LARGEST} values; write it without them")
        return Node(event.start_mark.index, event.end_mark.index, value=copied(anchored.value), alias=event.anchor)

    def _scalar(self, node: Node, event: Any) -> None:
        node.style = event.style or None
        node.end = node.start + len(self.text[node.start : node.end].rstrip())
        tag = str(event.tag or "").removeprefix(_TAG)
        try:
            plain = event.implicit[0] or tag in ("int", "float", "bool", "null")
            node.value = plain_value(event.value) if plain else event.value
        except ValueError as error:
            raise self._refused(str(error), event) from None
        if tag == "float" and isinstance(node.value, int):
            node.value = float(node.value)

    def _sequence(self, node: Node, depth: int) -> None:
        dash = re.compile(r"\s*(#[^\n]*\s*)*-")
        boundary = node.start
        while type(event := next(self.events)).__name__ != "SequenceEndEvent":
            entry = self._node(event, depth + 1)
            mark = None if node.flow else dash.match(self.text, boundary)
            entry.at = event.start_mark.index if mark is None else mark.end() - 1
            if mark and not self.text[entry.at + 1 : entry.end].strip():  # nothing after the dash
                entry.start = entry.end = entry.at + 1
            node.entries.append(entry)
            boundary = entry.end
        node.value = [entry.value for entry in node.entries]
        node.end = event.end_mark.index if node.flow else boundary

    def _mapping(self, node: Node, depth: int) -> None:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        end = node.start
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            if type(event).__name__ != "ScalarEvent":
                raise self._refused("a key must be a text or a number, not a list, a block or an alias", event)
            key, quoted = str(event.value), event.style is not None
            entry = self._node(next(self.events), depth + 1)
            entry.at = event.start_mark.index
            if entry.start == entry.end:  # a null without a word for it: it belongs after the colon
                colon = re.compile(r"\s*:").match(self.text, event.end_mark.index)
                entry.start = entry.end = colon.end() if colon else event.end_mark.index
            end = entry.end
            if key in node.keys:
                raise self._refused(f'the key "{key}" appears twice in one block; remove one', event)
            node.keys.append(key)
            node.entries.append(entry)
            if key != MERGE or quoted:
                own[key] = entry.value
                continue
            for block in entry.value if isinstance(entry.value, list) else [entry.value]:
                if not isinstance(block, dict):
                    raise self._refused("<< takes the keys of a block, or of a list of blocks", event)
                merged = {**copied(block), **merged}
        node.value = {**merged, **own}
        node.end = event.end_mark.index if node.flow else end
