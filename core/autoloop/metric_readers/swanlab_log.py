"""Reads SwanLab's log of a run (`run-<id>.swanlab`, since 0.8): W&B's framing with its own records, `swanlab/record/v1`."""

from __future__ import annotations

from pathlib import Path
from struct import Struct
from typing import Final

from autoloop.metric_readers.columns import MAX_KEYS, Columns, GivenSteps
from autoloop.metric_readers.log_state import LogState
from autoloop.metric_readers.protobuf import MalformedError, fields, read_field, signed
from autoloop.metric_readers.record_log import RecordLog

MAGIC: Final = b":SWL\xd6\xe1\x02"
_DOUBLE: Final = Struct("<d")


class SwanlabLog(LogState):
    """The FileLog of one file."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        self._log = RecordLog(path, self._take, MAGIC)
        self._given = GivenSteps()
        self._names: dict[bytes, str] = {}
        self._malformed = 0

    @property
    def restarts(self) -> int:
        return self._log.tail.restarts

    @property
    def problems(self) -> list[str]:
        found = self._log.tail.problems
        if self._log.strange:
            found.append(f"{self.path} does not begin as a SwanLab log does; what could be recognised was read")
        if damaged := self._log.damaged + self._malformed:
            found.append(f"{self.path} is damaged: {damaged} places could not be read and were skipped")
        return found

    def poll(self, budget: int = 4 << 20) -> bool:
        before = self.rows
        self._log.look()
        return self._log.read(budget) or self.rows != before

    def _take(self, records: list[bytes]) -> None:
        for record in records:
            try:
                at = 0
                while at < len(record):
                    (number, first, last), at = read_field(record, at, len(record))
                    if number == 13 and last >= 0:
                        self._scalar(record, first, last)
            except (MalformedError, IndexError):
                self._malformed += 1

    def _scalar(self, data: bytes, start: int, stop: int) -> None:
        """Read a scalar record: key (1), step (2), time (4) and value (5), with the number in field 1 of the value."""
        key, step, value = b"", 0, None
        time = (0, 0)
        while start < stop:
            (number, first, last), start = read_field(data, start, stop)
            if number == 1 and last >= 0:
                key = data[first:last]
            elif number == 2 and last < 0:
                step = signed(first)
            elif number == 4 and last >= 0:
                time = (first, last)
            elif number == 5 and last >= 0:
                plain = last - first == 9 and data[first] == 0x09
                value = _DOUBLE.unpack_from(data, first + 1)[0] if plain else 0.0
        if not key or value is None:
            return
        name = self._names.get(key)
        if name is None:
            name = key.decode("utf-8", "replace")
            if len(self._names) < MAX_KEYS:
                self._names[key] = name
        step = self._given.of(name, step)
        self.rows += 1
        if step > self.step:
            self.step = step
            parts = {number: signed(value) for number, value, end in fields(data, *time) if end < 0}
            self.times.append((step, parts.get(1, 0) + parts.get(2, 0) / 1e9))
        self.columns.put(name, step, value)
