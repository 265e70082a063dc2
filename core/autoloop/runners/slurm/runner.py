"""The `Runner` of a Slurm cluster: each attempt is a job that becomes its supervisor, in a folder that both sides see.

Whether an attempt runs and how it ended is read from its files; Slurm is only asked for what the files cannot show. A job is
identified by its name, which contains the attempt's id, because after a crash of its controller Slurm may forget jobs, reuse
their numbers, and kill them or let them continue.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autoloop.model import Attempt, ExitRecord, SlurmSpec
from autoloop.runners import local, records
from autoloop.runners.background import Background
from autoloop.runners.runner import (
    Acceptance,
    AttemptExit,
    AttemptLoss,
    AttemptSpec,
    CommandStart,
    End,
    News,
    OngoingAttempt,
    PlaceWait,
    write_spec,
)
from autoloop.runners.slurm import script, words
from autoloop.runners.slurm.case import (
    Case,
    by_others,
    end_unbegun,
    explained,
    fence,
    forgotten,
    patience,
    read_json,
    was_requeued,
)
from autoloop.runners.slurm.commands import Job, SlurmError, call, sacct, scancel, squeue
from autoloop.runners.slurm.put_back import RequeueWatch

LOG = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two reads of the attempts' files."""
UNKNOWN = 60.0
"""Seconds for which a job may be unknown to a Slurm that answers before it is assumed to be gone."""
SILENCE = local.SILENCE
"""Seconds without a heartbeat after which the supervisor of a job that Slurm no longer runs is assumed to have ended."""
SOON = 5.0
"""Seconds of waiting for Slurm after which the wait is reported."""
SLOWEST = 120.0
"""Maximum seconds between two queries while Slurm does not answer."""
LAST_RESORT = 60.0
"""Seconds after the end of the signal ladder until a job is cancelled without grace."""


@dataclass(frozen=True)
class _Submit:
    case: Case


@dataclass(frozen=True)
class _Stop:
    id: str
    kill: bool


