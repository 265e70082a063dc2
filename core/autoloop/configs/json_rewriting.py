"""Change values in JSON text; everything else keeps its spelling.

Users compare a variant with its base by `diff`, so indentation, key order, escapes and the end of the file are preserved.
The text is scanned for the spans of its values, and only the spans that differ from the wanted config are replaced.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoloop.configs.text import as_yaml_reads, dump_config, dump_value, parse_json
from autoloop.model import Config, UserError

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"[^\s,\]}]+")
_LONGEST_LIST = 2000
"""Maximum length of a list that is aligned element by element after its length has changed; longer ones are rewritten."""

Splice = tuple[int, int, str]
"""Start, end, and the text that replaces this span."""


@dataclass
class _Node:
    """A value in the text. `at`: the start of its entry; for a member of an object, the start of its key."""

    at: int
    start: int
    end: int
    value: Any = None
    keys: list[str] = field(default_factory=list)
    entries: list[_Node] = field(default_factory=list)


def rewrite_json(text: str, wanted: Config) -> str:
    """The JSON text `text`, changed so that it parses as `wanted`.

    Floats that YAML 1.1 would read as strings are respelt (`1e-05` as `1.0e-05`), and a byte order mark is removed.
    Everything else that does not differ stays byte for byte the same.
    """
    text = as_yaml_reads(text.removeprefix("\ufeff"))
    root = _scan(text, _after_space(text, 0))
    style = _Style(text, root)
    parts: list[str] = []
    done = 0
    for start, end, new in sorted(style.splices(root, wanted), key=lambda splice: splice[:2]):
        parts += text[done:start], new
        done = end
    result = "".join([*parts, text[done:]])
    return result if _reads_as(result, wanted) else dump_config(wanted)


def _reads_as(text: str, wanted: Config) -> bool:
    """Final check: even if the scanner misreads unusual text, the launched config is the wanted one."""
    try:
        return exactly(parse_json(text, "config"), wanted) and bool(text.encode())
    except (UserError, UnicodeEncodeError):
        return False


def exactly(a: Any, b: Any) -> bool:
    """Whether two JSON values are equal and of the same types: 10 and 10.0 are not."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(exactly(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(exactly, a, b))
    return type(a) is type(b) and bool(a == b)


# ------------------------------------------------------------------------------------------------------- scanning


def _scan(text: str, at: int, start: int | None = None) -> _Node:
    """Scan the value at `start` in valid JSON text; its entry begins at `at`."""
    start = at if start is None else start
    node = _Node(at, start, start)
    opening = text[start]
    if opening in "{[":
        where = _after_space(text, start + 1)
        while text[where] not in "}]":
            entry = where
            if opening == "{":
                key = _match(_STRING, text, where)
                node.keys.append(json.loads(key))
                where = _after_space(text, _after_space(text, where + len(key)) + 1)  # past the colon
            child = _scan(text, entry, where)
            node.entries.append(child)
            where = _after_space(text, child.end)
            if text[where] == ",":
                where = _after_space(text, where + 1)
        node.end = where + 1
        values = [child.value for child in node.entries]
        node.value = dict(zip(node.keys, values, strict=True)) if opening == "{" else values
    else:
        word = _match(_STRING if opening == '"' else _SCALAR, text, start)
        node.end, node.value = start + len(word), json.loads(word)
    return node


def _after_space(text: str, at: int) -> int:
    return at + len(_match(_SPACE, text, at))


def _match(pattern: re.Pattern[str], text: str, at: int) -> str:
    found = pattern.match(text, at)
    return found[0] if found else ""


# -------------------------------------------------------------------------------------------------------- writing


