"""The messages between the two ends of a connection, and their encoding in a pipe.

A message is a four-byte length followed by that many bytes of one compressed stream. Compressing the stream as a whole makes
messages that resemble earlier ones cheap.
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
"""Printed by the other end first; anything before it comes from the shell's start files."""

BEAT = 2.0
"""Seconds after which an idle end sends a heartbeat."""

SILENCE = 15.0
"""Seconds of silence after which a connection counts as lost."""

LARGEST = 1 << 30
"""Maximum size of a message in bytes."""


class ConnectionCutError(OSError):
    """The stream ended or contained an invalid message."""


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    pass


# ------------------------------------------------------------------------------------------------ from the console's end


class Hello(Message, frozen=True):
    """The first message. `schema` is the store's schema version; `loop` is a name or number, None for the newest."""

    version: str
    schema: int
    loop: str | None


class LogEnd(msgspec.Struct, frozen=True, array_like=True):
    """How far a log has been read: the offset in its file, and the number of bytes cut out of its middle."""

    offset: int
    left_out: int


class Look(Message, frozen=True):
    """What is on screen: the loop, the runs whose histories and the attempts whose logs are wanted, and whether the
    machine's load is."""

    loop: int
    histories: list[str]
    logs: dict[str, LogEnd | None]
    """By attempt: how much of the log the console already has."""
    sample: bool


class Ask(Message, frozen=True):
    """A request, encoded as in a command's row. `key` identifies it in this connection, for `Sent`."""

    key: int
    loop: int
    verb: str
    payload: bytes
    sender: Sender


class Wake(Message, frozen=True):
    """Request to start an engine."""

    loop: int


class Beat(Message, frozen=True):
    pass


# ------------------------------------------------------------------------------------------------- from the loop's end


class Welcome(Message, frozen=True):
    project: str
    user: str
    loop: int


class Refused(Message, frozen=True):
    """Nothing can be shown; `why` is a sentence."""

    why: str


class Rows(Message, frozen=True):
    """Changes of the store that form one consistent state. `whole`: rows that are not included no longer exist."""

    tables: list[Table]
    whole: bool


class File(Message, frozen=True):
    """A small file; `path` is relative to the project."""

    path: str
    data: bytes


class State(Message, frozen=True):
    """The state of the loop outside the store. Times are those of the loop's machine."""

    at: float
    loop: int
    engine: Holder | None
    present: dict[str, Presence]
    gone_at: float | None
    gone_seen: bool
    unmasked: str
    problem: str | None


class Ready(Message, frozen=True):
    """Everything needed for the first paint has been sent."""


class Points(msgspec.Struct, frozen=True, array_like=True):
    """The part of a series from index `start` to the end; int64 steps and float64 values, little-endian."""

    start: int
    steps: bytes
    values: bytes


class History(Message, frozen=True):
    """New points of a run's history. `attempts` is the run's number of attempts; the history is that of the last one.
    `restart`: discard what is known of it."""

    run: str
    attempts: int
    restart: bool
    points: dict[str, Points]
    dropped: list[str]
    step: int
    rate: float | None
    complete: bool
    """Everything that exists has been sent."""


class LogPart(Message, frozen=True):
    """The next part of an attempt's log, with secrets masked. `restart`: start over."""

    attempt: str
    restart: bool
    data: bytes
    end: LogEnd


class Load(Message, frozen=True):
    sample: Sample


class Sent(Message, frozen=True):
    """The outcome of an `Ask`: the command's number, or why there is none."""

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
    """The sending direction of the stream. Used by one thread."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._encode = msgspec.msgpack.Encoder().encode
        self._packer = zlib.compressobj(level=6)

    def send(self, message: Message) -> None:
        data = self._packer.compress(self._encode(message)) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        self._write(len(data).to_bytes(4, "big") + data)


class Reader(Generic[M]):
    """The receiving direction: decodes messages from bytes split at arbitrary positions."""

    def __init__(self, kind: Any) -> None:
        decoder(kind)  # resolve the types while no other thread does
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._unpacker = zlib.decompressobj()
        self._rest = bytearray()

    def take(self, data: bytes) -> list[M]:
        """Return the messages completed by `data`. Raises ConnectionCutError if one is invalid."""
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
    """Return what to send of series (`steps`, `values`) to a receiver that has `before`: the new points, and the names of
    the series that no longer exist."""
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
    """Compare bytes, so that NaN equals itself."""
    end = len(known)
    return (
        len(series) >= end
        and series.steps[:end].tobytes() == known.steps.tobytes()
        and series.values[:end].tobytes() == known.values.tobytes()
    )
