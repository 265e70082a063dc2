"""Reads `TensorProto` messages with a single number: TensorFlow 2 writes scalars this way, other writers optionally."""

from __future__ import annotations

from struct import Struct
from typing import Final

from autoloop.metric_readers.protobuf import fields, read_varint, signed

_FLOAT: Final = Struct("<f")
_DOUBLE: Final = Struct("<d")
_CONTENT: Final = {
    1: _FLOAT,
    2: _DOUBLE,
    3: Struct("<i"),
    4: Struct("<B"),
    5: Struct("<h"),
    6: Struct("<b"),
    9: Struct("<q"),
    10: Struct("<?"),
    17: Struct("<H"),
    19: Struct("<e"),
    22: Struct("<I"),
    23: Struct("<Q"),
}
"""TensorFlow's DataType -> the layout of one number in `tensor_content`."""
_HALF: Final = 19
_BFLOAT: Final = 14
_PACKED: Final = {5: _FLOAT, 6: _DOUBLE}
"""Field of TensorProto (`float_val`, `double_val`) -> the layout of its packed values."""
_VARINTS: Final = (7, 10, 11, 13, 16, 17)
"""`int_val`, `int64_val`, `bool_val`, `half_val` (16 bits of a float), `uint32_val` and `uint64_val`."""


def number_of_tensor(data: bytes, start: int, stop: int) -> float | None:
    """Return the number in a TensorProto; None for a string, an image, or a tensor of several numbers."""
    kind = 0
    found: list[float] = []
    for number, first, last in fields(data, start, stop):
        if number == 1 and last < 0:
            kind = first
        elif number == 2 and last >= 0 and _elements(data, first, last) != 1:
            return None
        elif number == 4 and last >= 0:
            if kind == _BFLOAT and last - first == 2:
                found.append(_half(kind, int.from_bytes(data[first:last], "little")))
                continue
            layout = _CONTENT.get(kind)
            if layout is None or last - first != layout.size:
                return None
            found.append(float(layout.unpack_from(data, first)[0]))
        elif number in _PACKED and last >= 0:
            if last - first != _PACKED[number].size:
                return None
            found.append(float(_PACKED[number].unpack_from(data, first)[0]))
        elif number in _VARINTS:
            if last >= 0:
                first, behind = read_varint(data, first, last)
                if behind != last:
                    return None
            found.append(_half(kind, first) if number == 13 else float(signed(first) if number < 16 else first))
    return found[0] if len(found) == 1 else None


def _half(kind: int, bits: int) -> float:
    """Convert the bits of a float16 or bfloat16."""
    if kind == _HALF:
        return float(_CONTENT[_HALF].unpack((bits & 0xFFFF).to_bytes(2, "little"))[0])
    return float(_FLOAT.unpack((bits << 16 & 0xFFFFFFFF).to_bytes(4, "little"))[0])


def _elements(data: bytes, start: int, stop: int) -> int:
    """Return the number of elements of a TensorShapeProto."""
    count = 1
    for number, first, last in fields(data, start, stop):
        if number == 2 and last >= 0:
            count *= next((signed(value) for field, value, end in fields(data, first, last) if field == 1 and end < 0), 0)
    return count
