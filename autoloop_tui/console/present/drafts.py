"""Edits and values as a person types and reads them."""

from __future__ import annotations

_CLOSING = {"[": "]", "{": "}"}


def split_edits(text: str) -> list[str]:
    """One line of edits with spaces (or commas and spaces) between them; a JSON value may hold spaces itself."""
    edits, current, open_, quoted, escaped = [], "", list[str](), False, False
    for character in text:
        if character.isspace() and not open_ and not quoted:
            edits.append(current)
            current = ""
            continue
        current += character
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif not quoted and character in _CLOSING:
            open_.append(_CLOSING[character])
        elif not quoted and open_ and character == open_[-1]:
            open_.pop()
    return [edit for each in [*edits, current] if (edit := each.rstrip(","))]
