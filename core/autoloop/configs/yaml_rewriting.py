"""Change values in YAML text; everything else stays byte for byte the same, including comments and layout.

As with JSON, only the spans of the text that differ from the wanted config are replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from autoloop.configs.json_rewriting import aligned, comparable, exactly
from autoloop.configs.text import dump_value
from autoloop.configs.yaml_text import Node, parse_yaml, plain_value, root
from autoloop.model import Config, UserError

Splice = tuple[int, int, str]
"""Start, end, and the text that replaces this span."""

_PLAIN = re.compile(r"[^\W\d][\w./+=@%-]*( [\w./+=@%-]+)*|[./][\w./+=@%-]+")
_UNPRINTABLE = re.compile(r"[\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\u2028\u2029\x85]")
_BOOLS_OF_SOME = frozenset({"y", "n"})


def rewrite_yaml(text: str, wanted: Config) -> str:
    """The YAML text `text`, changed so that it parses as `wanted`; an empty text is written from scratch."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        return "".join(f"{line}\n" for line in block_lines(wanted, "")) or "{}\n"
    writer = _Writer(text, root(text, "config"), wanted)
    parts: list[str] = []
    done = 0
    for start, end, new in sorted(writer.splices(writer.root, wanted), key=lambda splice: splice[:2]):
        parts += text[done:start], new
        done = max(done, end)
    result = "".join([*parts, text[done:]])
    return result if _reads_as(result, wanted) else rewrite_yaml("", wanted)


def _reads_as(text: str, wanted: Config) -> bool:
    try:
        return exactly(parse_yaml(text, "config"), wanted)
    except UserError:
        return False


# -------------------------------------------------------------------------------------------------------- spelling


def scalar(value: Any, quote: str | None = None) -> str:
    """A scalar, spelt so that YAML 1.1 and 1.2 read it alike. `quote`: the quote of the text that it replaces."""
    if not isinstance(value, str):
        return dump_value(value)
    if quote == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if quote is None and _PLAIN.fullmatch(value) and value.lower() not in _BOOLS_OF_SOME and _is_text(value):
        return value
    quoted = dump_value(value)
    return _UNPRINTABLE.sub(lambda match: json.dumps(match[0])[1:-1], quoted)


def _is_text(word: str) -> bool:
    try:
        return isinstance(plain_value(word), str)
    except ValueError:
        return False


