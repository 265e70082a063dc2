"""One process launched for a run: how it ended, and why."""

from typing import Any

import msgspec

from autoloop.model.ends import StopCause, Taken
from autoloop.model.metrics import Summary
from autoloop.model.run import RunState
from autoloop.model.slot import LOCAL


class ExitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How the process of an attempt ended, as its supervisor wrote it to exit.json."""

    code: int | None = None
    """Exit code of the command; None if a signal ended it."""
    signal: int | None = None
    stopped_by: str | None = None
    """The request that made the supervisor stop the process tree (`stop`, `kill`, `time limit`); None if there was none."""
    error: str | None = None
    """Why the command could not be started."""
    errno: int | None = None
    """The errno of that error, if any."""
    started_at: float | None = None
    ended_at: float | None = None


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt did not succeed.

    `line` is the decisive log line, at most 300 characters. `retry`: the same command may succeed (only one retry if `once`
    is set); `fatal_for_round`: other runs would fail in the same way. The texts contain no control characters.
    """

    id: str
    text: str
    line: str | None = None
    advice: str = ""
    retry: bool = False
    once: bool = False
    fatal_for_round: bool = False

    @property
    def details(self) -> list[str]:
        """The lines shown below its text: the decisive log line and the advice."""
        said = [f"its log: {self.line}"] if self.line and self.line not in self.text else []
        if self.id == "stopped":
            return said
        again = "the same command may succeed" if self.retry else "the same command would fail again"
        return [*said, f"{self.advice} ({again})" if self.advice else again]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One process launched for a run. `handle` is set once its place has accepted it; locally it holds the pid, start time,
    boot id and host."""

    id: str
    run: str
    number: int
    slot: int
    output_dir: str
    directory: str
    """The folder of its spec.json, start.json, exit.json and log.txt."""
    created_at: float
    place: str = LOCAL
    node: str | None = None
    """The machine that runs its command, if it is a different one."""
    from_step: int = 0
    """For an attempt that continues from a checkpoint: the step that the run had reached before."""
    argv: list[str] = []
    handle: dict[str, Any] | None = None
    started_at: float | None = None
    ended_at: float | None = None
    exit: ExitRecord | None = None
    stop: StopCause | None = None
    """Why it was asked to end; recorded before the signal is sent."""
    taken: Taken | None = None
    """Why its place ended it, if it did."""
    result: RunState | None = None
    """Its outcome as a final run state; None until that is settled."""
    kill: bool = False
    """Whether to kill it rather than stop it; recorded with `stop`."""
    unstarted: bool = False
    """Whether its command definitely never ran; only known after the end."""
    summary: Summary | None = None
    """Its results, once a later attempt has replaced it in the run."""
    cause: str | None = None
    """The failure as text."""
    diagnosis: Cause | None = None
    """The failure with its decisive log line and advice; its text is `cause`."""

    @property
    def where(self) -> str | None:
        """Where it ran, if not on the engine's machine: `n3 (slurm job 12, partition gpu)`, `box2`."""
        if self.place == LOCAL:
            return None
        handle = self.handle or {}
        if "host" in handle and self.node in (None, self.place):
            return self.place
        told = [f"{self.place} job {handle['job']}" if "job" in handle else self.place]
        told += [f"partition {handle['partition']}"] if "partition" in handle else []
        return f"{self.node or 'not begun'} ({', '.join(told)})"
