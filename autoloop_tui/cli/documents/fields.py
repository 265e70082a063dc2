"""The fields of a struct, for the document built from it."""

from __future__ import annotations

from typing import Any

from autoloop.model import Loop, LoopSpec, Note, Proposal


def fields_of(given: Loop | LoopSpec | Proposal | Note) -> dict[str, Any]:
    return {name: getattr(given, name) for name in given.__struct_fields__}
