"""JSON answers held against their schemas, so strictly that a field which no schema names is an error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from autoloop_tui.cli.output import printing

_answer, answer_parts = printing.answer, printing.answer_parts
checked: set[str] = set()
"""The answers that have been printed in this process."""


def checked_answer(name: str, document: Mapping[str, Any]) -> str:
    """In place of `printing.answer`: what it prints, if that is what the schema says."""
    text = _answer(name, document)
    _check(name, text)
    return text


def checked_parts(name: str, field: str, values: Iterable[Any]) -> Iterator[str]:
    """The same in place of `printing.answer_parts`."""
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
    """No object may have fields beside those that are named."""
    if isinstance(node, dict):
        if "properties" in node:
            node.setdefault("additionalProperties", False)
        for value in node.values():
            _close(value)
    elif isinstance(node, list):
        for value in node:
            _close(value)
