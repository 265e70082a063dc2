"""What is there of the runs that the store calls running: asked when no engine drives a loop, before anything is claimed.

It only looks: unlike recovery it records nothing and fences nothing off.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from autoloop.model import LOCAL, SLURM, Attempt, Loop
from autoloop.runners import local
from autoloop.store import Store


class Presence(StrEnum):
    ALIVE = "alive"
    UNSUPERVISED = "unsupervised"
    """Its supervisor is gone, and processes of the training are still there."""
    ENDED = "ended"
    """It ended, and the next engine records how."""
    SUBMITTED = "submitted"
    """Its place has it, and it has not begun."""
    UNSEEN = "unseen"
    """It is on a host, which only an engine asks."""
    GONE = "gone"
    """No process of it is there, and no record of how it ended."""

    @property
    def over(self) -> bool:
        return self in (Presence.GONE, Presence.ENDED)


def presences(store: Store, loop: Loop) -> dict[str, Presence]:
    """Of each run with an attempt that has not been counted yet, what is there."""
    return look(store.open_attempts(loop.id))


def look(attempts: list[Attempt]) -> dict[str, Presence]:
    found: dict[str, Presence] = {}
    silent: dict[str, Attempt] = {}
    for attempt in attempts:
        directory = Path(attempt.directory)
        if attempt.place != LOCAL and attempt.ended_at is None:
            found[attempt.run] = _elsewhere(attempt.place, directory)
            continue
        handle = local.Handle.from_dict(attempt.handle) if attempt.handle else None
        if attempt.ended_at is not None:
            found[attempt.run] = Presence.ENDED
        elif local.seems_alive(directory, handle):
            found[attempt.run] = Presence.ALIVE
        elif (directory / "exit.json").exists():
            found[attempt.run] = Presence.ENDED
        else:
            silent[attempt.run] = attempt
    if silent:
        left = local.marked([(attempt.id, Path(attempt.directory)) for attempt in silent.values()])
        found |= {run: Presence.UNSUPERVISED if a.id in left else Presence.GONE for run, a in silent.items()}
    return found


def _elsewhere(place: str, directory: Path) -> Presence:
    """By its files alone: no other machine is asked."""
    if (directory / "exit.json").exists():
        return Presence.ENDED
    if place != SLURM and time.time() - local.Pulse(directory).at >= local.SILENCE:
        return Presence.UNSEEN
    if not (beat := local.Pulse(directory).at):
        return Presence.SUBMITTED
    return Presence.ALIVE if time.time() - beat < local.SILENCE else Presence.GONE


def in_words(found: Mapping[str, Presence]) -> str:
    """What goes on and what does not, in a sentence without its end: `2 runs go on; of 1 run no process is there`."""
    if not found:
        return "nothing runs"
    said = []
    for presence, one, many in (
        (Presence.ALIVE, "1 run continues", "{} runs continue"),
        (Presence.UNSUPERVISED, "1 run continues without its supervisor", "{} runs continue without their supervisors"),
        (Presence.SUBMITTED, "1 run is submitted but has not started", "{} runs are submitted but have not started"),
        (Presence.UNSEEN, "1 run is on a host that was not queried", "{} runs are on hosts that were not queried"),
        (Presence.ENDED, "1 run has ended in the meantime", "{} runs have ended in the meantime"),
        (Presence.GONE, "the process of 1 run is gone", "the processes of {} runs are gone"),
    ):
        if count := sum(each is presence for each in found.values()):
            said.append(one if count == 1 else many.format(count))
    return "; ".join(said)