class _Style:
    """How a text is laid out, so that new values look like their neighbours."""

    def __init__(self, text: str, root: _Node) -> None:
        self.text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        first = next(iter(root.entries), None)
        before = text[root.start + 1 : first.at] if first else "\n    "
        self.indent = before.rpartition("\n")[2] if "\n" in before else None
        gap = re.compile(r"[ \t]*:[ \t]*")
        colon = _match(gap, text, first.at + len(_match(_STRING, text, first.at))) if first else ": "
        self.colon = colon or ": "
        self.comma = "," if self.colon == ":" else ", "

    def splices(self, node: _Node, wanted: Any) -> Iterator[Splice]:
        """The replacements below `node` that make it parse as `wanted`."""
        if isinstance(node.value, dict) and isinstance(wanted, dict):
            kept = [index for index, key in enumerate(node.keys) if key in wanted]
            order: list[tuple[int | None, str | None, Any]] = [(i, None, wanted[node.keys[i]]) for i in kept]
            order += [(None, key, value) for key, value in wanted.items() if key not in node.value]
            yield from self._entries(node, order, wanted)
        elif isinstance(node.value, list) and isinstance(wanted, list) and comparable(node.value, wanted):
            yield from self._entries(node, list(aligned(node.value, wanted)), wanted)
        elif not exactly(node.value, wanted):
            yield node.start, node.end, self._written(wanted, node)

    def _entries(self, node: _Node, order: Sequence[tuple[int | None, str | None, Any]], wanted: Any) -> Iterator[Splice]:
        """`order`: the wanted entries of `node`: (index of an existing entry or None, key of a new entry, value)."""
        kept = [index for index, _, _ in order if index is not None]
        if not kept:
            if order or node.entries:
                yield node.start, node.end, self._written(wanted, node)
            return
        previous: _Node | None = None
        separator, inline = self._separator(node), "\n" not in self.text[node.start : node.end]
        for index, key, value in order:
            if index is not None:
                previous = node.entries[index]
                yield from self.splices(previous, value)
                continue
            name = "" if key is None else dump_value(key) + self.colon
            new = name + self._written(value, previous or node.entries[kept[0]], inline)
            if previous is None:
                first = node.entries[kept[0]].at
                yield first, first, f"{new},{separator}"
            else:
                yield previous.end, previous.end, f",{separator}{new}"
        for index, entry in enumerate(node.entries[: kept[-1]]):
            if index not in kept:
                yield entry.at, node.entries[index + 1].at, ""
        if kept[-1] + 1 < len(node.entries):
            yield node.entries[kept[-1]].end, node.entries[-1].end, ""

    def _separator(self, node: _Node) -> str:
        """The text between a comma and the next entry of `node`."""
        if len(node.entries) > 1:
            last = node.entries[-1].at
            return self.text[self.text.rindex(",", 0, last) + 1 : last]
        before = self.text[node.start + 1 : node.entries[0].at]
        return before if "\n" in before else self.comma[1:]

    def _written(self, value: Any, place: _Node, inline: bool | None = None) -> str:
        """`value` as text, to replace `place` or go next to it. `inline`: on one line; by default as the replaced value."""
        if inline is None:
            inline = bool(place.entries) and "\n" not in self.text[place.start : place.end]
        block = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict | list) for v in value))
        if not value or not block or self.indent is None or inline:
            return dump_value(value, separators=(self.comma, self.colon))
        line = self.text[self.text.rfind("\n", 0, place.at) + 1 : place.at]
        margin = line[: len(line) - len(line.lstrip(" \t"))]
        lines = dump_value(value, indent=self.indent or 4, separators=(",", self.colon)).split("\n")
        return f"{self.newline}{margin}".join(lines)


def comparable(before: list[Any], after: list[Any]) -> bool:
    return len(before) == len(after) or max(len(before), len(after)) <= _LONGEST_LIST


def aligned(before: list[Any], after: list[Any]) -> Iterator[tuple[int | None, None, Any]]:
    """Map the elements after a change to those before: by position if the length is equal, otherwise by equality."""
    if len(before) == len(after):
        yield from ((index, None, value) for index, value in enumerate(after))
        return
    texts = [[json.dumps(value, sort_keys=True) for value in side] for side in (before, after)]
    for _, i, i_end, j, j_end in difflib.SequenceMatcher(None, texts[0], texts[1], autojunk=False).get_opcodes():
        for offset in range(j_end - j):
            yield (i + offset if i + offset < i_end else None), None, after[j + offset]
