"""Reads the framing of `.wandb` and `.swanlab` files: records split into checksummed chunks in blocks of 32 KiB.

The framing is that of LevelDB's log. A chunk is `crc32, length, type` and its bytes; it never crosses a block boundary, so
after damage reading can continue at the next block.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from struct import Struct
from typing import Final
from zlib import crc32

from autoloop.metric_readers import native
from autoloop.metric_readers.tail import Tail

BLOCK: Final = 32768
MAGIC: Final = b":W&B\xe1\xbe\x00"
MAX_RECORD: Final = 16 << 20
"""Bytes; longer records are skipped, so that a damaged file cannot exhaust memory."""

_HEAD = Struct("<IHB").unpack_from
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_BEGUN = {kind: crc32(bytes([kind])) for kind in (_FULL, _FIRST, _MIDDLE, _LAST)}
"""Initial checksums by chunk type: a chunk's checksum covers its type first."""
_READ = 1 << 20


class RecordLog:
    """Passes each complete record to `take` once, in order and in batches; counts what it had to skip."""

    def __init__(self, path: Path, take: Callable[[list[bytes]], None], magic: bytes = MAGIC) -> None:
        self.tail = Tail(path)
        self._magic = magic
        self._take = take
        self._restarts = 0
        self._grown = False
        self._clear()

    def _clear(self) -> None:
        self.strange = False
        """Whether the file does not begin with the magic bytes of its kind."""
        self._damaged = 0
        self._bad_end = False
        self._parts: list[bytes] | None = None  # of a record that spans chunks; empty while it is skipped
        self._parts_size = 0

    @property
    def damaged(self) -> int:
        return self._damaged + self._bad_end

    def look(self) -> bool:
        """Check the file. Returns whether it was replaced, so that all records will be read again."""
        self._grown = self.tail.look()
        if self.tail.restarts == self._restarts:
            return False
        self._restarts = self.tail.restarts
        self._clear()
        return True

    def read(self, budget: int) -> bool:
        """Read at most `budget` (at least 64 KiB) bytes after `look`. Returns whether it stopped only because of that."""
        left = max(budget, 2 * BLOCK)
        while self._grown and left >= 2 * BLOCK:  # so that a whole chunk always fits
            wanted = min(left, _READ)
            data = self.tail.read(wanted)
            records: list[bytes] = []
            used = self._chunks(data, records) if data else 0
            if records:
                self._take(records)
            self.tail.offset += used
            left -= used
            # Fewer bytes than wanted: the file ended there when it was read, whatever its size was before.
            if not used or len(data) <= used < wanted:
                self.tail.wait()
                self._grown = False
        return self._grown

    def _chunks(self, data: bytes, records: list[bytes]) -> int:
        """Append the records in the chunks at the start of `data` to `records`. Returns the number of bytes consumed,
        which may exceed the length of `data`."""
        base, size, end = self.tail.offset, self.tail.size, len(data)
        position = 0
        if base == 0:
            if end < len(self._magic):
                return 0
            self.strange = data[: len(self._magic)] != self._magic
            position = len(self._magic)
        self._bad_end = False
        block_end = position + BLOCK - (base + position) % BLOCK
        head, checked, begun, compiled = _HEAD, crc32, _BEGUN, native.compiled
        while True:
            if compiled is not None and self._parts is None:
                position, block_end = compiled.whole_records(data, position, block_end, records)
            start = position + 7
            if start > block_end:
                position, block_end = block_end, block_end + BLOCK
                continue
            if start > end:
                return position
            checksum, length, kind = head(data, position)
            stop = start + length
            if stop <= block_end and kind in begun:
                if stop > end:
                    return position
                piece = data[start:stop]
                if checked(piece, begun[kind]) == checksum:
                    if kind == _FULL and self._parts is None:
                        records.append(piece)
                    else:
                        self._part(kind, piece, records)
                    position = stop
                    continue
            # Damage makes the rest of a block unreadable. If the block is incomplete, wait: on a network file system,
            # bytes may arrive late.
            blank = not (checksum or length or kind)  # space that was reserved but never written
            if base + block_end > size:
                self._bad_end = not blank
                return position
            self._damaged += not blank
            self._parts = None
            position, block_end = block_end, block_end + BLOCK

    def _part(self, kind: int, part: bytes, records: list[bytes]) -> None:
        if kind in (_FULL, _FIRST):
            if self._parts is not None:  # the previous record was never completed
                self._damaged += 1
                self._parts = None
            if kind == _FULL:
                records.append(part)
            else:
                self._parts, self._parts_size = [part], len(part)
        elif self._parts is not None:  # else it began in a damaged block, which has been counted
            self._parts_size += len(part)
            if self._parts and self._parts_size > MAX_RECORD:
                self._damaged += 1
                self._parts = []
            if self._parts:
                self._parts.append(part)
            if kind == _LAST:
                records.append(b"".join(self._parts))
                self._parts = None
