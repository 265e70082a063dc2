"""Changes of a config, in words. Secrets are masked wherever a change is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from autoloop.model import Change
from autoloop.secrets import MASK, is_secret, mask, masked_document, masked_value
from autoloop.text.values import value_text


def before_text(change: Change, shown: Callable[[Any], str] = value_text) -> str:
    """The value before a change; `(new)` for a key that the change creates."""
    return "(new)" if change.created else _shown(change.path, change.before, shown)


def after_text(change: Change, shown: Callable[[Any], str] = value_text) -> str:
    """The value after a change; `(deleted)` for a key or element that the change removes."""
    return "(deleted)" if change.removed else _shown(change.path, change.after, shown)


def _shown(path: str, value: Any, shown: Callable[[Any], str]) -> str:
    return MASK if is_secret(path, value) else shown(masked_document(value))


def without_secrets(change: Change) -> Change:
    """Return the change for storing and sending: with its secrets masked, also inside blocks."""
    before, after = (masked_value(change.path, each) for each in (change.before, change.after))
    return msgspec.structs.replace(change, before=before, after=after, note=mask(change.note) if change.note else None)


def change_text(change: Change) -> str:
    """One change without its path, with its note if it has one: `0.1 → 0.15`."""
    return f"{before_text(change)} → {after_text(change)}" + (f"   {change.note}" if change.note else "")


def changes_text(changes: Iterable[Change]) -> str:
    """All changes of a variant in one line: `optimizer.lr 0.001 → 0.0005, seed 1 → 2`."""
    return ", ".join(f"{change.path} {before_text(change)} → {after_text(change)}" for change in changes)


def extension_text(steps: int) -> str:
    """The change of `--then extend=…`, shown in place of a variant's edits."""
    return f"continue to {steps} steps"
