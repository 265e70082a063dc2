"""Parses many rows of a W&B log at once with the protobuf library: its C code (upb) is faster than Python.

The messages are those of wandb_internal.proto, reduced to the fields of rows, in several views of the same bytes:

* `Merged` declares one item although the file has many. protobuf merges repeated messages, so the keys and the values of all
  items of all rows end up in two lists, which can be copied out with one call each.
* `Flat` (an item has one key) and `Nested` (an item has any number) describe valid rows; for other rows, the two lists would
  not match. A batch is accepted only if parsing it as one of these and serialising it again gives the same bytes.
* `Items` has each item's bytes. For nested keys, they are cut before the value, because the lists do not show which keys
  belong to one item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple


class Rows(NamedTuple):
    """The contents of a batch of rows: the items of all rows in one list, and the number of items of each row."""

    flat: bool
    """Whether `heads` are keys; otherwise they are the bytes of all key fields of an item."""
    heads: list[bytes]
    texts: list[bytes]
    sizes: list[int]
    step: Callable[[int], int | None]
    """The step that a row has in addition to its items."""


class _Messages(NamedTuple):
    merged: Any
    flat: Any
    nested: Any
    items: Any
    errors: tuple[type[Exception], ...]


def split(records: Sequence[bytes]) -> Rows | None:
    """Parse the rows of these records, each from its field `history` on.

    Returns None if they are not exactly as wandb writes rows, or if protobuf has no C code here. Then the caller has to
    parse them field by field."""
    messages = _messages()
    if messages is None:
        return None
    data = b"".join(records)
    try:
        item = messages.merged.FromString(data).history.item
        texts: list[bytes] = item.value_json[:]
        heads: list[bytes] = item.nested_key[:]
        flat = len(heads) == len(texts)
        checked = (messages.flat if flat else messages.nested).FromString(data)
        checked.DiscardUnknownFields()  # these are serialised last, so the bytes might be equal
        if checked.SerializeToString() != data:
            return None
        if not flat:
            items = messages.items.FromString(data).history.item[:]
            heads = [item[: -len(text) - _before(text)] for item, text in zip(items, texts, strict=True)]
    except messages.errors:
        return None
    rows = checked.history

    def step(index: int) -> int | None:
        row = rows[index]
        return row.step.num if row.HasField("step") else None

    return Rows(flat, heads, texts, [len(row.item) for row in rows], step)


def _before(text: bytes) -> int:
    """Return the bytes before the text of a value: 2 for its tag, and one per 7 bits of its length."""
    return 3 if len(text) < 128 else 2 + (len(text).bit_length() + 6) // 7


@cache
def _messages() -> _Messages | None:
    """Return the message classes; created when the first log is read, because the library is slow to load."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
    from google.protobuf.internal import api_implementation

    if api_implementation.Type() != "upb":
        return None
    file = descriptor_pb2.FileDescriptorProto(
        name="autoloop_wandb_rows.proto", package="autoloop_wandb_rows", syntax="proto2"
    )
    kind = descriptor_pb2.FieldDescriptorProto
    one, needed, many = kind.LABEL_OPTIONAL, kind.LABEL_REQUIRED, kind.LABEL_REPEATED

    def define(name: str, *fields: tuple[str, int, Any, Any]) -> None:
        defined = file.message_type.add(name=name)
        for field, number, label, type_ in fields:
            if isinstance(type_, str):
                named = f".{file.package}.{type_}"
                defined.field.add(name=field, number=number, label=label, type=kind.TYPE_MESSAGE, type_name=named)
            else:
                defined.field.add(name=field, number=number, label=label, type=type_)

    define("Step", ("num", 1, one, kind.TYPE_INT64))
    keys = {"Merged": many, "Nested": many, "Flat": one}
    for reading, label in keys.items():
        value = many if reading == "Merged" else needed
        both = [("key", 1, label, kind.TYPE_BYTES)] if reading == "Nested" else []
        value_json = ("value_json", 16, value, kind.TYPE_BYTES)
        define(f"{reading}Item", *both, ("nested_key", 2, label, kind.TYPE_BYTES), value_json)
        several = one if reading == "Merged" else many
        define(f"{reading}Row", ("item", 1, several, f"{reading}Item"), ("step", 2, one, "Step"))
        define(reading, ("history", 2, several, f"{reading}Row"))
    define("ItemsRow", ("item", 1, many, kind.TYPE_BYTES))
    define("Items", ("history", 2, one, "ItemsRow"))

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    merged, flat, nested, items = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{reading}"))
        for reading in ("Merged", "Flat", "Nested", "Items")
    )
    return _Messages(merged, flat, nested, items, (message.DecodeError, message.EncodeError))
