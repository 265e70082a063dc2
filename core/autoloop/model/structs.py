"""What is read into structs, by decoders that one thread makes at a time.

msgspec resolves a struct's types when it first meets it, and two threads that do so at the same moment end the process
(SIGSEGV, seen with 0.22). An engine has threads for its places, the console for its loading, the MCP server for its calls.
"""

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_MAKING = threading.Lock()
_MADE: dict[Any, msgspec.json.Decoder[Any]] = {}


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """The JSON decoder of a type, one for all threads."""
    found = _MADE.get(kind)
    if found is None:
        with _MAKING:
            found = _MADE.setdefault(kind, _MADE.get(kind) or msgspec.json.Decoder(kind))
    return found


def decode(data: bytes | str, kind: type[T]) -> T:
    """JSON as `kind`. msgspec.DecodeError, msgspec.ValidationError."""
    return decoder(kind).decode(data)


def convert(value: object, kind: type[T]) -> T:
    """A value made of dicts, lists and scalars as `kind`. msgspec.ValidationError."""
    decoder(kind)
    return msgspec.convert(value, kind)
