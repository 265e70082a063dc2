"""Reads the rows of one W&B log with compiled code, which leaves unusual records to Python."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Final

from autoloop.metric_readers.columns import MAX_KEYS, Columns
from autoloop.metric_readers.wandb_rows import NO_METRIC, STEP, TIME, Entry, WandbRows, numbers_in

_EMPTY: Final = (1 << 63) - 1
"""Stands for the last step of a column without values."""
_WORTH: Final = 4
"""Bytes of records per column that a call must process to be worthwhile."""
_MOST_BY_PYTHON: Final = 1024


class CompiledRows(WandbRows):
    """`WandbRows` with the same result. The compiled code knows columns by number, and learns their key fields when Python
    reads the first row that contains them."""

    def __init__(self, columns: Columns, compiled: ModuleType) -> None:
        self._compiled = compiled
        super().__init__(columns)

    def clear(self) -> None:
        super().clear()
        self._table = self._compiled.Rows()
        self._entries: list[Entry] = []
        self._numbers: dict[str, int] = {}
        self.by_python = 1
        """The number of records that Python reads after the compiled code has stopped: each call of the latter visits every
        column, which is not worthwhile for a few records."""

    def take(self, records: Sequence[bytes], alone: Callable[[bytes], None]) -> None:
        if len(records) > 1:
            super().take(records, alone)
        else:
            for record in records:
                alone(record)

    def take_records(self, records: list[bytes], start: int) -> tuple[int, bytes | None]:
        """Read the rows among the records from `start` on, until one that Python has to read.

        Returns the index after the processed records, and the newest per-row summary record among them, if any."""
        lasts = array("q", [steps[-1] if steps else _EMPTY for _, steps, _ in self._entries])
        taken = self._table.take(records, start, self._row_step, self.step, lasts)
        end, newest, count, self.step, self._row_step, times, added, others, odd = taken
        self.count += count
        self.times.extend(times)
        for column, new_steps, new_values in added:
            _, steps, values = self._entries[column]
            steps.frombytes(new_steps)
            values.frombytes(new_values)
        for column, value in others:
            self._put(self._entries[column][0], value)
        for column, text in odd:
            for key, value in numbers_in(self._entries[column][0], text):
                self._put(key, value)
        if end < len(records):
            worth = sum(map(len, records[start:end])) > _WORTH * len(self._entries)
            self.by_python = 1 if worth else min(2 * self.by_python, _MOST_BY_PYTHON)
        return end, records[newest] if newest >= 0 else None

    def _learn(self, head: bytes, *, flat: bool = False) -> Entry:
        if flat:
            whole = b"\x12" + _varint(len(head)) + head
            entry = self._by_head.get(whole) or self._learn(whole)
            if len(self._by_key) < 2 * MAX_KEYS:
                self._by_key[head] = entry
            return entry
        entry = super()._learn(head)
        self._tell([head])
        return entry

    def _mark_media(self, parent: str) -> None:
        super()._mark_media(parent)
        self._tell(list(self._by_head))

    def _tell(self, heads: Sequence[bytes]) -> None:
        kinds = {id(NO_METRIC): self._compiled.NOTHING, id(STEP): self._compiled.STEP, id(TIME): self._compiled.TIME}
        for head in heads:
            entry = self._by_head.get(head)  # absent if there are too many
            if entry is None:
                continue
            column = kinds.get(id(entry))
            if column is None:
                column = self._numbers.setdefault(entry[0], len(self._entries))
                if column == len(self._entries):
                    self._entries.append(entry)
            self._table.learn(head, column)


def _varint(size: int) -> bytes:
    return bytes([size]) if size < 128 else bytes([size & 127 | 128]) + _varint(size >> 7)
