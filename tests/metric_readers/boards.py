"""Write TensorBoard event files with kinds of events that no available logger writes on demand."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tests.metric_readers.builder import number, part, varint


def divided(crc: int) -> int:
    """Return the CRC-32C of eight bits, computed from its definition."""
    for _ in range(8):
        crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc


BYTES = [divided(byte) for byte in range(256)]


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ BYTES[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF


def board_record(event: bytes) -> bytes:
    length = struct.pack("<Q", len(event))
    return length + struct.pack("<I", masked(length)) + event + struct.pack("<I", masked(event))


def board_events(events: Iterable[bytes]) -> bytes:
    """Return a file; its first event states the version of the format."""
    return b"".join(map(board_record, [timed(b"", 0) + part(3, "brain.Event:2"), *events]))


def timed(rest: bytes, step: int, time: float = 1e9) -> bytes:
    return varint(1 << 3 | 1) + struct.pack("<d", time + step) + (number(2, step) if step else b"") + rest


def scalar_event(step: int, tag: str, value: float, *, tensor: bool = False) -> bytes:
    """Return a scalar event: `simple_value`, or as in TensorFlow 2 a tensor of one float without dimensions."""
    if tensor:
        shown = part(8, number(1, 1) + part(2, b"") + part(5, struct.pack("<f", value)))
    else:
        shown = varint(2 << 3 | 5) + struct.pack("<f", value)
    return timed(part(5, part(1, part(1, tag) + shown)), step)
