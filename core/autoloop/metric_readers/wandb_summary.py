"""Reads W&B's summary from its log: SummaryRecords -> the latest value of each key."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from autoloop.metric_readers import native
from autoloop.metric_readers.columns import MAX_KEYS, as_step, numbers
from autoloop.metric_readers.json_value import decoded
from autoloop.metric_readers.protobuf import MalformedError, fields
from autoloop.metric_readers.wandb_messages import split

_HISTORY, _SUMMARY = b"\x12", b"\x1a"
_Items = list[tuple[tuple[str, ...], bytes]]
"""The key path and the text of each value."""

_decode = msgspec.json.Decoder(list[float]).decode


class WandbSummary:
    """`values` has the summary's numbers by dotted key, without W&B's own keys; `step` is the summary's step."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.step = 0
        self._paths: dict[bytes, tuple[str, ...]] = {}
        """Key paths by the bytes of the key fields; wandb 0.31 writes all of them again with each row."""
        self._numbers: dict[bytes, str] = {}
        """Dotted keys of the items that have had numbers, by the same bytes."""

    def take(self, record: bytes) -> bool:
        """Read a record. Returns whether it was well-formed to its end."""
        found = native.compiled.summary_items(record) if native.compiled is not None else None
        if found is not None and self._take_numbers(*found):
            return True
        items, whole = self._items(record) if found is None else self._named(*found), True
        if items is None:
            items, whole = self._walk(record)
        texts: list[tuple[str, bytes]] = []
        media: tuple[str, ...] = ()
        for path, text in items:
            key = ".".join(path)
            if path[-1:] == ("_type",):
                media += (".".join(path[:-1]) + ".",)
            elif key == "_step":
                whole &= self._set_step(text)
            elif path and not key.startswith("_"):
                texts.append((key, text))
        values = _floats([text for _, text in texts])
        for index, (key, text) in enumerate(texts):
            if key.startswith(media) or len(self.values) >= MAX_KEYS:
                continue
            if values is not None:
                self.values[key] = values[index]
            else:
                self.values.update(numbers(key, decoded(text)))
        if found is not None and not media and len(self._numbers) < MAX_KEYS:
            known = self.values.keys() | {"_step", "_runtime", "_timestamp"}
            self._numbers |= {head: key for head in found[0] if (key := ".".join(self._path(head))) in known}
        return whole

    def _take_numbers(self, heads: list[bytes], texts: list[bytes]) -> bool:
        """Read items that have all had numbers before, as in nearly every record. Returns False if it has others."""
        keys = [key for head in heads if (key := self._numbers.get(head)) is not None]
        values = _floats(texts) if len(keys) == len(heads) else None
        if values is None or len(self.values) >= MAX_KEYS:
            return False
        self.values.update(zip(keys, values, strict=True))
        for key in ("_runtime", "_timestamp"):
            self.values.pop(key, None)
        step = as_step(self.values.pop("_step", math.nan))
        self.step = self.step if step is None else step
        return True

    def _set_step(self, text: bytes) -> bool:
        said = decoded(text)
        if not isinstance(said, float | int):
            return False
        step = as_step(said)
        self.step = self.step if step is None else step
        return True

    def _items(self, record: bytes) -> _Items | None:
        """Return all items at once; None if the record is not as wandb writes it with each row."""
        if native.compiled is not None:
            return None
        at = behind_number(record)
        rows = split([_HISTORY + record[at + 1 :]]) if record[at : at + 1] == _SUMMARY else None  # rows have the same items
        if rows is None:
            return None
        if rows.flat:
            return [((head.decode("utf-8", "replace"),), text) for head, text in zip(rows.heads, rows.texts, strict=True)]
        return self._named(rows.heads, rows.texts)

    def _named(self, heads: Sequence[bytes], texts: Sequence[bytes]) -> _Items:
        return [(self._path(head), text) for head, text in zip(heads, texts, strict=True)]

    def _walk(self, record: bytes) -> tuple[_Items, bool]:
        """Parse field by field. Returns the items set and whether the record was well-formed; applies removals directly."""
        items: _Items = []
        try:
            for number, first, last in fields(record, 0, len(record)):
                if number != 3:
                    continue
                for inner, a, b in fields(record, first, last):
                    path, text = path_and_text(record, a, b)
                    if inner == 2:
                        self.values.pop(".".join(path), None)
                    else:
                        items.append((tuple(path), text))
        except (MalformedError, IndexError):
            return items, False
        return items, True

    def _path(self, head: bytes) -> tuple[str, ...]:
        path = self._paths.get(head)
        if path is None:
            if len(self._paths) >= 2 * MAX_KEYS:
                self._paths.clear()
            names = [head[a:b].decode("utf-8", "replace") for _, a, b in fields(head, 0, len(head))]
            path = self._paths[head] = tuple(names)
        return path


def behind_number(record: bytes) -> int:
    """Return the offset of the field after a record's number."""
    if record[:1] != b"\x08":
        return 0
    at = 1
    while at < len(record) and record[at] > 127:
        at += 1
    return at + 1


def path_and_text(data: bytes, start: int, stop: int) -> tuple[list[str], bytes]:
    """Return the key path of a config or summary item and the text of its value."""
    path: list[str] = []
    text = b""
    for inner, a, b in fields(data, start, stop):
        if inner in (1, 2) and b >= 0:
            path.append(data[a:b].decode("utf-8", "replace"))
        elif inner == 16 and b >= 0:
            text = data[a:b]
    return path, text


def _floats(texts: list[bytes]) -> list[float] | None:
    """Return the values if all of them are numbers; otherwise None."""
    try:
        values = _decode(b"[%b]" % b",".join(texts))
    except msgspec.DecodeError:
        return None
    return values if len(values) == len(texts) else None
