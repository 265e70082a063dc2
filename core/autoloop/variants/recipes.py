"""Recipes: several variants of one base in a TOML file, so that a useful round can be repeated.

This module parses their text; `files` finds and reads the files.
"""

from __future__ import annotations

from typing import Any

import msgspec

from autoloop.configs import edits_from_mapping, parse_edit
from autoloop.model import UserError
from autoloop.toml import parse_toml, read_table
from autoloop.variants.request import VariantRequest


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    variants: list[VariantRequest]
    base: str | None = None
    """The base config, relative to the current folder; None: the command must name it."""


class _RecipeTable(msgspec.Struct, forbid_unknown_fields=True):
    variant: list[Any]
    name: str | None = None
    base: str | None = None
    reason: str | None = None


class _VariantTable(msgspec.Struct, forbid_unknown_fields=True):
    changes: list[str] | dict[str, Any]
    reason: str | None = None


def parse_recipe(text: str, source: str) -> Recipe:
    """Parse a recipe. UserError in one sentence: file, variant, key, what is wrong, and the nearest valid alternative."""
    raw = parse_toml(text, source)
    if "variant" not in raw and not raw.keys() - set(_RecipeTable.__struct_fields__):
        raise UserError(f"{source}: the recipe contains no [[variant]]; write at least one")
    top = read_table(raw, _RecipeTable, source)
    name = top.name or source.rsplit("/", 1)[-1].removesuffix(".toml")
    variants = [
        _variant(table, f"{source}: variant {number}", top.reason or name) for number, table in enumerate(top.variant, 1)
    ]
    return Recipe(name=name, variants=variants, base=top.base)


def _variant(raw: Any, where: str, reason: str) -> VariantRequest:
    table = read_table(raw, _VariantTable, where)
    try:
        edits = edits_from_mapping(table.changes) if isinstance(table.changes, dict) else table.changes
        for edit in edits:
            parse_edit(edit)
    except UserError as error:
        raise UserError(f"{where}: changes: {error}") from None
    if not edits:
        raise UserError(f"{where}: changes contains no edit; write at least one, as path@op=value")
    return VariantRequest(reason=table.reason or reason, edits=edits)
