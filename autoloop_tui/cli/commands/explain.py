"""`explain`: what a run, a slot or a round waits for."""

from __future__ import annotations

import time

from autoloop.model import UserError
from autoloop.store import take_snapshot

from autoloop_tui import client
from autoloop_tui.cli.output import printing
from autoloop_tui.cli.parameters import LoopName


def explain(what: str | None = None, number: int | None = None, /, *, loop: LoopName = None) -> int:
    """Explain what a run, slot or round is waiting for, since when, and what would end the wait.

    Parameters
    ----------
    what
        A run's id or name, or `slot` or `round`; the newest round by default.
    number
        The number of the slot or round.
    """
    from autoloop.explaining import Explainer

    now = time.time()
    with client.opened(loop) as (store, found):
        snapshot = take_snapshot(store, found.id)
        driven = client.alive(store, found)
        explainer = Explainer(snapshot, store.events(found.id), driven=driven, now=now)
        if what is None:
            told = explainer.round(snapshot.round)
        elif what in ("slot", "round") and number is not None:
            slots = {slot.index: slot for slot in found.spec.slots}
            rounds = {round_.number: round_ for round_ in snapshot.rounds}
            known = sorted(slots if what == "slot" else rounds)
            if number not in known:
                raise UserError(f"{found.name} has no {what} {number}; it has {', '.join(map(str, known)) or 'none'}.")
            told = explainer.slot(slots[number]) if what == "slot" else explainer.round(rounds[number])
        else:
            told = explainer.run(store.find_run(found, what))
    print(printing.printable(told.stands))
    for text, _ in client.waits_in_words(told, now):
        print(printing.printable(f"  {text}"))
    return 0
