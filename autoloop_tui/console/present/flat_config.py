"""A config as one value per path. Pure."""

from __future__ import annotations

from typing import Any

from autoloop.configs.paths import written
from autoloop.model import Config
from autoloop.secrets import MASK, is_secret


def flatten(config: Config) -> dict[str, Any]:
    """Return every value of a config by its path. A list of plain values counts as one value."""
    flat: dict[str, Any] = {}
    _flatten(config, "", flat)
    return flat


def _flatten(node: Any, path: str, flat: dict[str, Any]) -> None:
    blocks = isinstance(node, list) and any(isinstance(item, dict | list) for item in node)
    if isinstance(node, dict) and node:
        for key, value in node.items():
            name = key if key.isidentifier() else written((key,))
            _flatten(value, f"{path}.{name}" if path else name, flat)
    elif blocks:
        for index, value in enumerate(node):
            _flatten(value, f"{path}.{index}", flat)
    else:
        flat[path] = MASK if is_secret(path, node) else node
