"""Decode data into structs, with decoders that only one thread at a time creates.

msgspec resolves a struct's types on first use, and two threads that do so at the same time crash the process (SIGSEGV, seen
with 0.22). The engine uses threads for its places, the console for loading, and the MCP server for its calls.
"""

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_MAKING = threading.Lock()
_MADE: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """The JSON decoder of a type, shared by all threads."""
    found = _MADE.get(kind)
    if found is None:
        with _MAKING:
            found = _MADE.setdefault(kind, _MADE.get(kind) or msgspec.json.Decoder(kind))
    return found


def decode(data: bytes | str, kind: type[T]) -> T:
    """JSON decoded as `kind`. Raises msgspec.DecodeError or msgspec.ValidationError."""
    return decoder(kind).decode(data)


def convert(value: object, kind: type[T]) -> T:
    """A value of dicts, lists and scalars converted to `kind`. Raises msgspec.ValidationError."""
    decoder(kind)
    return msgspec.convert(value, kind)
