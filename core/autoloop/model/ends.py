"""Why something stopped, ended or was queued again: a kind to act on, with a sentence for users beside it.

Only the kind decides anything; the text may be reworded freely.
"""

from enum import StrEnum

import msgspec


class StopKind(StrEnum):
    """Why an attempt is asked to end."""

    USER = "user"
    LOOP_STOP = "loop stop"
    """The whole loop stops: the run is queued again and continues when the loop is resumed."""
    LIVE_RULE = "live rule"
    HALVED = "halved"
    """`--halve`: its config was among the worse half of its round."""
    CPU_FALLBACK = "cpu fallback"
    """The trainer fell back from the GPU to the CPU."""
    OVERSTAYED = "overstayed"
    """Training was complete, but the process did not end."""


class StopCause(msgspec.Struct, frozen=True, kw_only=True):
    kind: StopKind
    text: str

    @property
    def judged_by_log(self) -> bool:
        """The engine's watchdog ended it: the attempt counts as what its log says, not as stopped."""
        return self.kind in (StopKind.CPU_FALLBACK, StopKind.OVERSTAYED)


class TakenKind(StrEnum):
    """Why a place ended an attempt that nobody here asked to end."""

    PREEMPTED = "preempted"
    TIME_LIMIT = "time limit"
    NODE_LOST = "node lost"
    CANCELLED = "cancelled"
    """By somebody there."""
    MEMORY = "memory"


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    kind: TakenKind
    text: str


LOOP_STOP = StopCause(kind=StopKind.LOOP_STOP, text="the loop was stopped")


class LoopEndKind(StrEnum):
    """Why a loop finished or was stopped."""

    ROUNDS_DONE = "rounds done"
    WINNER = "winner"
    """A run meets `--until`."""
    NO_PROPOSALS = "no proposals"
    ALL_BLOCKED = "all blocked"
    """Every proposal is blocked and nobody is asked to edit one."""
    USER = "user"
    SIGNAL = "signal"
    LIMIT = "limit"
    """`--max-hours` or `--max-runs` is used up."""
    FAILS_FOR_ALL = "fails for all"
    """A failure that every other run of the round would meet too."""
    OUT_OF_MEMORY = "out of memory"
    EARLY_FAILURES = "early failures"
    """Several runs in a row failed before their first step."""
    NO_RUN_FINISHED = "no run finished"
    NOT_JUDGED = "not judged"
    """The rules could judge none of the finished runs, because they look at metrics that were not logged."""
    SEARCH_FAILED = "search failed"
    """Nothing but the search was left to propose something, and it could not be asked."""
    BASES_CHANGED = "bases changed"
    """No approved proposal could be started."""
    UNKNOWN = "unknown"
    """Only in stores of earlier versions."""


class LoopEnd(msgspec.Struct, frozen=True, kw_only=True):
    kind: LoopEndKind
    text: str

    @property
    def interrupted(self) -> bool:
        """Stopped from outside, by its user or a limit, although nothing was wrong with it."""
        return self.kind in (LoopEndKind.USER, LoopEndKind.SIGNAL, LoopEndKind.LIMIT)


class RequeueKind(StrEnum):
    """Why a run that has had an attempt is in the queue again."""

    USER = "user"
    EXTENDED = "extended"
    """To continue from its checkpoint to more steps."""
    LOOP_STOP = "loop stop"
    """To continue when the loop is resumed."""
    RETRY = "retry"
    """Its failure may be transient, and `--retries` allows another attempt."""
    NEVER_STARTED = "never started"
    SHORTAGE = "shortage"
    """The machine had no process, memory or descriptor for it."""
    TAKEN = "taken"
    """Its place took the machine away, which is no failure of its own."""


class Requeue(msgspec.Struct, frozen=True, kw_only=True):
    kind: RequeueKind
    text: str | None = None


class LapseKind(StrEnum):
    """Why a proposal lapsed."""

    ROUND_STARTED = "round started"
    """The next round started before it was decided."""
    RUN_ENDED = "run ended"
    """The run that a live rule asks about ended before anybody decided."""
    RUN_ENDED_FIRST = "run ended first"
    """It was approved, but its run ended before it was stopped."""
