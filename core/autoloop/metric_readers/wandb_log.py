"""The W&B log of a run (`run-<id>.wandb`): its rows, config and exit code, read on while W&B still writes it.

Its records are the protobuf message `Record` of wandb_internal.proto, written alike since wandb 0.10. Only the standard
library is used: wandb itself has had no Python reader since 0.30.
"""

from __future__ import annotations

import json
from array import array
from collections import deque
from pathlib import Path
from typing import Any

from autoloop.metric_readers.columns import MAX_KEYS, Columns, as_step, numbers
from autoloop.metric_readers.protobuf import MalformedError, fields, read_field, read_varint, signed
from autoloop.metric_readers.record_log import RecordLog

_VALUE = b"\x82\x01"  # the tag of HistoryItem.value_json
_SUMMARY = 0x1A
_PASSED_OVER = frozenset((0x32, 0x3A, 0x6A))  # files, stats, output_raw
_STEP_VALUE = b"_step" + _VALUE

_Entry = tuple[str, "array[int]", "array[float]"]
_STEP: _Entry = ("_step", array("q"), array("d"))
_TIME: _Entry = ("_timestamp", array("q"), array("d"))
_NEW: _Entry = ("", array("q"), array("d"))


class WandbLog:
    """One segment of a run.

    `columns` has every number logged, without W&B's own keys (`_step`, `_runtime` ...); a dictionary's members have
    dotted keys. `summary` has the numbers of W&B's summary, with the same keys and as of `summary_step`: many of them are
    in no row. `step` is the largest step seen; `name` and `config` are the run's; `exit_code` is None until W&B has
    recorded the end (255: interrupted). `times` are the last (step, Unix seconds) pairs. `defined`: what `define_metric`
    said, metric or `prefix*` -> the metric that counts its steps.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self.columns = columns
        self._log = RecordLog(path, self._record)
        self._clear()

    def _clear(self) -> None:
        self.rows = 0
        self.step = 0
        self.name = ""
        self.started: float | None = None
        self.config: dict[str, Any] = {}
        self.summary: dict[str, float] = {}
        self.summary_step = 0
        self._newest_summary: tuple[bytes, int, int] | None = None
        self.exit_code: int | None = None
        self.times: deque[tuple[int, float]] = deque(maxlen=20)
        self.defined: dict[str, str] = {}
        self._row_step = -1
        self._news = 0
        self._malformed = 0
        self._heads: dict[bytes, _Entry | None] = {}
        self._media: set[str] = set()

    @property
    def restarts(self) -> int:
        """How often the file was replaced under the reader: everything in `columns` from before is void then."""
        return self._log.tail.restarts

    @property
    def damaged(self) -> int:
        """Places that could not be read and were skipped."""
        return self._log.damaged + self._malformed

    @property
    def problems(self) -> list[str]:
        found = self._log.tail.problems
        if self._log.strange:
            found.append(f"{self.path} does not begin as a W&B log does; what could be recognised was read")
        if self.damaged:
            found.append(f"{self.path} is damaged: {self.damaged} places could not be read and were skipped")
        return found

    def poll(self, budget: int = 4 << 20) -> bool:
        """Reads on, at most `budget` (at least 64 KiB) bytes; whether anything was new or there may be more."""
        before = self._news
        if self._log.look():
            self.columns.clear()
            self._clear()
            before = -1
        more = self._log.read(budget)
        if not more and self._newest_summary is not None:
            self._summarise(*self._newest_summary)
            self._newest_summary = None
        return more or self._news != before

    # ------------------------------------------------------------------------------------------------ records

    def _record(self, data: bytes, start: int, stop: int) -> None:
        try:
            kind = _kind_of_record(data, start, stop)
            if kind in _PASSED_OVER:
                return
            if kind == _SUMMARY:
                self._pass_summary(data, start, stop)
                return
            for number, first, last in fields(data, start, stop):
                if number == 2:
                    self._history(data, first, last)
                elif number == 3:  # one that the script sent: other fields may stand before it
                    self._pass_summary(data, start, stop)
                elif number == 5:
                    self._configure(data, first, last)
                elif number == 12:
                    self._define(data, first, last)
                elif number == 17:
                    for inner, a, b in fields(data, first, last):
                        if inner == 4:
                            self._configure(data, a, b)
                        elif inner == 8 and b >= 0:
                            self.name = data[a:b].decode("utf-8", "replace")
                        elif inner == 17:
                            self.started = _timestamp(data, a, b)
                elif number == 18:
                    code = 0
                    for inner, a, b in fields(data, first, last):
                        if inner == 1 and b < 0:
                            code = signed(a)
                    self.exit_code = code
                    self._news += 1
        except (MalformedError, IndexError):
            self._malformed += 1

    def _history(self, data: bytes, i: int, end: int) -> None:
        """One row. Its step is known only at its end, so the values are collected first.

        Nearly all items are `0a LEN HEAD 82 01 LEN VALUE`, both lengths in one byte, and HEAD (the key fields) is one
        of a few byte strings that come again in every row: it is looked up whole.
        """
        found: list[tuple[_Entry, float]] = []
        odd: list[tuple[str, float]] = []
        get, find = self._heads.get, data.find
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
            at = find(_VALUE, first, i)
            entry: _Entry | None = _NEW
            if 0 <= at < i - 2 and data[at + 2] == i - at - 3 < 128:
                entry = get(data[first:at], _NEW)
                at, last = at + 3, i
            if entry is _NEW:
                head, at, last = _split_item(data, first, i)
                if at < 0:
                    continue
                entry = get(head, _NEW)
                if entry is _NEW:
                    entry = self._learn(head)
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
        self._commit(self._row_step + 1 if step is None else step, found, odd)

    def _commit(self, step: int, found: list[tuple[_Entry, float]], odd: list[tuple[str, float]]) -> None:
        self._row_step = step
        if step > self.step:
            self.step = step
        self.rows += 1
        self._news += 1
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
            if not self._media or not self._is_media(key):
                self.columns.put(key, step, value)

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
        if len(self._heads) < 2 * MAX_KEYS:
            self._heads[head] = entry
        return entry

    def _mark_media(self, parent: str) -> None:
        """An image, a histogram, a table: its sizes are no metrics."""
        self._media.add(parent)
        for head, entry in self._heads.items():
            if entry is not None and not entry[1] and entry[0].startswith(parent + "."):
                self._heads[head] = None

    def _is_media(self, key: str) -> bool:
        return any(key.startswith(parent + ".") for parent in self._media) and key not in self.columns.series

    def _pass_summary(self, data: bytes, start: int, stop: int) -> None:
        """Half of a file of wandb 0.31 is summaries that repeat each row (they have its `_step`): of those, and of the one
        that older versions write at the end, only the newest is looked into. What a script sets itself is a record alone.
        """
        if data.find(_STEP_VALUE, start, stop) >= 0:
            self._newest_summary = data, start, stop
        elif data.find(b"_wandb", start, min(start + 20, stop)) < 0:  # W&B's own clock, behind every row
            self._summarise(data, start, stop)

    def _summarise(self, data: bytes, start: int, stop: int) -> None:
        """A SummaryRecord: values set (1) and removed (2), as in a ConfigRecord."""
        texts: list[tuple[str, bytes]] = []
        media: list[str] = []
        try:
            for number, first, last in fields(data, start, stop):
                if number != 3:
                    continue
                for inner, a, b in fields(data, first, last):
                    path, text = _path_and_text(data, a, b)
                    key = ".".join(path)
                    if inner == 2:
                        self.summary.pop(key, None)
                    elif path[-1:] == ["_type"]:
                        media.append(".".join(path[:-1]) + ".")
                    elif key == "_step":
                        step = as_step(_json(text))
                        self.summary_step = self.summary_step if step is None else step
                    elif path and not key.startswith("_"):
                        texts.append((key, text))
        except (MalformedError, IndexError, TypeError):
            self._malformed += 1
        for key, text in texts:
            if not key.startswith(tuple(media)) and len(self.summary) < MAX_KEYS:
                self.summary.update(numbers(key, _json(text)))
        self._news += 1

    def _configure(self, data: bytes, start: int, stop: int) -> None:
        """A ConfigRecord: values set (1) and removed (2), each under a key or a path of keys."""
        for number, first, last in fields(data, start, stop):
            if number not in (1, 2):
                continue
            path, text = _path_and_text(data, first, last)
            if not path or path[0] == "_wandb":
                continue
            self._news += 1
            place = self.config
            for name in path[:-1]:
                below = place.get(name)
                if not isinstance(below, dict):
                    below = place[name] = {}
                place = below
            if number == 2:
                place.pop(path[-1], None)
            else:
                place[path[-1]] = _json(text)

    def _define(self, data: bytes, start: int, stop: int) -> None:
        """A MetricRecord: name (1) or glob (2), and the metric that counts its steps (4)."""
        texts = {
            number: data[a:b].decode("utf-8", "replace")
            for number, a, b in fields(data, start, stop)
            if b >= 0 and number < 5
        }
        name = texts.get(1) or texts.get(2)
        if name and texts.get(4) and len(self.defined) < MAX_KEYS:
            self.defined[name] = texts[4]
            self._news += 1


def _timestamp(data: bytes, start: int, stop: int) -> float:
    """A google.protobuf.Timestamp in Unix seconds."""
    parts = {number: signed(value) for number, value, end in fields(data, start, stop) if end < 0}
    return parts.get(1, 0) + parts.get(2, 0) / 1e9


def _kind_of_record(data: bytes, start: int, stop: int) -> int:
    """The first byte of the tag of a Record's first field behind its number; 0 where there is none."""
    if start < stop and data[start] == 0x08:
        start += 1
        while start < stop and data[start] > 127:
            start += 1
        start += 1
    return data[start] if start < stop else 0


