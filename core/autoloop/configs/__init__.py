"""A training config as data: read and written as text, edited, compared and guarded. No I/O."""

from autoloop.model import Config

from .changes import apply, config_hash, diff, same
from .edits import OPS, Edit, edits_from_mapping, parse_edit, parse_edits, resolve
from .fields import DEFAULT_FIELDS, FieldTypes
from .guards import Guarded, unusable
from .guards import check as check_variant
from .rewriting import rewrite
from .text import after_text, before_text, dump_config, parse_config, value_text

__all__ = [
    "DEFAULT_FIELDS",
    "OPS",
    "Config",
    "Edit",
    "FieldTypes",
    "Guarded",
    "after_text",
    "apply",
    "before_text",
    "check_variant",
    "config_hash",
    "diff",
    "dump_config",
    "edits_from_mapping",
    "parse_config",
    "parse_edit",
    "parse_edits",
    "resolve",
    "rewrite",
    "same",
    "unusable",
    "value_text",
]
