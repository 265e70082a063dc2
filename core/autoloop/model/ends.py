"""Why something stopped, ended or was queued again: a kind for the code, and a sentence for users.

Behaviour depends only on the kind; the text may be reworded freely.
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
    """Training was complete, but the process did not exit."""


class StopCause(msgspec.Struct, frozen=True, kw_only=True):
    kind: StopKind
    text: str

    @property
    def judged_by_log(self) -> bool:
        """The engine's watchdog ended it: the attempt's outcome comes from its log; it does not count as stopped."""
        return self.kind in (StopKind.CPU_FALLBACK, StopKind.OVERSTAYED)


class TakenKind(StrEnum):
    """Why a place ended an attempt without a request from us."""

    PREEMPTED = "preempted"
    TIME_LIMIT = "time limit"
    NODE_LOST = "node lost"
    CANCELLED = "cancelled"
    """By someone on that machine or cluster."""
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
    """Every proposal is blocked, and the policy asks no user to edit one."""
    USER = "user"
    SIGNAL = "signal"
    LIMIT = "limit"
    """`--max-hours` or `--max-runs` is used up."""
    FAILS_FOR_ALL = "fails for all"
    """A failure that would affect every other run of the round."""
    OUT_OF_MEMORY = "out of memory"
    EARLY_FAILURES = "early failures"
    """Several runs in a row failed before their first step."""
    NO_RUN_FINISHED = "no run finished"
    NOT_JUDGED = "not judged"
    """The rules could judge none of the finished runs, because the metrics they need were not logged."""
    SEARCH_FAILED = "search failed"
    """Only the search could have proposed something, and it failed."""
    BASES_CHANGED = "bases changed"
    """No approved proposal could be started."""
    UNKNOWN = "unknown"
    """Only in stores of earlier versions."""


class LoopEnd(msgspec.Struct, frozen=True, kw_only=True):
    kind: LoopEndKind
    text: str

    @property
    def interrupted(self) -> bool:
        """Stopped by a user or a limit, not because of a failure."""
        return self.kind in (LoopEndKind.USER, LoopEndKind.SIGNAL, LoopEndKind.LIMIT)


class RequeueKind(StrEnum):
    """Why a run that already had an attempt is queued again."""

    USER = "user"
    EXTENDED = "extended"
    """To continue from its checkpoint to more steps."""
    LOOP_STOP = "loop stop"
    """To continue when the loop is resumed."""
    RETRY = "retry"
    """Its failure may be transient, and `--retries` allows another attempt."""
    NEVER_STARTED = "never started"
    SHORTAGE = "shortage"
    """The machine ran out of processes, memory or file descriptors."""
    TAKEN = "taken"
    """Its place took the machine away, which is not the run's failure."""


class Requeue(msgspec.Struct, frozen=True, kw_only=True):
    kind: RequeueKind
    text: str | None = None


class LapseKind(StrEnum):
    """Why a proposal lapsed."""

    ROUND_STARTED = "round started"
    """The next round started before it was decided."""
    RUN_ENDED = "run ended"
    """The run that a live rule asks about ended before a decision."""
    RUN_ENDED_FIRST = "run ended first"
    """It was approved, but its run ended before it was stopped."""