def _split_item(data: bytes, start: int, stop: int) -> tuple[bytes, int, int]:
    """A HistoryItem's key fields, and where the text of its value begins and ends (-1 where it has none)."""
    i = start
    while i < stop:
        (number, first, last), behind = read_field(data, i, stop)
        if number == 16 and last >= 0:
            return data[start:i], first, last
        i = behind
    return b"", -1, -1


def _path_and_text(data: bytes, start: int, stop: int) -> tuple[list[str], bytes]:
    """The key, or the keys of a path, of a config or summary item, and the text of its value."""
    path: list[str] = []
    text = b""
    for inner, a, b in fields(data, start, stop):
        if inner in (1, 2) and b >= 0:
            path.append(data[a:b].decode("utf-8", "replace"))
        elif inner == 16 and b >= 0:
            text = data[a:b]
    return path, text


def _varint_of(data: bytes, start: int, stop: int) -> int:
    """HistoryStep.num, which the wire leaves out where it is 0."""
    value = 0
    for number, a, b in fields(data, start, stop):
        if number == 1 and b < 0:
            value = signed(a)
    return value


def _numbers_in(key: str, text: bytes) -> list[tuple[str, float]]:
    """The numbers in a JSON value that is not one: the members of a dictionary (logged whole up to 0.17), or "NaN"."""
    return list(numbers(key, _json(text))) if text[:1] in (b"{", b'"') else []


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
