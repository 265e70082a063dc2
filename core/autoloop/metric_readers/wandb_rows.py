"""Reads the rows of one W&B log: HistoryRecords -> columns.

wandb writes the items of each row in a different order, so two rows may have equal bytes only within their items.
There are two ways to read rows, with the same result, and a third that is compiled (`compiled_rows.py`):

* In batches, the usual case: `wandb_messages.split` parses many rows at once, and consecutive rows with the same keys are
  appended column by column.
* One by one. A row that is not as wandb writes it, or is longer than a batch, is parsed field by field; so are all rows if
  protobuf has no C code here. A row with a new metric, a step that does not increase or a non-numeric value is committed
  item by item.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any

import msgspec

from autoloop.metric_readers.columns import MAX_KEYS, Columns, as_step, numbers
from autoloop.metric_readers.json_value import decoded
from autoloop.metric_readers.protobuf import fields, read_field, signed
from autoloop.metric_readers.wandb_messages import Rows, split

VALUE = b"\x82\x01"
"""The tag of HistoryItem.value_json."""
_BATCH = 256 << 10
"""Bytes of records that are parsed at once: the result takes up to twenty times as much memory."""

_decode = msgspec.json.Decoder(list[float]).decode

Entry = tuple[str, "array[int]", "array[float]"]
"""A metric's key and its column: the steps and the values."""
STEP: Entry = ("_step", array("q"), array("d"))
TIME: Entry = ("_timestamp", array("q"), array("d"))
NO_METRIC: Entry = ("", array("q"), array("d"))


@dataclass(frozen=True, slots=True)
class _Shape:
    """The common properties of rows with the same heads that can be appended column by column, at steps after `last`."""

    row: dict[bytes, float | None]
    """One of these rows; its keys are the heads."""
    columns: list[tuple[bytes, array[int], array[float]]]
    step: bytes | None
    time: bytes | None
    last: int


class WandbRows:
    """Puts every number of every row into `columns` under its dotted key, without W&B's own keys (`_step`, `_runtime` …).

    `count` is the number of rows, `step` the largest step seen, `times` the last (step, Unix seconds) pairs.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.clear()

    def clear(self) -> None:
        """Forget all rows; the owner clears `columns`."""
        self.count = 0
        self.step = 0
        self.times: deque[tuple[int, float]] = deque(maxlen=20)
        self._row_step = -1
        self._by_head: dict[bytes, Entry] = {}  # by the bytes of the key fields
        self._by_key: dict[bytes, Entry] = {}  # by the key, if it is not nested
        self._media: set[str] = set()

    def take(self, records: Sequence[bytes], alone: Callable[[bytes], None]) -> None:
        """Read the rows of these records, each from its field `history` on. Records that have to be parsed field by field
        are passed to `alone`, in order."""
        for batch in _batches(records):
            rows = split(batch) if len(batch) > 1 or len(batch[0]) <= _BATCH else None
            if rows is not None:
                self._take_rows(rows)
                continue
            for record in batch:
                rows = split([record]) if len(batch) > 1 else None
                if rows is None:
                    alone(record)
                else:
                    self._take_rows(rows)

    def _take_rows(self, rows: Rows) -> None:
        values = _floats(rows.texts)
        whole = None not in values
        known = self._by_key if rows.flat else self._by_head
        items = zip(rows.heads, values, strict=True)
        shape: _Shape | None = None
        stretch: list[dict[bytes, Any]] = []  # numbers only
        steps = array("q")
        last = at = 0
        for index, size in enumerate(rows.sizes):
            at += size
            row = dict(islice(items, size))
            if shape is None or row.keys() != shape.row.keys():
                self._append(shape, stretch, steps)
                shape = _shape(row, known)
                last = shape.last if shape else 0
            if shape is not None and len(row) == size and (whole or None not in row.values()):
                said = rows.step(index) if shape.step is None else row[shape.step]
                step = None if said is None else as_step(said)
                if step is not None and step > last:
                    stretch.append(row)
                    steps.append(step)
                    last = step
                    continue
            self._append(shape, stretch, steps)
            shape = None
            entries = [known.get(head) or self._learn(head, flat=rows.flat) for head in rows.heads[at - size : at]]
            said = rows.step(index)
            self._commit(None if said is None else as_step(said), *_sorted_out(entries, rows.texts[at - size : at]))
        self._append(shape, stretch, steps)

    def _append(self, shape: _Shape | None, stretch: list[dict[bytes, Any]], steps: array[int]) -> None:
        """Append rows of this shape, and clear `stretch` and `steps`."""
        if shape is None or not stretch:
            return
        for head, its_steps, its_values in shape.columns:
            its_steps.extend(steps)
            its_values.extend(map(itemgetter(head), stretch))
        if shape.time is not None:
            self.times.extend(zip(steps, map(itemgetter(shape.time), stretch), strict=True))
        self.count += len(stretch)
        self._row_step = steps[-1]
        self.step = max(self.step, self._row_step)
        stretch.clear()
        del steps[:]

    def add(self, data: bytes, start: int, stop: int) -> None:
        """Read the HistoryRecord at `start`:`stop` field by field. Raises MalformedError or IndexError, without adding
        anything, if it is not one."""
        entries: list[Entry] = []
        texts: list[bytes] = []
        step: int | None = None
        for number, first, last in fields(data, start, stop):
            if number == 2 and step is None:
                step = as_step(_varint_of(data, first, last))
            elif number == 1:
                head, at, last = _split_item(data, first, last)
                if at >= 0:
                    entries.append(self._by_head.get(head) or self._learn(head))
                    texts.append(data[at:last])
        self._commit(step, *_sorted_out(entries, texts))

    def _commit(
        self, step: int | None, entries: list[Entry], values: list[float], odd: Sequence[tuple[str, float]] = ()
    ) -> None:
        """Add one row at its item `_step`, else at `step`, else one step after the last row."""
        for entry, value in zip(entries, values, strict=True):
            if entry is STEP:
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
            elif entry is TIME:
                self.times.append((step, value))
            elif entry is not STEP and entry is not NO_METRIC:
                others.append((key, value))
        for key, value in (*others, *odd):
            self._put(key, value)

    def _put(self, key: str, value: float) -> None:
        """Put a value of the last row into its column."""
        if not self._media or not self._is_media(key):
            self.columns.put(key, self._row_step, value)

    def _learn(self, head: bytes, *, flat: bool = False) -> Entry:
        """Return and remember the entry for values with these key fields, or with this key if `flat`."""
        parts = [head] if flat else [head[a:b] for _, a, b in fields(head, 0, len(head)) if b >= 0]
        names = [part.decode("utf-8", "replace") for part in parts]
        key = ".".join(names)
        entry = NO_METRIC
        if key == "_step":
            entry = STEP
        elif key == "_timestamp":
            entry = TIME
        elif names[-1:] == ["_type"]:
            self._mark_media(".".join(names[:-1]))
        elif names and not key.startswith("_") and not self._is_media(key):
            series = self.columns.slot(key)
            if series is not None:
                entry = (key, series.steps, series.values)
        known = self._by_key if flat else self._by_head
        if len(known) < 2 * MAX_KEYS:
            known[head] = entry
        return entry

    def _mark_media(self, parent: str) -> None:
        """Exclude the members of an image, a histogram or a table: its sizes are not metrics."""
        self._media.add(parent)
        for known in (self._by_head, self._by_key):
            for head, entry in known.items():
                if not entry[1] and entry[0].startswith(parent + "."):
                    known[head] = NO_METRIC

    def _is_media(self, key: str) -> bool:
        return any(key.startswith(parent + ".") for parent in self._media) and key not in self.columns.series


def _batches(records: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield batches of at most `_BATCH` bytes; a longer record is a batch of its own."""
    start = size = 0
    for index, record in enumerate(records):
        size += len(record)
        if size > _BATCH and index > start:
            yield records[start:index]
            start, size = index, len(record)
    if start < len(records):
        yield records[start:]


