"""A minimal parser of protobuf's wire format: iterates over the fields of a message in a byte string, without copies."""

from __future__ import annotations

from collections.abc import Iterator


class MalformedError(Exception):
    """These bytes are not a protobuf message."""


Field = tuple[int, int, int]
"""(field number, start, stop) of a field's bytes; (field number, value, -1) for a varint."""


def read_varint(data: bytes, i: int, end: int) -> tuple[int, int]:
    """Return the unsigned number at `i` and the position after it."""
    value = shift = 0
    while i < end and shift < 70:
        byte = data[i]
        i += 1
        value |= (byte & 0x7F) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, i
        shift += 7
    raise MalformedError


def signed(value: int) -> int:
    """Convert the value of an int32 or int64 field, which is encoded as 64 unsigned bits."""
    return value - (1 << 64) if value >> 63 else value


def read_field(data: bytes, i: int, end: int) -> tuple[Field, int]:
    """Return the field with its tag at `i`, and the position after it."""
    tag, i = read_varint(data, i, end)
    wire = tag & 7
    if wire == 0:
        value, i = read_varint(data, i, end)
        return (tag >> 3, value, -1), i
    if wire == 2:
        length, i = read_varint(data, i, end)
    elif wire in (1, 5):
        length = 8 if wire == 1 else 4
    else:
        raise MalformedError
    if i + length > end:
        raise MalformedError
    return (tag >> 3, i, i + length), i + length


def fields(data: bytes, start: int, stop: int) -> Iterator[Field]:
    """Yield the fields of the message at `start`:`stop`."""
    if stop < start:
        raise MalformedError
    while start < stop:
        field, start = read_field(data, start, stop)
        yield field
