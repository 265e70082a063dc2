"""The places of a loop: a runner for each."""

from __future__ import annotations

from autoloop.model import LOCAL, LoopSpec
from autoloop.runners.local_runner import LocalRunner
from autoloop.runners.runner import Runner


def runners_for(spec: LoopSpec) -> dict[str, Runner]:
    """By the names that slots and attempts have of their places."""
    return {LOCAL: LocalRunner()}