def inline(value: Any, quote: str | None = None) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {inline(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return scalar(value, quote)


def block_lines(block: dict[str, Any], margin: str, step: str = "  ") -> Iterator[str]:
    """A block as lines; inner blocks are indented by `step`."""
    for key, value in block.items():
        if isinstance(value, dict) and value:
            yield f"{margin}{scalar(key)}:"
            yield from block_lines(value, margin + step, step)
        else:
            yield f"{margin}{scalar(key)}: {inline(value)}"


# --------------------------------------------------------------------------------------------------------- writing


class _Writer:
    def __init__(self, text: str, top: Node, wanted: Config) -> None:
        self.text, self.root = text, top
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.moved: set[str] = set()
        """Anchors on values that change: their aliases must be written out to keep the old value."""
        self._find_moved(top, wanted, True)
        indents = [len(match) for match in re.findall(r"^( +)\S", text, re.MULTILINE)]
        self.step = " " * (min(indents, default=2))

    def _find_moved(self, node: Node, wanted: Any, there: bool) -> None:
        if node.anchor and not (there and exactly(node.value, wanted)):
            self.moved.add(node.anchor)
        for index, entry in enumerate(node.entries):
            key: Any = node.keys[index] if node.keys else index
            try:
                self._find_moved(entry, wanted[key], there)
            except (KeyError, IndexError, TypeError):
                self._find_moved(entry, None, False)

    def splices(self, node: Node, wanted: Any) -> Iterator[Splice]:
        """The replacements below `node` that make it parse as `wanted`."""
        if exactly(node.value, wanted) and node.alias not in self.moved and not self._holds_moved(node):
            return
        if node.alias is None and isinstance(node.value, dict) and isinstance(wanted, dict) and node.entries:
            yield from self._mapping(node, wanted)
        elif (
            node.alias is None
            and isinstance(node.value, list)
            and isinstance(wanted, list)
            and comparable(node.value, wanted)
        ):
            order = [(index, "", value) for index, _, value in aligned(node.value, wanted)]
            if all(index is None for index, _, _ in order):
                yield self._replaced(node, wanted)
            else:
                yield from self._entries(node, order)
        else:
            yield self._replaced(node, wanted)

    def _holds_moved(self, node: Node) -> bool:
        return bool(self.moved) and any(entry.alias in self.moved or self._holds_moved(entry) for entry in node.entries)

    def _mapping(self, node: Node, wanted: dict[str, Any]) -> Iterator[Splice]:
        order: list[tuple[int | None, str, Any]] = []
        for index, key in enumerate(node.keys):
            if key in wanted:
                order.append((index, "", wanted[key]))
            elif key not in node.value:  # a merge key stays, with the old value if its anchor changes
                order.append((index, "", node.entries[index].value))
        inherited = {key: value for key, value in node.value.items() if key not in node.keys}
        for key, value in wanted.items():
            if key not in node.keys and not (key in inherited and exactly(inherited[key], value)):
                order.append((None, f"{scalar(key)}: ", value))
        if all(index is None for index, _, _ in order):
            yield self._replaced(node, wanted)
        else:
            yield from self._entries(node, order)

    def _replaced(self, node: Node, wanted: Any) -> Splice:
        new = inline(wanted, None if node.style in ("|", ">") else node.style)
        if node.start == node.end or self.text[node.start - 1 : node.start] in (":", "-"):  # an empty null
            return node.start, node.end, f" {new}"
        return node.start, node.end, new

    def _entries(self, node: Node, order: Sequence[tuple[int | None, str, Any]]) -> Iterator[Splice]:
        """`order`: the wanted entries of `node`: (index of an existing entry or None, text before a new entry's value,
        value)."""
        kept = [index for index, _, _ in order if index is not None]
        previous: Node | None = None
        for index, words, value in order:
            if index is not None:
                previous = node.entries[index]
                yield from self.splices(previous, value)
            elif node.flow:
                where = previous.end if previous else node.entries[kept[0]].at
                new = f"{words}{inline(value)}"
                yield where, where, f", {new}" if previous else f"{new}, "
            else:
                yield self._new_lines(node, previous, node.entries[kept[0]], words, value)
        yield from self._removed(node, kept)

    def _new_lines(self, node: Node, previous: Node | None, first: Node, words: str, value: Any) -> Splice:
        """A new entry of a block, after `previous` or before the `first` one."""
        margin = self._margin(first.at)
        if not node.keys:
            lines = [f"- {inline(value)}"]
        elif isinstance(value, dict) and value:
            lines = [f"{words.rstrip()}", *block_lines(value, margin + self.step, self.step)]
        else:
            lines = [f"{words}{inline(value)}"]
        new = self.newline.join(lines)
        if previous is None:
            return first.at, first.at, f"{new}{self.newline}{margin}"
        at = self._line_end(previous.end)
        return at, at, f"{self.newline}{margin}{new}"

    def _removed(self, node: Node, kept: Sequence[int]) -> Iterator[Splice]:
        for index, entry in enumerate(node.entries):
            if index in kept:
                continue
            following = node.entries[index + 1] if index + 1 < len(node.entries) else None
            line = self.text.rfind("\n", 0, entry.at) + 1
            if node.flow or self.text[line : entry.at].strip():
                if following is not None:
                    yield entry.at, following.at, ""
                elif node.flow:
                    last = node.entries[kept[-1]]
                    yield last.end, entry.end, ""
                else:
                    yield entry.at, self._line_end(entry.end), ""
            else:
                end = self._line_end(entry.end)
                after = self.text.find("\n", end) + 1
                yield (line, after, "") if after else (max(0, line - 1), len(self.text), "")

    def _margin(self, at: int) -> str:
        """The indentation of an entry, as spaces; a dash before it counts as a space."""
        line = self.text[self.text.rfind("\n", 0, at) + 1 : at]
        return re.sub(r"\S", " ", line)

    def _line_end(self, at: int) -> int:
        end = self.text.find("\n", at)
        end = len(self.text) if end < 0 else end
        return end - 1 if self.text[end - 1 : end] == "\r" and end > at else end
