"""JSON answers checked against their schemas. The check is strict: a field that no schema names is an error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from autoloop_tui.cli.output import printing

_answer, answer_parts = printing.answer, printing.answer_parts
checked: set[str] = set()
"""The names of the answers printed in this process."""


def checked_answer(name: str, document: Mapping[str, Any]) -> str:
    """Replacement for `printing.answer` that also checks the text against the schema."""
    text = _answer(name, document)
    _check(name, text)
    return text


def checked_parts(name: str, field: str, values: Iterable[Any]) -> Iterator[str]:
    """Replacement for `printing.answer_parts` that does the same."""
    parts = list(answer_parts(name, field, values))
    _check(name, "".join(parts))
    yield from parts


def _check(name: str, text: str) -> None:
    problems = faults(name, json.loads(text))
    assert not problems, f"{name}: {problems}"
    checked.add(name)


def faults(name: str, document: Any) -> list[str]:
    return [f"{'/'.join(map(str, each.path))}: {each.message}"[:500] for each in validator(name).iter_errors(document)]


@cache
def validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    from autoloop_tui.cli.documents.json_schema import schema

    found = schema(name)
    Draft202012Validator.check_schema(found)
    _close(found)
    return Draft202012Validator(found)


def _close(node: Any) -> None:
    """Forbid fields that the schema does not name."""
    if isinstance(node, dict):
        if "properties" in node:
            node.setdefault("additionalProperties", False)
        for value in node.values():
            _close(value)
    elif isinstance(node, list):
        for value in node:
            _close(value)
