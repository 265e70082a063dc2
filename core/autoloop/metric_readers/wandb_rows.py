"""The rows of one W&B log: HistoryRecords -> columns."""

from __future__ import annotations

from array import array
from collections import Counter, deque

from autoloop.metric_readers.columns import MAX_KEYS, Columns, as_step, numbers
from autoloop.metric_readers.json_value import decoded
from autoloop.metric_readers.protobuf import MalformedError, fields, read_field, read_varint, signed
from autoloop.metric_readers.row_shape import VALUE, RowShape, row_shape

FAMILIAR = 3
"""Rows of one shape after which the next ones are expected to have it too."""
SHAPES = 4
"""Shapes that are tried on a row before it is read item by item."""
PENDING = 1 << 14
"""Values that may wait to be put into their columns together."""
MOST_SEEN = 64
"""Kinds of rows that are counted at a time."""

_Entry = tuple[str, "array[int]", "array[float]"]
"""A metric's key and its column: the steps and the values."""
_STEP: _Entry = ("_step", array("q"), array("d"))
_TIME: _Entry = ("_timestamp", array("q"), array("d"))
_NEW: _Entry = ("", array("q"), array("d"))


class WandbRows:
    """Puts every number of every row into `columns`, under its dotted key and without W&B's own (`_step`, `_runtime` …).

    `count` is how many rows there were, `step` the largest step seen, `times` the last (step, Unix seconds) pairs. Rows
    of one shape wait for each other: `columns` and `times` are complete after `flush`.
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
        self._entries: dict[bytes, _Entry | None] = {}  # by the bytes of the key fields; None: no metric
        self._media: set[str] = set()
        self._seen: Counter[tuple[bytes, ...]] = Counter()
        self._shapes: list[tuple[RowShape, list[int]]] = []  # with the places of `_step`; the last one learnt first
        self._waiting: RowShape | None = None  # the shape of the rows below
        self._steps = array("q")
        self._rows: list[list[float]] = []

    def add(self, data: bytes, start: int, stop: int) -> None:
        """Takes up the HistoryRecord at `start`:`stop`; MalformedError or IndexError, and nothing is taken up, if it is
        none."""
        for shape, own_step in self._shapes:
            row = shape.read(data, start, stop)
            if row is not None:
                self._wait(shape, own_step, *row)
                return
        self._take_apart(data, start, stop)

    # ------------------------------------------------------------------------------------- rows of a known shape

    def _wait(self, shape: RowShape, own_step: list[int], values: list[float], record_step: bytes) -> None:
        step: int | None = None
        for place in own_step:
            step = as_step(values[place])
        if step is None and record_step:
            step = as_step(_varint_of(record_step, 2, len(record_step)))
        step = self._count(step)
        full = len(self._rows) * len(values) >= PENDING
        if shape is not self._waiting or full or (self._steps and self._steps[-1] >= step):
            self.flush()
            self._waiting = shape
        self._steps.append(step)
        self._rows.append(values)

    def flush(self) -> None:
        """Puts the rows that wait into their columns."""
        if self._waiting is None or not self._rows:
            return
        steps, rows = self._steps, self._rows
        self._steps, self._rows = array("q"), []
        for head, values in zip(self._waiting.heads, zip(*rows, strict=True), strict=True):
            entry = self._entries[head]
            if entry is None or entry is _STEP:
                continue
            key, known_steps, known_values = entry
            if known_steps and known_steps[-1] < steps[0]:
                known_steps.extend(steps)
                known_values.extend(values)
            elif entry is _TIME:
                self.times.extend(zip(steps, values, strict=True))
            else:
                for step, value in zip(steps, values, strict=True):
                    self._put(key, step, value)

    # ------------------------------------------------------------------------------------------- any other row

    def _take_apart(self, data: bytes, i: int, end: int) -> None:
        """Item by item. The row's step is known only at its end, so the values are collected first.

        Nearly all items are `0a LEN HEAD 82 01 LEN VALUE`, both lengths in one byte, and HEAD (the key fields) is one
        of a few byte strings that come again in every row: it is looked up whole.
        """
        start = i
        heads: list[bytes] = []
        found: list[tuple[_Entry, float]] = []
        odd: list[tuple[str, float]] = []
        get, find = self._entries.get, data.find
        step: int | None = None
        while i < end:
            if data[i] != 0x0A:
                (number, first, last), i = read_field(data, i, end)
                if number == 2 and step is None:
                    step = as_step(_varint_of(data, first, last))
                continue
            length = data[i + 1]
            if length < 128:
                first = i + 2
            else:
                length, first = read_varint(data, i + 1, end)
            i = first + length
            if i > end:
                raise MalformedError
            at = find(VALUE, first, i)
            entry: _Entry | None = _NEW
            if 0 <= at < i - 2 and data[at + 2] == i - at - 3 < 128:
                head = data[first:at]
                entry = get(head, _NEW)
                at, last = at + 3, i
            if entry is _NEW:
                head, at, last = _split_item(data, first, i)
                if at < 0:
                    continue
                entry = get(head, _NEW)
                if entry is _NEW:
                    entry = self._learn(head)
            heads.append(head)
            if entry is None:
                continue
            try:
                value = float(data[at:last])
            except ValueError:
                odd += _numbers_in(entry[0], data[at:last])
                continue
            if entry is _STEP:
                step = as_step(value)
            else:
                found.append((entry, value))
        self.flush()
        self._commit(self._count(step), found, odd)
        self._familiarise(tuple(heads), data, start, end)

    def _count(self, step: int | None) -> int:
        """Counts a row; returns its step, which is the next one where it says none."""
        self._row_step = self._row_step + 1 if step is None else step
        self.step = max(self.step, self._row_step)
        self.count += 1
        return self._row_step

    def _commit(self, step: int, found: list[tuple[_Entry, float]], odd: list[tuple[str, float]]) -> None:
        for entry, value in found:
            key, steps, values = entry
            if steps and steps[-1] < step:
                steps.append(step)
                values.append(value)
            elif entry is _TIME:
                self.times.append((step, value))
            else:
                odd.append((key, value))
        for key, value in odd:
            self._put(key, step, value)

    def _put(self, key: str, step: int, value: float) -> None:
        if not self._media or not self._is_media(key):
            self.columns.put(key, step, value)

    def _familiarise(self, heads: tuple[bytes, ...], data: bytes, start: int, end: int) -> None:
        """Learns the shape of the row at `start`:`end` if it has come often enough and can be read as one."""
        if len(self._seen) >= MOST_SEEN:
            self._seen.clear()
        self._seen[heads] += 1
        if self._seen[heads] % FAMILIAR or not all(head in self._entries for head in heads):
            return
        shape = row_shape(heads)
        if shape is not None and shape.read(data, start, end) is not None:
            own_step = [place for place, head in enumerate(heads) if self._entries[head] is _STEP]
            self._shapes = [(shape, own_step), *self._shapes[: SHAPES - 1]]

    def _learn(self, head: bytes) -> _Entry | None:
        """What to do with the values behind these key fields; None: nothing."""
        names = [head[a:b].decode("utf-8", "replace") for _, a, b in fields(head, 0, len(head)) if b >= 0]
        key = ".".join(names)
        entry: _Entry | None = None
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
            if entry is not None and not entry[1] and entry[0].startswith(parent + "."):
                self._entries[head] = None

    def _is_media(self, key: str) -> bool:
        return any(key.startswith(parent + ".") for parent in self._media) and key not in self.columns.series


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
