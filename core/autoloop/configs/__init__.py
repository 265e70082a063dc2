"""Training configs as data: parse, write, edit, compare and guard them. No I/O."""

from autoloop.configs.changes import apply, config_hash, diff, same
from autoloop.configs.clamp import Bounds, Clamp, clamp_changes
from autoloop.configs.edits import (
    OPS,
    Edit,
    edits_as_mapping,
    edits_from_mapping,
    parse_edit,
    parse_edits,
    resolve,
    split_edit,
)
from autoloop.configs.fields import FieldTypes, default_fields
from autoloop.configs.formats import parse_config, parse_value_as, reading_differs, rewrite, suffix_of
from autoloop.configs.guards import edits_with_effect, refusals, unusable
from autoloop.configs.text import dump_config
from autoloop.model import Config

__all__ = [
    "OPS",
    "Bounds",
    "Clamp",
    "Config",
    "Edit",
    "FieldTypes",
    "apply",
    "clamp_changes",
    "config_hash",
    "default_fields",
    "diff",
    "dump_config",
    "edits_as_mapping",
    "edits_from_mapping",
    "edits_with_effect",
    "parse_config",
    "parse_edit",
    "parse_edits",
    "parse_value_as",
    "reading_differs",
    "refusals",
    "resolve",
    "rewrite",
    "same",
    "split_edit",
    "suffix_of",
    "unusable",
]
