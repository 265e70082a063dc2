"""A training config, and one resolved edit of it."""

from typing import Any

import msgspec

Config = dict[str, Any]
"""A training config: nested dicts and lists of JSON values."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One resolved edit of one place in a config: `before` -> `after`. `created`: the key is new; `removed`: the key or list
    element is deleted, and `after` is None. Indices in `path` refer to the config before all edits."""

    path: str
    before: Any
    after: Any
    created: bool = False
    removed: bool = False
    note: str | None = None
