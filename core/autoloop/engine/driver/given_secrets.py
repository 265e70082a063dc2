"""Secrets of `--extra` are never stored: whoever starts or drives a loop must have been handed them by its environment."""

from __future__ import annotations

import os

from autoloop.model import LoopSpec, UserError
from autoloop.secrets import missing


def require_secrets(spec: LoopSpec) -> None:
    """UserError where this process was not handed the secrets of --extra, which an engine passes on to the trainer."""
    if lacking := missing(spec.extra, os.environ):
        raise UserError(
            f"Secrets in --extra are never stored, so they must be given again: set {' and '.join(lacking)} in the "
            "environment of this command."
        )
