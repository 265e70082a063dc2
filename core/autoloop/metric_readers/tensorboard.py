"""Reads scalars and hyperparameters from TensorBoard event files, which contain framed protobuf events.

A record is `u64 length, u32 masked CRC-32C of the length, data, u32 masked CRC-32C of the data`. Only the checksum of the
length is verified: it protects the framing, and CRC-32C is not in the standard library. Formats: `Event`, `Summary` and
`TensorProto` of TensorFlow, `HParamsPluginData` of TensorBoard.
"""

from __future__ import annotations

from pathlib import Path
from struct import Struct
from struct import error as StructError
from typing import Any, Final

from autoloop.metric_readers.columns import MAX_KEYS, Columns, GivenSteps
from autoloop.metric_readers.log_state import LogState
from autoloop.metric_readers.protobuf import MalformedError, fields, read_varint, signed
from autoloop.metric_readers.tail import Tail
from autoloop.metric_readers.tensor_proto import number_of_tensor

MAX_RECORD: Final = 1 << 20
"""Bytes. Scalar events are much smaller; longer events are images, histograms and graphs, and are skipped unread."""
_READ: Final = 1 << 20
_HEAD: Final = Struct("<QI")
_FLOAT: Final = Struct("<f")
_DOUBLE: Final = Struct("<d")
_HPARAMS: Final = "_hparams_/"
"""Prefix of the tags for the data of TensorBoard's hparams plugin."""


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE: Final = _crc_table()


