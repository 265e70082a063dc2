"""What really exists of the runs that the store calls running. Checked if a loop has no engine, before anything is claimed.

Unlike recovery, it only inspects: it records nothing and fences nothing off.
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
    """Its supervisor is gone, but processes of the training still exist."""
    ENDED = "ended"
    """It has ended, and the next engine will record how."""
    SUBMITTED = "submitted"
    """It was submitted to its place but has not started."""
    UNSEEN = "unseen"
    """It is on a host, which only an engine queries."""
    GONE = "gone"
    """None of its processes exists, and there is no record of how it ended."""

    @property
    def over(self) -> bool:
        return self in (Presence.GONE, Presence.ENDED)


def presences(store: Store, loop: Loop) -> dict[str, Presence]:
    """The presence of each run that has an attempt without a recorded result, by run id."""
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
    """The presence of an attempt on another place, from its files here: no other machine is queried."""
    if (directory / "exit.json").exists():
        return Presence.ENDED
    if place != SLURM and time.time() - local.Pulse(directory).at >= local.SILENCE:
        return Presence.UNSEEN
    if not (beat := local.Pulse(directory).at):
        return Presence.SUBMITTED
    return Presence.ALIVE if time.time() - beat < local.SILENCE else Presence.GONE


def in_words(found: Mapping[str, Presence]) -> str:
    """A summary in words, without a full stop: `2 runs continue; the process of 1 run is gone`."""
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