@dataclass
class SlurmRunner:
    """The `Runner` of one cluster. `gres` is the job's default if the settings do not give one."""

    spec: SlurmSpec
    gres: str | None = None
    trouble: str | None = None
    gpus: None = None
    loads: None = None

    def __post_init__(self) -> None:
        self._requests: queue.SimpleQueue[_Submit | _Stop] = queue.SimpleQueue()
        self._cases: dict[str, Case] = {}
        self._put_back = RequeueWatch()
        self._background = Background("slurm", self._turn)
        self._ask_at = 0.0
        self._pause = self.spec.poll
        self._answered_at = 0.0
        self._accounting: bool | None = None

    # ---------------------------------------------------------------------------------------------- the engine's thread

    def submit(self, attempt: Attempt, spec: AttemptSpec, env: Mapping[str, str]) -> None:
        write_spec(spec)
        (spec.directory / script.SCRIPT).write_text(script.script(spec, self.spec), encoding="utf-8")
        ladder = sum(grace for _, grace in spec.stop) + spec.straggler_grace
        self._follow(
            Case(
                attempt.id,
                spec.directory,
                attempt.created_at,
                time.monotonic(),
                ladder,
                submission=(spec, script.environment(env)),
            )
        )

    def reattach(self, attempt: Attempt) -> OngoingAttempt:
        began, handle = time.monotonic(), attempt.handle
        self._follow(Case(attempt.id, Path(attempt.directory), attempt.created_at, began, 60.0, handle, adopted=True))
        return OngoingAttempt(attempt.handle, "in Slurm and is being followed again")

    def _follow(self, case: Case) -> None:
        self._background.follow(case.id)
        self._requests.put(_Submit(case))
        self._background.start()
        self._background.wake()

    def stop(self, attempt: Attempt, *, kill: bool) -> None:
        self._requests.put(_Stop(attempt.id, kill))
        self._background.wake()

    def fileno(self) -> int:
        return self._background.fileno()

    def news(self) -> list[News]:
        return self._background.take()

    def any_left(self) -> bool:
        return self._background.any_left()

    def close(self) -> None:
        """End the thread after the current submissions. The next engine submits what is still pending."""
        self._background.close(5.0)

    # ------------------------------------------------------------------------------------------------ the worker thread

    def _turn(self) -> float | None:
        self._take_requests()
        for case in list(self._cases.values()):
            if case.submission is not None and case.id in self._cases and self.trouble is None:
                self._submit(case)
                self._take_requests()
        if self._background.closing:
            if self._put_back.names and self.trouble is None:
                self._ask()
            return None
        for case in list(self._cases.values()):
            self._look(case)
        if (self._cases or self._put_back.names) and time.monotonic() >= self._ask_at:
            self._ask()
        for case in list(self._cases.values()):
            self._decide(case)
        if self._cases:
            return LOOK_EVERY
        return max(LOOK_EVERY, self._ask_at - time.monotonic()) if self._put_back.names else 3600.0

    def _take_requests(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                request = self._requests.get_nowait()
                if isinstance(request, _Submit):
                    self._cases[request.case.id] = request.case
                    if request.case.submission is None:
                        self._ask_soon(0.0)
                elif (case := self._cases.get(request.id)) is not None:
                    self._stop(case, request.kill)

    def _tell(self, case: Case, news: Acceptance | PlaceWait | CommandStart | End) -> None:
        if case.id not in self._cases:  # its end was found during a call
            return
        if isinstance(news, PlaceWait | CommandStart):
            if news == case.said:
                return
            case.said = news
        self._background.tell((case.id, news))
        if isinstance(news, End):
            LOG.debug("%s: %s; Slurm said %s", case.id, news, case.job)
            del self._cases[case.id]
            if case.begun and (case.job is None or not case.job.over):
                self._put_back.watch(case.name)

    # ------------------------------------------------------------------------------------------------------- submitting

    def _submit(self, case: Case) -> None:
        assert case.submission is not None
        spec, env = case.submission
        case.submission = None
        try:
            command = [*script.arguments(spec, self.spec, self.gres), str(spec.directory / script.SCRIPT)]
            told = call(command, env, meanwhile=self._look_on)
        except SlurmError as error:
            if error.silent:  # it may have accepted the job: the next answer shows it
                self._silent(error)
            elif not fence(case):
                return
            elif error.full:
                self._tell(case, AttemptLoss(f"Slurm accepts no more jobs now: {error}", started=False))
            else:
                self._tell(case, AttemptExit(ExitRecord(error=f"Slurm rejects the job: {error}", ended_at=time.time())))
        else:
            number, _, cluster = told.strip().partition(";")
            self._handed(case, number, cluster)
            if not case.begun:  # it may have begun before sbatch answered
                self._tell(case, PlaceWait("Slurm: it was submitted"))
            self._ask_soon(2.0)
        case.since = time.monotonic()

    def _handed(self, case: Case, number: str, cluster: str = "", partition: str = "") -> None:
        handle = {**(case.handle or {}), "job": number}
        handle |= {key: value for key, value in (("cluster", cluster), ("partition", partition)) if value}
        if handle != case.handle:
            case.handle = handle
            self._tell(case, Acceptance(handle))

    # --------------------------------------------------------------------------------------------------------- stopping

    def _stop(self, case: Case, kill: bool) -> None:
        """The file reaches a supervisor that is only starting; the signal makes a running one react immediately."""
        case.asked = "kill" if kill or case.asked == "kill" else "stop"
        with contextlib.suppress(OSError):
            records.ask(str(case.directory), case.asked)
        if case.submission is not None:
            case.submission = None
            self._withdrawn(case)
            return
        case.cancel_at = time.monotonic() + LAST_RESORT + (0.0 if kill else case.ladder)
        try:
            if not case.begun:
                scancel(case.name, "--state=PENDING", meanwhile=self._look_on)
                if self._withdrawn(case):
                    return
            scancel(case.name, "--batch", f"--signal={'USR1' if kill else 'TERM'}", meanwhile=self._look_on)
        except SlurmError as error:
            if error.silent:
                self._silent(error)
        self._ask_soon(2.0)

    def _withdrawn(self, case: Case) -> bool:
        """End an attempt that was asked to stop before its supervisor began. Returns False if the supervisor has begun."""
        if not fence(case):
            return False
        self._tell(case, AttemptExit(ExitRecord(stopped_by=case.asked, ended_at=time.time())))
        return True

    # ---------------------------------------------------------------------------------------------------------- looking

    def _look(self, case: Case) -> None:
        """Read its files: exit record, heartbeat, and whether it has begun."""
        if case.submission is not None:
            return
        case.record = case.record or local.exit_record(case.directory, case.id)
        try:
            beat = (case.directory / "claim").stat().st_mtime
        except OSError:
            return
        if beat != case.beat:
            case.beat, case.heard = beat, time.monotonic()
        if not case.begun:
            self._begin(case, beat)

    def _look_on(self) -> None:
        """Report what the files show while a command of Slurm has not answered yet."""
        for case in list(self._cases.values()):
            self._look(case)
            if case.record is not None and (end := explained(case, case.record, self.spec.time)):
                self._tell(case, end)

    def _begin(self, case: Case, beat: float) -> None:
        claimed = read_json(case.directory / "claim")
        if "pid" not in claimed:
            return
        case.begun, case.begun_at = True, time.monotonic()
        where, started = read_json(case.directory / script.ALLOCATION), read_json(case.directory / "start.json")
        if job := where.get("job"):
            self._handed(case, str(job))
        node = str(where.get("node") or claimed.get("host") or "its node")
        since = started.get("started_at")
        self._tell(case, CommandStart(float(since) if isinstance(since, int | float) else beat, node))

    def _ask_soon(self, seconds: float) -> None:
        if self.trouble is None:
            self._ask_at = min(self._ask_at, time.monotonic() + seconds)

    def _ask(self) -> None:
        """Query Slurm once for all attempts."""
        cases = {case.name: case for case in self._cases.values() if case.submission is None}
        now = time.monotonic()
        names = [*cases, *self._put_back.names]
        if not names and self.trouble is None:
            self._ask_at = now + self.spec.poll
            return
        try:
            found = squeue(names or ["autoloop"], self._look_on)
        except SlurmError as error:
            self._silent(error)
            return
        self.trouble, self._pause, self._answered_at = None, self.spec.poll, time.monotonic()
        self._ask_at = self._answered_at + self.spec.poll
        self._put_back.take_out(found, self._look_on)
        unknown = [name for name, case in cases.items() if name not in found]
        if unknown and self._accounting is not False:
            found |= self._from_accounting({name: cases[name] for name in unknown})
        for name, case in cases.items():
            if (job := found.get(name)) is None:
                case.missing_since = case.missing_since or now
            else:
                case.job, case.job_at, case.missing_since = job, now, None
                self._handed(case, job.id, partition=job.partition)

    def _silent(self, error: SlurmError) -> None:
        self.trouble = self.trouble or f"Slurm has not answered since {time.strftime('%H:%M')} ({error})"
        self._ask_at = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, SLOWEST)
        for case in self._cases.values():
            case.missing_since = None

    def _from_accounting(self, cases: Mapping[str, Case]) -> dict[str, Job]:
        """Return finished jobs from accounting, for cases unknown to squeue for a while; empty without accounting."""
        now = time.monotonic()
        patience = self.spec.poll
        late = {id_: case for id_, case in cases.items() if case.missing_since and now - case.missing_since > patience}
        if not late:
            return {}
        try:
            found = sacct(late, time.time() - min(case.created_at for case in late.values()) + 3600.0, self._look_on)
        except SlurmError as error:
            self._accounting = False if self._accounting is None else self._accounting
            LOG.debug("no accounting: %s", error)
            return {}
        self._accounting = True
        return {name: job for name, job in found.items() if job.over}

    # --------------------------------------------------------------------------------------------------------- deciding

    def _decide(self, case: Case) -> None:
        """Decide from its files and Slurm's answer whether the attempt waits or has ended, and report that."""
        if case.submission is not None:
            if self.trouble:
                self._tell(case, PlaceWait("Slurm does not answer; the run is submitted when it does"))
            return
        now = time.monotonic()
        if case.record is not None:
            self._recorded(case, case.record, now)
            return
        if case.requeued:
            self._requeued(case)
        elif case.job is not None and case.job.waiting and not case.begun and case.missing_since is None:
            self._tell(case, PlaceWait(words.waiting_words(case.job, time.time())))
            return
        if case.cancel_at is not None and now >= case.cancel_at:
            case.cancel_at = None
            with contextlib.suppress(SlurmError):
                scancel(case.name, meanwhile=self._look_on)
        gone = case.again or (case.job is not None and case.job.over and case.missing_since is None)
        if case.missing_since is not None:
            gone = gone or now - max(case.missing_since, case.since) > UNKNOWN
        if not gone:
            if case.job is not None and case.job.active and not case.begun:
                self._tell(case, PlaceWait(f"Slurm: its job starts on {case.job.nodes}"))
            return
        if case.begun:
            self._gone(case, now)
        elif fence(case):
            self._tell(case, end_unbegun(case, self.spec.time))

    def _requeued(self, case: Case) -> None:
        """It has run and Slurm requeued it. An attempt runs only once, so the job is cancelled."""
        case.again = True
        with contextlib.suppress(SlurmError):
            scancel(case.name, "--state=PENDING", meanwhile=self._look_on)

    def _recorded(self, case: Case, record: ExitRecord, now: float) -> None:
        """It has ended. If it failed, or was stopped but not by us, Slurm may know the reason."""
        stopped = record.stopped_by is not None
        if end := explained(case, record, self.spec.time):
            self._tell(case, end)
        elif case.asked_why is None:
            case.asked_why = now
            self._ask_soon(0.0)
        elif case.requeued:
            self._requeued(case)
        elif case.job is not None and case.job.over:
            self._tell(
                case, AttemptExit(record, words.taken(case.job, self.spec.time) or (by_others() if stopped else None))
            )
        elif case.missing_since is not None and not case.adopted:
            self._tell(case, AttemptExit(record, forgotten() if stopped else None))
        elif now - case.asked_why > patience(case, record, UNKNOWN) and not (stopped and self.trouble):
            self._tell(case, AttemptExit(record, by_others() if stopped else None))
        else:
            if now - case.asked_why > SOON:
                self._tell(case, PlaceWait(words.reason_awaited(record)))
            self._ask_soon(2.0)

    def _gone(self, case: Case, now: float) -> None:
        """Slurm no longer runs it, and there is no exit record.

        While its supervisor sends heartbeats, it is alive. A job that Slurm has forgotten may continue; one that Slurm
        ended or requeued is killed."""
        job = case.job if case.missing_since is None else None
        if now - case.heard <= SILENCE:
            if (job is not None or case.again) and not case.condemned:
                case.condemned = True
                with contextlib.suppress(OSError):
                    records.ask(str(case.directory), "kill")
            return
        took = was_requeued() if case.again else words.taken(job, self.spec.time) if job else None
        reason = took.text if took else f"Slurm reports {job.state}" if job else "Slurm no longer knows its job"
        local.give_up(case.directory)
        self._tell(case, AttemptLoss(f"{reason}, and its supervisor left no record", taken=took))