def masked_crc(data: bytes) -> int:
    """Return the masked CRC-32C used in TensorFlow's record files."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


class TensorboardLog(LogState):
    """The FileLog of one event file. `hparams` are those recorded by `add_hparams` or similar; empty if there are none."""

    def __init__(self, path: Path, columns: Columns, prefix: str = "") -> None:
        super().__init__(path, columns)
        self.hparams: dict[str, Any] = {}
        self._prefix = prefix
        self._tail = Tail(path)
        self._heads: dict[bytes, int] = {}
        self._names: dict[bytes, str | None] = {}
        self._given = GivenSteps()
        self._broken = False
        self._malformed = 0

    @property
    def restarts(self) -> int:
        return self._tail.restarts

    @property
    def problems(self) -> list[str]:
        found = self._tail.problems
        if self._broken:
            found.append(f"{self.path} is damaged at byte {self._tail.offset}; the events after it cannot be read")
        if self._malformed:
            found.append(f"{self.path}: {self._malformed} events are damaged and were skipped")
        return found

    def poll(self, budget: int = 4 << 20) -> bool:
        """Read at most `budget` (at least 1 MiB) bytes. Returns whether a scalar was new or there may be more."""
        before, left = self.rows, max(budget, _READ)
        grown = self._tail.look()
        if grown and self._broken:  # bytes may arrive late over a network: one header shows whether they have
            self._records(self._tail.read(_HEAD.size))
            if self._broken:
                self._tail.wait()
                return False
        while grown and left > 0:
            used = self._records(self._tail.read(min(left, _READ) + MAX_RECORD))
            self._tail.offset += used
            left -= used
            if not used:
                self._tail.wait()
            grown = used > 0 and self._tail.offset < self._tail.size
        return grown or self.rows != before

    def _records(self, data: bytes) -> int:
        """Read the complete records at the start of `data`. Returns the bytes consumed, which may exceed its length."""
        at, end = 0, len(data)
        room = self._tail.size - self._tail.offset
        heads = self._heads
        self._broken = False
        while end - at >= 12:
            head = data[at : at + 12]
            length = heads.get(head, -1)
            if length < 0:
                length, checksum = _HEAD.unpack(head)
                if masked_crc(head[:8]) != checksum:
                    self._broken = head != bytes(12)  # space that is reserved but not written yet
                    return at
                if len(heads) < 4096:
                    heads[head] = length
            stop = at + 16 + length
            if stop > room:  # not completely written yet
                return at
            if length <= MAX_RECORD:
                if stop > end:
                    return at
                try:
                    if not self._plain_scalar(data, at + 12, stop - 4):
                        self._event(data, at + 12, stop - 4)
                except (MalformedError, IndexError, StructError, OverflowError):
                    self._malformed += 1
            at = stop
            if at > end:  # a long record was skipped: the next one starts after `data`
                return at
        return at

    # ------------------------------------------------------------------------------------------------- events

    def _plain_scalar(self, data: bytes, i: int, stop: int) -> bool:
        """Read the most common event: `wall_time, step, summary{value{tag, simple_value}}` with one-byte lengths.

        Returns False, without effects, for any other event."""
        if data[i] != 0x09 or data[i + 9] != 0x10:
            return False
        step, at = read_varint(data, i + 10, stop)
        if at + 6 > stop or data[at] != 0x2A or data[at + 2] != 0x0A or data[at + 4] != 0x0A:
            return False
        length = data[at + 5]
        value = at + 6 + length
        if length > 127 or value + 5 != stop or data[value] != 0x15 or data[at + 1] != stop - at - 2:
            return False
        tag = data[at + 6 : value]
        name = self._names.get(tag)
        if name is None and (name := self._name_of(tag)) is None:
            return True
        self._take(name, signed(step), _FLOAT.unpack_from(data, value + 1)[0], _DOUBLE.unpack_from(data, i + 1)[0])
        return True

    def _event(self, data: bytes, start: int, stop: int) -> None:
        step, time = 0, None
        summaries = []
        for number, first, last in fields(data, start, stop):
            if number == 2 and last < 0:
                step = signed(first)
            elif number == 1 and last - first == 8:
                time = _DOUBLE.unpack_from(data, first)[0]
            elif number == 5 and last >= 0:
                summaries.append((first, last))
        for first, last in summaries:
            for number, begin, end in fields(data, first, last):
                if number == 1 and end >= 0:
                    self._value(data, begin, end, step, time)

    def _value(self, data: bytes, start: int, stop: int, step: int, time: float | None) -> None:
        tag = b""
        value: float | None = None
        metadata = None
        for number, first, last in fields(data, start, stop):
            if number == 1 and last >= 0:
                tag = data[first:last]
            elif number == 2 and last - first == 4:
                value = _FLOAT.unpack_from(data, first)[0]
            elif number == 8 and last >= 0:
                value = number_of_tensor(data, first, last)
            elif number == 9 and last >= 0:
                metadata = first, last
        if tag.startswith(_HPARAMS.encode()):
            if metadata is not None:
                self.hparams.update(_hparams(data, *metadata))
                self.rows += 1
        elif value is not None and (name := self._name_of(tag)) is not None:
            self._take(name, step, value, time)

    def _name_of(self, tag: bytes) -> str | None:
        if tag not in self._names:
            text = tag.decode("utf-8", "replace")
            name = text if text.startswith(self._prefix) else self._prefix + text
            if len(self._names) >= MAX_KEYS:
                return name
            self._names[tag] = None if text.startswith(_HPARAMS) else name
        return self._names[tag]

    def _take(self, name: str, step: int, value: float, time: float | None) -> None:
        step = self._given.of(name, step)
        self.rows += 1
        if step > self.step:
            self.step = step
            if time is not None:
                self.times.append((step, time))
        self.columns.put(name, step, value)


# ------------------------------------------------------------------------------------------------ hyperparameters


def _hparams(data: bytes, start: int, stop: int) -> dict[str, Any]:
    """SummaryMetadata -> plugin_data (1) -> content (2) -> session_start_info (3) -> hparams (1), a map."""
    found: dict[str, Any] = {}
    for first, last in _below(data, [(start, stop)], 1, 2, 3, 1):
        key, value = "", None
        for number, begin, end in fields(data, first, last):
            if number == 1 and end >= 0:
                key = data[begin:end].decode("utf-8", "replace")
            elif number == 2 and end >= 0:
                value = _plain_value(data, begin, end)
        if key and value is not None and len(found) < MAX_KEYS:
            found[key] = value
    return found


def _below(data: bytes, places: list[tuple[int, int]], *path: int) -> list[tuple[int, int]]:
    """Return the positions of the submessages at a path of field numbers."""
    for wanted in path:
        places = [
            (first, last)
            for start, stop in places
            for number, first, last in fields(data, start, stop)
            if number == wanted and last >= 0
        ]
    return places


def _plain_value(data: bytes, start: int, stop: int) -> float | str | bool | None:
    """Return a google.protobuf.Value if it is a number, string or bool; otherwise None."""
    for number, first, last in fields(data, start, stop):
        if number == 2 and last - first == 8:
            value = float(_DOUBLE.unpack_from(data, first)[0])
            return int(value) if value.is_integer() and abs(value) < 2**53 else value
        if number == 3 and last >= 0:
            return data[first:last].decode("utf-8", "replace")
        if number == 4 and last < 0:
            return bool(first)
    return None
