"""Decodes JSON as trainers and W&B write it: with bare NaN and Infinity, and with any text that a path can contain."""

from __future__ import annotations

import json
from typing import Any

import msgspec

BOM = b"\xef\xbb\xbf"


def decoded(text: bytes) -> Any:
    """Return the JSON value in `text`, which may begin with a byte order mark; None if it is not JSON.

    Lone surrogates (Python uses them for undecodable bytes of a path) become `?`, because UTF-8 cannot encode them.
    msgspec is four times faster than json but rejects lone surrogates, NaN and Infinity.
    """
    text = text.removeprefix(BOM)
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        pass
    try:
        value = json.loads(text.decode("utf-8", "surrogatepass"))  # given bytes, json would guess the encoding
        if b"\\u" in text:
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value
