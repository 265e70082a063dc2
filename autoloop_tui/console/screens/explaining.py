"""The answer to "why does this not move": what a run, slot or round is waiting for."""

from __future__ import annotations

import time
from collections.abc import Sequence

from autoloop.explaining import Explainer
from autoloop.model import Event, Proposal, Round, Run, Slot

from autoloop_tui.client import waits_in_words
from autoloop_tui.console.drawing.paint import plain
from autoloop_tui.console.loop_view import View


def explain(
    view: View, subject: Run | Slot | Round | Proposal | None, events: Sequence[Event]
) -> tuple[str, list[tuple[str, str]], str]:
    """Return a title, lines with their CSS classes, and the equivalent shell command."""
    now = time.time()
    explainer = Explainer(view.snapshot, events, driven=view.engine is not None, now=now)
    if isinstance(subject, Run):
        told, words = explainer.run(subject), subject.id
    elif isinstance(subject, Slot):
        told, words = explainer.slot(subject), f"slot {subject.index}"
    else:
        round_ = view.snapshot.round if isinstance(subject, Proposal) else subject
        told, words = explainer.round(round_), f"round {round_.number}" if round_ else ""
    lines = [(plain(text), look) for text, look in waits_in_words(told, now)]
    return plain(told.stands), lines, f"autoloop-tui explain {words}".rstrip()
