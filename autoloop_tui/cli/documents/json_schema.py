"""The JSON Schema of an answer, generated from its type; descriptions are the docstrings of types and fields."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

import msgspec
from msgspec.inspect import StructType, Type, TypedDictType, type_info

from autoloop_tui.cli.documents.answers import ANSWERS, UNMARKED, mark


def schema(name: str) -> dict[str, Any]:
    """Return the schema of an answer. A number that is not finite is written as null, so every number may be null."""
    answer = ANSWERS[name]
    module, _, type_ = answer.type.partition(":")
    given = getattr(import_module(f"autoloop_tui.cli.documents.{module}"), type_)
    (root,), parts = msgspec.json.schema_components([given], ref_template="#/$defs/{name}")
    for described in _classes(type_info(given)):
        part = parts.get(described.__name__)
        if part is not None:
            _complete(part, described)
    if "$ref" in root:  # the answer itself, not a reference to it
        root = parts.pop(type_)
    if name not in UNMARKED:
        version = {"const": mark(name), "description": "The name and version of this answer."}
        root["properties"] = {"schema": version, **root["properties"]}
        root["required"] = ["schema", *root["required"]]
    root.pop("title", None)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:autoloop-tui:{mark(name)}"}
    whole: dict[str, Any] = {**head, "title": answer.line, **root, "$defs": dict(sorted(parts.items()))}
    _loosen(whole)
    return whole


def _complete(part: dict[str, Any], described: type) -> None:
    """Add what `msgspec` omits: descriptions of fields, and that fields with a default are written too."""
    properties = part.get("properties", {})
    for field, text in _docstrings(described).items():
        if field in properties:
            properties[field] = {**properties[field], "description": text}
    if issubclass(described, msgspec.Struct) and not described.__struct_config__.omit_defaults:
        unset = {field.name for field in msgspec.structs.fields(described) if field.default is msgspec.UNSET}
        part["required"] = [field for field in properties if field not in unset]
    if part.get("description"):
        part["description"] = " ".join(part["description"].split())


def _docstrings(described: type) -> dict[str, str]:
    """Return the docstring of each field, from the source of the class and its bases."""
    found: dict[str, str] = {}
    bases = [each for each in reversed(described.__mro__) if each.__module__.startswith("autoloop")]
    # At run time, a TypedDict is not a subclass of the TypedDict that it extends.
    bases = [*getattr(described, "__orig_bases__", ()), *bases]
    for base in bases:
        if not str(getattr(base, "__module__", "")).startswith("autoloop"):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                assert isinstance(field.target, ast.Name)
                found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def _classes(of: Type, seen: set[type] | None = None) -> Iterator[type]:
    """Yield the classes with fields that a type contains, recursively."""
    seen = set() if seen is None else seen
    if isinstance(of, StructType | TypedDictType):
        if of.cls in seen:
            return
        seen.add(of.cls)
        yield of.cls
        parts: Iterable[Any] = [field.type for field in of.fields]
    else:
        fields = [getattr(of, name, None) for name in ("type", "types", "item_type", "item_types", "key_type", "value_type")]
        parts = [part for each in fields if each is not None for part in (each if isinstance(each, tuple) else (each,))]
    for part in parts:
        if isinstance(part, Type):
            yield from _classes(part, seen)


def _loosen(node: Any) -> None:
    """Let numbers be null. Remove defaults, which say nothing about what is written."""
    if isinstance(node, dict):
        if node.get("type") == "number":
            node["type"] = ["number", "null"]
        if "type" in node or "anyOf" in node or "$ref" in node:
            node.pop("default", None)
        for value in node.values():
            _loosen(value)
    elif isinstance(node, list):
        for value in node:
            _loosen(value)
