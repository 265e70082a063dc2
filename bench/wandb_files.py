"""Files as wandb 0.31 lays them out: a summary record beside every row (half of the file), the items of both in an order of
their own each time."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import pack

BLOCK = 32768
CONTENTS = 16
"""Different histories among the runs of a folder."""


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def part(field: int, data: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(data)) + data


def item(key: str, value: float | int, field: int = 1) -> bytes:
    return part(field, part(2, key.encode()) + part(16, json.dumps(value).encode()))


class Framed:
    """A file that grows: records cut into chunks that never cross a block of 32 KiB."""

    def __init__(self) -> None:
        self.size = self.records = 0

    def add(self, record: bytes) -> bytes:
        """What this record adds to the file."""
        out = bytearray(b"" if self.size else b":W&B\xe1\xbe\x00")
        self.records += 1
        rest, first = b"\x08" + varint(self.records) + record, True
        while first or rest:
            room = BLOCK - (self.size + len(out)) % BLOCK
            if room < 7:
                out += bytes(room)
                room = BLOCK
            piece, rest = rest[: room - 7], rest[room - 7 :]
            kind = (1 if not rest else 2) if first else (4 if not rest else 3)
            out += pack("<IHB", zlib.crc32(bytes([kind]) + piece), len(piece), kind) + piece
            first = False
        self.size += len(out)
        return bytes(out)


def history(rows: int, metrics: int, numbers: random.Random) -> bytes:
    file = Framed()
    return b"".join(file.add(record) for record in records(rows, metrics, numbers))


def records(rows: int, metrics: int, numbers: random.Random) -> Iterator[bytes]:
    names = ["train/loss", "train/l1_loss", "train/ot_loss", "train/ot_pi_sum", "train/grad_norm"]
    names = (names + [f"train/metric_{index:02d}" for index in range(metrics)])[:metrics]
    config = item("steps", rows * 10) + part(1, part(2, b"ot") + part(16, b'{"loss_config": {"reg": 0.1}}'))
    yield part(17, part(1, b"bench") + part(4, config))
    for row in range(rows):
        values = [item(name, numbers.random()) for name in names]
        own = [item("_step", row * 10), item("_timestamp", 1.79e9 + row), item("_runtime", float(row))]
        numbers.shuffle(items := values + own)
        yield part(3, b"".join(items))
        numbers.shuffle(items)
        yield part(2, b"".join(items) + part(2, b"\x08" + varint(row * 10) if row else b""))
    yield part(18, b"")


def write_runs(root: Path, runs: int, rows: int, metrics: int) -> None:
    """Run folders below a folder, a hundred for each loop."""
    numbers = random.Random(0)
    contents = [history(rows, metrics, numbers) for _ in range(min(runs, CONTENTS))]
    for index in range(runs):
        name = f"{index:08d}"
        folder = root / f"loop_{1_700_000_000 + index // 100}" / f"{index % 100}_base_{name}"
        folder = folder / f"wandb/offline-run-20261122_080000-{name}"
        folder.mkdir(parents=True)
        (folder / f"run-{name}.wandb").write_bytes(contents[index % len(contents)])
