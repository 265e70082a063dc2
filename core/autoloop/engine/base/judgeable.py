"""Whether a finished run can be judged by the loop's rules, and if not, what they lack and what was found instead."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.model import Config, Run, Summary, Unjudged, UserError
from autoloop.rules import RunView


def why_not_judged(context: Context, run: Run, summary: Summary, sources: Sequence[str]) -> Unjudged | None:
    """None if a rule can be decided for the run, or if nothing is to be judged. `sources`: where its metrics come from."""
    if not context.spec.decide:
        return None
    config: Config = {}
    with contextlib.suppress(UserError):  # a damaged copy is told when the run is judged
        config = frozen_config(run)
    needed = context.rules.lacking(RunView(summary=summary, config=config, book=context.metrics))
    if not needed and summary.metrics:
        return None
    return Unjudged(needed=needed, found=sorted(summary.metrics), sources=list(sources))
