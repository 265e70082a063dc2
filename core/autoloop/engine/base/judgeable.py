"""Whether the loop's rules can judge a finished run, and if not, which metrics they lack and which were found."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from autoloop.engine.base.context import Context
from autoloop.engine.base.frozen_config import frozen_config
from autoloop.model import Config, Run, Summary, Unjudged, UserError
from autoloop.rules import RunView


def why_not_judged(context: Context, run: Run, summary: Summary, sources: Sequence[str]) -> Unjudged | None:
    """Why no rule can be evaluated for the run; None if one can, or if the loop has no judging. `sources`: the origins of
    its metrics."""
    if not context.spec.decide:
        return None
    config: Config = {}
    with contextlib.suppress(UserError):  # a damaged copy is reported when the run is judged
        config = frozen_config(run)
    needed = context.rules.lacking(RunView(summary=summary, config=config, book=context.metrics))
    if not needed and summary.metrics:
        return None
    return Unjudged(needed=needed, found=sorted(summary.metrics), sources=list(sources))
