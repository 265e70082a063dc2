"""Checks a hook without calling it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from autoloop.hooks.hook import unset
from autoloop.hooks.service import Target


def obstacle(target: Target, environment: Mapping[str, str]) -> str | None:
    """Return why the hook cannot work now; None if no obstacle is known."""
    if target.problem:
        return target.problem
    if missing := unset(target.hook, environment):
        return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set here"
    if target.hook.command is not None and shutil.which(word := target.hook.argv[0], path=environment.get("PATH")) is None:
        return f"command not found: {word}"
    return None


def kind(target: Target) -> str:
    """Return the kind for users: `command`, `webhook`, or the service, such as `ntfy`."""
    hook = target.hook
    return "command" if hook.command is not None else hook.service or "webhook"
