"""Write `.wandb` bytes in the layouts of old and new versions, and read them with W&B's own protobuf classes."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from autoloop.metric_readers.columns import Columns
from autoloop.metric_readers.wandb_log import WandbLog
from autoloop.model import Series

BLOCK = 32768
HEADER = b":W&B\xe1\xbe\x00"


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def part(field: int, data: bytes | str) -> bytes:
    raw = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def item(key: str | tuple[str, ...], text: str, *, field: int = 1) -> bytes:
    """Return a HistoryItem or ConfigItem; a tuple is a nested key, a string an old flat key."""
    keys = part(1, key) if isinstance(key, str) else b"".join(part(2, name) for name in key)
    return part(field, keys + part(16, text))


def new_row(values: Mapping[str | tuple[str, ...], Any], step: int, *, own_step: bool = True) -> bytes:
    """Return a row as 0.18 and later write it: nested keys, and the step as an item and in the record (or only there)."""
    items = [item(key if isinstance(key, tuple) else (key,), json.dumps(value)) for key, value in values.items()]
    if own_step:
        items.insert(len(items) // 2, item(("_step",), str(step)))
    return part(2, b"".join(items) + part(2, number(1, step) if step else b""))


def old_row(values: Mapping[str, Any], step: int | None) -> bytes:
    """Return a row as 0.12 writes it: plain keys, a dictionary as one JSON value, the step only as an item."""
    items = [item(key, json.dumps(value)) for key, value in values.items()]
    if step is not None:
        items.append(item("_step", str(step)))
    return part(2, b"".join(items))


def config(values: Mapping[str | tuple[str, ...], Any]) -> bytes:
    return b"".join(
        item(key if isinstance(key, tuple) else (key,), json.dumps(value), field=1) for key, value in values.items()
    )


def exit_record(code: int) -> bytes:
    """Return an exit record, in which the control field comes first."""
    return part(16, b"") + part(18, number(1, code) if code else b"")


def frame(records: Iterable[bytes], numbered: bool = True) -> bytes:
    out = bytearray(HEADER)
    for index, record in enumerate(records, 1):
        rest = (number(1, index) if numbered else b"") + record
        first = True
        while True:
            room = BLOCK - len(out) % BLOCK
            if room < 7:
                out += b"\0" * room
                room = BLOCK
            piece, rest = rest[: room - 7], rest[room - 7 :]
            kind = (1 if not rest else 2) if first else (4 if not rest else 3)
            out += chunk(kind, piece)
            first = False
            if not rest:
                break
    return bytes(out)


def chunk(kind: int, piece: bytes) -> bytes:
    return struct.pack("<IHB", zlib.crc32(bytes([kind]) + piece), len(piece), kind) + piece


# ------------------------------------------------------------------------------------------------------ reading


def read_all(log: WandbLog, budget: int = 4 << 20, most: int = 10_000) -> WandbLog:
    for _ in range(most):
        if not log.poll(budget):
            return log
    raise AssertionError("the reader does not come to an end")


def read(path: Path) -> WandbLog:
    return read_all(WandbLog(path, Columns()))


def plain(columns: Mapping[str, Series]) -> dict[str, tuple[bytes, bytes]]:
    """Return columns in a form that can be compared bit by bit, including NaN."""
    return {key: (series.steps.tobytes(), series.values.tobytes()) for key, series in columns.items()}


def is_prefix(shorter: Mapping[str, Series], longer: Mapping[str, Series]) -> bool:
    return all(
        key in longer
        and longer[key].steps[: len(series)] == series.steps
        and longer[key].values[: len(series)].tobytes() == series.values.tobytes()
        for key, series in shorter.items()
    )


def split_records(data: bytes) -> list[bytes]:
    """Return the records of an undamaged file, with a separate implementation of the framing that needs the whole file."""
    records, parts, position = [], b"", 7
    while position + 7 <= len(data):
        if BLOCK - position % BLOCK < 7:
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        body = data[position + 7 : position + 7 + length]
        if len(body) < length:
            break
        parts += body
        if kind in (1, 4):
            records.append(parts)
            parts = b""
        position += 7 + length
    return records


def reference(data: bytes) -> dict[str, list[tuple[int, float]]]:
    """Return every number of the history, read with W&B's protobuf classes and json: {dotted key: [(step, value)]}."""
    from wandb.proto import wandb_internal_pb2 as pb

    out: dict[str, list[tuple[int, float]]] = {}
    for raw in split_records(data):
        record = pb.Record.FromString(raw)
        if record.WhichOneof("record_type") != "history":
            continue
        row = {".".join(entry.nested_key) or entry.key: json.loads(entry.value_json) for entry in record.history.item}
        for key, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and not key.startswith("_"):
                out.setdefault(key, []).append((row["_step"], float(value)))
    return out
