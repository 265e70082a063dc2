"""Loads rules from a user's file: a TOML book is parsed here, and Python rules run in a separate process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autoloop import profiles
from autoloop.files import read_text
from autoloop.metrics import MetricBook
from autoloop.rule_process import PATIENCE, rules_apart
from autoloop.rules import RuleSource, default_rules, parse_book


def load_rules(
    path: str | None,
    metrics: MetricBook,
    patience: float = PATIENCE,
    text: str | None = None,
    *,
    methods: Sequence[str] = profiles.METHODS,
) -> RuleSource:
    """Load the rule book or Python rules at `path`; if that is None, the shipped book of `methods`, which may have no rules.

    UserError says what is wrong and where. `patience`: seconds that Python rules may take for one run. `text`: the file's
    content, if it has been read already.
    """
    if path is None:
        return default_rules(tuple(methods))
    text = read_text(Path(path), "rules file") if text is None else text
    return rules_apart(text, path, patience) if path.endswith(".py") else parse_book(text, path, metrics)
