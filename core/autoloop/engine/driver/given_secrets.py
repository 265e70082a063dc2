"""Secrets in `--extra` are never stored: a process that starts or drives a loop must get them from its environment."""

from __future__ import annotations

import os

from autoloop.model import LoopSpec, UserError
from autoloop.secrets import missing


def require_secrets(spec: LoopSpec) -> None:
    """Raise UserError if the environment lacks secrets of --extra, which the engine passes to the trainer."""
    if lacking := missing(spec.extra, os.environ):
        raise UserError(
            f"Secrets in --extra are never stored, so they must be given again: set {' and '.join(lacking)} in the "
            "environment of this command."
        )
