"""What the two ends of a connection say to each other, and how it goes through a pipe.

A message is four bytes of length and that many of a stream that is compressed as a whole, so that what resembles earlier
messages costs little.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from autoloop.engine import Holder
from autoloop.engine.runs.presence import Presence
from autoloop.model import Sender
from autoloop.model.structs import decoder
from autoloop.store.copying import Table

from autoloop_tui.console.telemetry import Sample

MARK = b"\x00autoloop console 1\n"
"""What the far end says first: anything before it was printed by the shell's start files."""

BEAT = 2.0
"""Seconds after which an end that has nothing to say says so."""

SILENCE = 15.0
"""Seconds without a word after which a connection is taken to be cut."""

LARGEST = 1 << 30
"""Bytes of a message."""


class ConnectionCutError(OSError):
    """The stream ended, or what came through it is no message."""


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    pass


# ------------------------------------------------------------------------------------------------ from the console's end


class Hello(Message, frozen=True):
    """The first message. `schema` is of the store, `loop` a name or number, else the newest."""

    version: str
    schema: int
    loop: str | None


class LogEnd(msgspec.Struct, frozen=True, array_like=True):
    """How far a log has been read: the offset in its file, and the bytes that had been cut out of its middle."""

    offset: int
    left_out: int


class Look(Message, frozen=True):
    """What is on the screen: the loop, runs whose histories and runs whose logs are wanted, and whether the machine's load
    is."""

    loop: int
    histories: list[str]
    logs: dict[str, LogEnd | None]
    """By attempt: what is there of it already."""
    sample: bool


class Ask(Message, frozen=True):
    """A request, as a command's row holds it. `key` is this connection's, for `Sent`."""

    key: int
    loop: int
    verb: str
    payload: bytes
    sender: Sender


class Wake(Message, frozen=True):
    """Start an engine."""

    loop: int


class Beat(Message, frozen=True):
    pass


# ------------------------------------------------------------------------------------------------- from the loop's end


class Welcome(Message, frozen=True):
    project: str
    user: str
    loop: int


class Refused(Message, frozen=True):
    """Nothing can be shown, in a sentence."""

    why: str


class Rows(Message, frozen=True):
    """What has changed in the store, as one state of it. `whole`: everything else is not there any more."""

    tables: list[Table]
    whole: bool


class File(Message, frozen=True):
    """A small file, by its path below the project."""

    path: str
    data: bytes


class State(Message, frozen=True):
    """Where the loop stands outside the store. Times are those of the loop's machine."""

    at: float
    loop: int
    engine: Holder | None
    present: dict[str, Presence]
    gone_at: float | None
    gone_seen: bool
    unmasked: str
    problem: str | None


class Ready(Message, frozen=True):
    """All that the first paint needs has been sent."""


class Points(msgspec.Struct, frozen=True, array_like=True):
    """A part of a series, from its place `start` to its end: int64 and float64, little-endian."""

    start: int
    steps: bytes
    values: bytes


class History(Message, frozen=True):
    """What is new in a run's history. `attempts`: of the run, whose last one it is of. `anew`: what is known of it is not
    there any more."""

    run: str
    attempts: int
    anew: bool
    points: dict[str, Points]
    dropped: list[str]
    step: int
    rate: float | None
    complete: bool
    """All that is there has been sent."""


class LogPart(Message, frozen=True):
    """What follows in the log of an attempt, without secrets. `anew`: it begins again."""

    attempt: str
    anew: bool
    data: bytes
    end: LogEnd


class Load(Message, frozen=True):
    sample: Sample


class Sent(Message, frozen=True):
    """What became of an `Ask`: the command's number, or why there is none."""

    key: int
    number: int | None
    problem: str


class Woken(Message, frozen=True):
    ok: bool
    text: str


FromConsole = Hello | Look | Ask | Wake | Beat
FromLoop = Welcome | Refused | Rows | File | State | Ready | History | LogPart | Load | Sent | Woken | Beat

M = TypeVar("M")


class Writer:
    """One direction of the stream. Used by one thread."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._encode = msgspec.msgpack.Encoder().encode
        self._packer = zlib.compressobj(level=6)

    def send(self, message: Message) -> None:
        data = self._packer.compress(self._encode(message)) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        self._write(len(data).to_bytes(4, "big") + data)


class Reader(Generic[M]):
    """The other direction: messages of the bytes that have come, however they were cut."""

    def __init__(self, kind: Any) -> None:
        decoder(kind)  # resolves its types beside no other thread
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._unpacker = zlib.decompressobj()
        self._rest = bytearray()

    def take(self, data: bytes) -> list[M]:
        """The messages that are complete now. ConnectionCutError if it is none."""
        self._rest += data
        found: list[M] = []
        while len(self._rest) >= 4 and len(self._rest) >= 4 + (length := int.from_bytes(self._rest[:4], "big")):
            packed = bytes(self._rest[4 : 4 + length])
            del self._rest[: 4 + length]
            try:
                plain = self._unpacker.decompress(packed, LARGEST)
                found.append(self._decoder.decode(plain))
            except (zlib.error, msgspec.DecodeError) as error:
                raise ConnectionCutError(f"received an invalid message ({error})") from None
        return found


def changes_of(before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[dict[str, Points], list[str]]:
    """What is to be sent of series (`steps`, `values`) to whoever has those before."""
    points: dict[str, Points] = {}
    for name, series in now.items():
        known = before.get(name)
        start = len(known) if known is not None else 0
        if known is None or not _begins_with(series, known):
            start = 0
        if start < len(series) or known is None:
            points[name] = Points(start, series.steps[start:].tobytes(), series.values[start:].tobytes())
    return points, [name for name in before if name not in now]


def _begins_with(series: Any, known: Any) -> bool:
    """By its bytes: a NaN is equal to itself here."""
    end = len(known)
    return (
        len(series) >= end
        and series.steps[:end].tobytes() == known.steps.tobytes()
        and series.values[:end].tobytes() == known.values.tobytes()
    )
