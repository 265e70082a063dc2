"""The answer to "why does this not move": a run's, a slot's or a round's waits in lines."""

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
    """A title, lines with their classes, and the command that prints the same."""
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
