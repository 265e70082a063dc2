"""The rows of one W&B log: HistoryRecords -> columns.

wandb writes a row's items in an order of its own each time, so that no two rows need have the same bytes but in their items.
"""

from __future__ import annotations

import re
from array import array
from collections import deque
from collections.abc import Sequence

import msgspec

from autoloop.metric_readers.columns import MAX_KEYS, Columns, as_step, numbers
from autoloop.metric_readers.json_value import decoded
from autoloop.metric_readers.protobuf import fields, read_field, signed

VALUE = b"\x82\x01"
"""The tag of HistoryItem.value_json."""

# `0a LEN HEAD 82 01 LEN VALUE`, both lengths in one byte, HEAD the key fields, and VALUE a number as json.dumps writes it
# (NaN and Infinity included) or a plain text; or all that is left. The lengths need not be looked at: nothing that such a
# value is made of can stand behind an item.
_ITEM_OR_REST = re.compile(rb'\n.([^\x82]*+)\x82\x01.(true|false|null|"[^"]*+"|[-+.0-9eENaInfity]++)|(.++)', re.DOTALL)
_STEP_FIELD = 0x12
_decode = msgspec.json.Decoder(list[float]).decode

_Entry = tuple[str, "array[int]", "array[float]"]
"""A metric's key and its column: the steps and the values."""
_STEP: _Entry = ("_step", array("q"), array("d"))
_TIME: _Entry = ("_timestamp", array("q"), array("d"))
_NO_METRIC: _Entry = ("", array("q"), array("d"))


class WandbRows:
    """Puts every number of every row into `columns`, under its dotted key and without W&B's own (`_step`, `_runtime` …).

    `count` is how many rows there were, `step` the largest step seen, `times` the last (step, Unix seconds) pairs.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.clear()

    def clear(self) -> None:
        """Forgets every row; `columns` are the owner's to clear."""
        self.count = 0
        self.step = 0
        self.times: deque[tuple[int, float]] = deque(maxlen=20)
        self._row_step = -1
        self._entries: dict[bytes, _Entry] = {}  # by the bytes of the key fields
        self._media: set[str] = set()

    def add(self, data: bytes, start: int, stop: int) -> None:
        """Takes up the HistoryRecord at `start`:`stop`; MalformedError or IndexError, and nothing is taken up, if it is
        none.

        A row of known keys is taken apart in C, any other item by item.
        """
        items = _ITEM_OR_REST.findall(data, start, stop)
        step_field = items.pop()[2] if items and items[-1][2] else b""
        if not items or (step_field and not _is_step(step_field)):
            return self._take_apart(data, start, stop)
        heads, texts, _ = zip(*items, strict=True)
        known = self._entries
        try:
            entries = [known[head] for head in heads]
        except KeyError:
            return self._take_apart(data, start, stop)
        step = as_step(_varint_of(step_field, 2, len(step_field))) if step_field else None
        try:
            self._commit(step, entries, _decode(b"[%b]" % b",".join(texts)))
        except msgspec.DecodeError:
            self._commit(step, *_sorted_out(entries, texts))

    def _take_apart(self, data: bytes, start: int, stop: int) -> None:
        entries: list[_Entry] = []
        texts: list[bytes] = []
        step: int | None = None
        for number, first, last in fields(data, start, stop):
            if number == 2 and step is None:
                step = as_step(_varint_of(data, first, last))
            elif number == 1:
                head, at, last = _split_item(data, first, last)
                if at >= 0:
                    entries.append(self._entries.get(head) or self._learn(head))
                    texts.append(data[at:last])
        self._commit(step, *_sorted_out(entries, texts))

    def _commit(
        self, step: int | None, entries: list[_Entry], values: list[float], odd: Sequence[tuple[str, float]] = ()
    ) -> None:
        """Takes up one row: at its item `_step`, else at `step`, else at the one behind the last row's."""
        for entry, value in zip(entries, values, strict=True):
            if entry is _STEP:
                step = as_step(value)
        self._row_step = step = self._row_step + 1 if step is None else step
        self.step = max(self.step, step)
        self.count += 1
        others: list[tuple[str, float]] = []
        for entry, value in zip(entries, values, strict=True):
            key, known_steps, known_values = entry
            if known_steps and known_steps[-1] < step:
                known_steps.append(step)
                known_values.append(value)
            elif entry is _TIME:
                self.times.append((step, value))
            elif entry is not _STEP and entry is not _NO_METRIC:
                others.append((key, value))
        for key, value in (*others, *odd):
            if not self._media or not self._is_media(key):
                self.columns.put(key, step, value)

    def _learn(self, head: bytes) -> _Entry:
        """What to do with the values behind these key fields."""
        names = [head[a:b].decode("utf-8", "replace") for _, a, b in fields(head, 0, len(head)) if b >= 0]
        key = ".".join(names)
        entry = _NO_METRIC
        if key == "_step":
            entry = _STEP
        elif key == "_timestamp":
            entry = _TIME
        elif names[-1:] == ["_type"]:
            self._mark_media(".".join(names[:-1]))
        elif names and not key.startswith("_") and not self._is_media(key):
            series = self.columns.slot(key)
            if series is not None:
                entry = (key, series.steps, series.values)
        if len(self._entries) < 2 * MAX_KEYS:
            self._entries[head] = entry
        return entry

    def _mark_media(self, parent: str) -> None:
        """An image, a histogram, a table: its sizes are no metrics."""
        self._media.add(parent)
        for head, entry in self._entries.items():
            if not entry[1] and entry[0].startswith(parent + "."):
                self._entries[head] = _NO_METRIC

    def _is_media(self, key: str) -> bool:
        return any(key.startswith(parent + ".") for parent in self._media) and key not in self.columns.series


def _is_step(field: bytes) -> bool:
    """Whether these bytes are one HistoryStep and nothing more."""
    return field[0] == _STEP_FIELD and len(field) > 1 and field[1] == len(field) - 2


def _sorted_out(entries: list[_Entry], texts: Sequence[bytes]) -> tuple[list[_Entry], list[float], list[tuple[str, float]]]:
    """The numbers among these values, and what numbers there are in the others."""
    found: list[tuple[_Entry, float]] = []
    odd: list[tuple[str, float]] = []
    for entry, text in zip(entries, texts, strict=True):
        if entry is _NO_METRIC:
            continue
        try:
            found.append((entry, float(text)))  # NaN and Infinity too, which are no JSON
        except ValueError:
            odd += _numbers_in(entry[0], text)
    return [entry for entry, _ in found], [value for _, value in found], odd


def _split_item(data: bytes, start: int, stop: int) -> tuple[bytes, int, int]:
    """A HistoryItem's key fields, and where the text of its value begins and ends (-1 where it has none)."""
    i = start
    while i < stop:
        (number, first, last), behind = read_field(data, i, stop)
        if number == 16 and last >= 0:
            return data[start:i], first, last
        i = behind
    return b"", -1, -1


def _varint_of(data: bytes, start: int, stop: int) -> int:
    """HistoryStep.num, which the wire leaves out where it is 0."""
    value = 0
    for number, a, b in fields(data, start, stop):
        if number == 1 and b < 0:
            value = signed(a)
    return value


def _numbers_in(key: str, text: bytes) -> list[tuple[str, float]]:
    """The numbers in a JSON value that is not one: the members of a dictionary (logged whole up to 0.17), or "NaN"."""
    return list(numbers(key, decoded(text))) if text[:1] in (b"{", b'"') else []