def _floats(texts: Sequence[bytes]) -> Sequence[float | None]:
    """Parse texts as numbers; None for a text that is not a number."""
    try:
        values = _decode(b"[%b]" % b",".join(texts))
        if len(values) == len(texts):
            return values
    except msgspec.DecodeError:
        pass
    return [_float(text) for text in texts]


def _float(text: bytes) -> float | None:
    try:
        return float(text)  # also NaN and Infinity, which are not JSON
    except ValueError:
        return None


def _shape(row: dict[bytes, float | None], known: dict[bytes, Entry]) -> _Shape | None:
    """Return the shape of a row; None unless all of its metrics already have values."""
    columns: list[tuple[bytes, array[int], array[float]]] = []
    times: list[bytes] = []
    counts: list[bytes] = []
    for head in row:
        entry = known.get(head)
        if entry is None:
            return None
        if entry is STEP:
            counts.append(head)
        elif entry is TIME:
            times.append(head)
        elif entry is not NO_METRIC:
            if not entry[1]:
                return None
            columns.append((head, entry[1], entry[2]))
    if max(len(counts), len(times)) > 1 or len({id(steps) for _, steps, _ in columns}) < len(columns):
        return None  # two heads for one metric
    last = max((steps[-1] for _, steps, _ in columns), default=-1)
    return _Shape(row, columns, counts[0] if counts else None, times[0] if times else None, last)


def _sorted_out(entries: list[Entry], texts: Sequence[bytes]) -> tuple[list[Entry], list[float], list[tuple[str, float]]]:
    """Return the entries and values that are numbers, and the (key, number) pairs inside other values."""
    found: list[tuple[Entry, float]] = []
    odd: list[tuple[str, float]] = []
    for entry, text in zip(entries, texts, strict=True):
        if entry is NO_METRIC:
            continue
        value = _float(text)
        if value is not None:
            found.append((entry, value))
        else:
            odd += numbers_in(entry[0], text)
    return [entry for entry, _ in found], [value for _, value in found], odd


def _split_item(data: bytes, start: int, stop: int) -> tuple[bytes, int, int]:
    """Return a HistoryItem's key fields, and the start and end of its value's text (-1 if it has none)."""
    i = start
    while i < stop:
        (number, first, last), behind = read_field(data, i, stop)
        if number == 16 and last >= 0:
            return data[start:i], first, last
        i = behind
    return b"", -1, -1


def _varint_of(data: bytes, start: int, stop: int) -> int:
    """Return HistoryStep.num, which is not encoded if it is 0."""
    value = 0
    for number, a, b in fields(data, start, stop):
        if number == 1 and b < 0:
            value = signed(a)
    return value


def numbers_in(key: str, text: bytes) -> list[tuple[str, float]]:
    """Return the numbers in a non-numeric JSON value: members of a dictionary (wandb up to 0.17), or "NaN"."""
    return list(numbers(key, decoded(text))) if text[:1] in (b"{", b'"') else []
