"""JSON as trainers and W&B write it: NaN and Infinity bare, and any text a path can have."""

from __future__ import annotations

import json
from typing import Any

import msgspec

BOM = b"\xef\xbb\xbf"


def decoded(text: bytes) -> Any:
    """The JSON value in `text`, which may begin with a byte order mark; None if it is none.

    What UTF-8 has no bytes for (half a surrogate pair: in Python's texts, a byte of a path that is none) is a `?`.
    msgspec is four times faster than json but refuses such halves, NaN and Infinity.
    """
    text = text.removeprefix(BOM)
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        pass
    try:
        value = json.loads(text.decode("utf-8", "surrogatepass"))  # of bytes, json would guess the encoding
        if b"\\u" in text:
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value
