"""What edits do to a config, as people read it. A secret is masked wherever a change is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from autoloop.model import Change
from autoloop.secrets import MASK, is_secret
from autoloop.text.values import value_text


def before_text(change: Change, shown: Callable[[Any], str] = value_text) -> str:
    """The value before a change; `(new)` for a key that the change creates."""
    return "(new)" if change.created else MASK if is_secret(change.path, change.before) else shown(change.before)


def after_text(change: Change, shown: Callable[[Any], str] = value_text) -> str:
    """The value after a change; `(deleted)` for a key or element that the change removes."""
    return "(deleted)" if change.removed else MASK if is_secret(change.path, change.after) else shown(change.after)


def change_text(change: Change) -> str:
    """What becomes of one place, with its note if there is one: `0.1 → 0.15`."""
    return f"{before_text(change)} → {after_text(change)}" + (f"   {change.note}" if change.note else "")


def changes_text(changes: Iterable[Change]) -> str:
    """All changes of a variant in one line: `optimizer.lr 0.001 → 5e-4, seed 1 → 2`."""
    return ", ".join(f"{change.path} {before_text(change)} → {after_text(change)}" for change in changes)


def extension_text(steps: int) -> str:
    """The change that `--then extend=…` asks for, where a variant has its edits."""
    return f"train on to {steps} steps"
