"""The `Runner` of a host: one connection, over which all its attempts are started, followed and stopped.

A missing answer is never taken as an end: while the host cannot be reached nothing is decided, and afterwards reading
continues from where it stopped.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import queue
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoloop.model import Attempt, ExitRecord, HostSpec, LoopSpec, UserError
from autoloop.runners import local
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
from autoloop.runners.ssh import words
from autoloop.runners.ssh.case import SILENCE, Case, end_of, machine_of, ours, vanished
from autoloop.runners.ssh.connection import Connection, Machine, RefusedError, UnreachableError
from autoloop.runners.ssh.gpus import HostGpus
from autoloop.runners.ssh.line import Line
from autoloop.runners.ssh.mirror import Mirror
from autoloop.runners.ssh.paths import Layout
from autoloop.runners.ssh.project import Code
from autoloop.runners.ssh.starting import Starter

LOG = logging.getLogger(__name__)

POLL_EVERY = 1.0
"""Seconds between two polls, each for all attempts."""
ROOM = 1 << 20
"""Maximum bytes of logs and histories in one answer."""
GIVE_BACK = 60.0
"""Seconds for which a run waits for an unreachable host if its start has not been requested yet."""
UNCLAIMED = 60.0
"""Seconds after which a supervisor that was started but has not claimed its attempt is assumed never to begin."""
AGAIN = 15.0
"""Seconds until a start or write that failed, for example on a full disk, is retried."""
PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EIO})


@dataclass(frozen=True)
class _Take:
    case: Case


@dataclass(frozen=True)
class _Stop:
    id: str
    kill: bool


class HostRunner:
    def __init__(self, host: HostSpec, spec: LoopSpec, max_log: int) -> None:
        self.host, self.spec = host, spec
        self._max_log = max_log
        self._background = Background(f"ssh {host.name}", self._turn)
        self.gpus = HostGpus("gpus", self._wake)
        self.loads = HostGpus("loads", lambda: None)  # it is sent with the next poll
        self._requests: queue.SimpleQueue[_Take | _Stop] = queue.SimpleQueue()
        self._cases: dict[str, Case] = {}
        self._starter = Starter(Code(spec))
        self._line = Line(host, spec)
        self._forget: list[str] = []
        self._unkept: dict[str, str] = {}
        """Attempts with output that cannot be written on this machine, with the reason."""

    # ---------------------------------------------------------------------------------------------- the engine's thread

    @property
    def trouble(self) -> str | None:
        return self._line.trouble or next(iter(list(self._unkept.values())), None)

    def submit(self, attempt: Attempt, spec: AttemptSpec, env: Mapping[str, str]) -> None:
        write_spec(spec)
        self._follow(attempt, (spec, dict(env)))

    def reattach(self, attempt: Attempt) -> OngoingAttempt:
        self._follow(attempt, None)
        return OngoingAttempt(attempt.handle, f"on {self.host.name} and is being followed again")

    def _follow(self, attempt: Attempt, submission: tuple[AttemptSpec, Mapping[str, str]] | None) -> None:
        mirror = Mirror(Path(attempt.directory), Path(attempt.output_dir), self.host.name, self._max_log)
        case = Case(attempt, mirror, submission, machine=machine_of(attempt))
        if attempt.node is not None:
            case.begun, case.said = True, CommandStart(attempt.started_at or attempt.created_at, attempt.node)
        self._background.follow(attempt.id)
        self._requests.put(_Take(case))
        self._wake()

    def stop(self, attempt: Attempt, *, kill: bool) -> None:
        self._requests.put(_Stop(attempt.id, kill))
        self._wake()

    def fileno(self) -> int:
        return self._background.fileno()

    def news(self) -> list[News]:
        return self._background.take()

    def any_left(self) -> bool:
        return self._background.any_left()

    def close(self) -> None:
        self._background.close(5.0)

    def _wake(self) -> None:
        self._background.start()
        self._background.wake()

    # ------------------------------------------------------------------------------------------------ the worker thread

    def _turn(self) -> float | None:
        self._take_requests()
        if self._background.closing:
            self._line.hang_up()
            return None
        self._withdraw()
        if not self._cases and not self.gpus.open and self._line.trouble is None:
            return 3600.0
        if (pause := self._line.pause) > 0:
            return pause
        try:
            connection, layout = self._line.reach({case.machine for case in self._cases.values() if case.machine})
            for case in list(self._cases.values()):
                self._start(case, connection, layout)
                self._pass_stop(case, connection, layout)
            more = self._poll(connection, layout)
            for case in list(self._cases.values()):
                try:
                    self._decide(case, connection, layout)
                except RefusedError as error:  # a full disk: asked again next time
                    LOG.debug("%s: %s", case.id, error)
        except UnreachableError as error:
            return self._lost(str(error))
        except RefusedError as error:
            LOG.debug("%s refuses: %s", self.host.name, error)
            return self._lost(f"it cannot be used: {error}")
        except Exception as error:  # part of an answer may be lost: read everything again
            LOG.exception("%s: unexpected", self.host.name)
            return self._lost(f"an answer of it could not be used: {type(error).__name__}: {error}")
        return 0.0 if more else POLL_EVERY if self._cases else 0.2 if self.gpus.open else 3600.0

    def _take_requests(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                request = self._requests.get_nowait()
                if isinstance(request, _Take):
                    self._cases[request.case.id] = request.case
                elif (case := self._cases.get(request.id)) is not None:
                    case.asked = "kill" if request.kill or case.asked == "kill" else "stop"

    def _withdraw(self) -> None:
        """End attempts with no start requested yet, if they were asked to stop or have waited too long for the host."""
        silent = self._line.silent > GIVE_BACK
        for case in list(self._cases.values()):
            if case.submission is None:
                continue
            if case.asked and not case.tried:
                self._tell(case, AttemptExit(ExitRecord(stopped_by=case.asked, ended_at=time.time())))
            elif silent and not case.tried:
                self._tell(case, AttemptLoss(f"{self.host.name} could not be reached, so it never began", started=False))
            elif self._line.trouble:
                self._tell(case, PlaceWait(f"{self.host.name} cannot be reached; the run starts when it answers"))

    def _tell(self, case: Case, news: Acceptance | PlaceWait | CommandStart | End) -> None:
        if isinstance(news, PlaceWait | CommandStart):
            if news == case.said:
                return
            case.said = news
        self._background.tell((case.id, news))
        if isinstance(news, End):
            LOG.debug("%s: %s; %s said %s", case.id, news, self.host.name, case.state)
            del self._cases[case.id]
            if case.followed:
                self._forget.append(case.id)

    # ------------------------------------------------------------------------------------------------------ connection

    def _cut(self) -> None:
        """Reset the state of the connection: the host no longer knows what it was asked."""
        self._forget = []
        for case in self._cases.values():
            case.followed, case.asked_there, case.state = False, None, {}
            case.heard = time.monotonic()
        self.gpus.cut()
        self.loads.cut()

    def _lost(self, why: str) -> float:
        pause = self._line.lost(why)
        self._cut()
        self._withdraw()
        return pause

    # --------------------------------------------------------------------------------------------------------- starting

    def _start(self, case: Case, connection: Connection, layout: Layout) -> None:
        if case.submission is None or time.monotonic() < case.again:
            return
        spec, env = case.submission
        if case.said is None:
            self._tell(case, PlaceWait(f"{self.host.name}: sending code"))
        try:
            code = self._starter.send_code(connection, layout)
            case.tried = True
            self._starter.start(connection, layout, code, case.attempt, spec, env)
        except RefusedError as error:
            if error.errno in PASSING:
                case.again = time.monotonic() + AGAIN
                self._tell(case, PlaceWait(f"{self.host.name}: {error}; the start will be retried"))
                case.tried = False
            else:
                self._fail(case, f"cannot start on {self.host.name}: {error}")
        except (UserError, OSError, ValueError) as error:
            self._fail(case, f"cannot start on {self.host.name}: {error}")
        else:
            case.submission, case.since = None, time.monotonic()
            case.machine = self._line.machine
            self._tell(case, Acceptance({"host": self.host.name, "node": case.machine.node, "boot": case.machine.boot}))

    def _fail(self, case: Case, text: str) -> None:
        self._tell(case, AttemptExit(ExitRecord(error=text, ended_at=time.time())))

    def _pass_stop(self, case: Case, connection: Connection, layout: Layout) -> None:
        if case.asked is None or case.asked == case.asked_there or case.submission is not None or case.id not in self._cases:
            return
        with contextlib.suppress(RefusedError):  # a full disk, and the supervisor is not visible there: retried
            connection.ask("stop", {"id": case.id, "dir": layout.attempt(case.attempt), "what": case.asked})
            case.asked_there = case.asked

    # ---------------------------------------------------------------------------------------------------------- polling

    def _poll(self, connection: Connection, layout: Layout) -> bool:
        """Poll the host for all attempts and store their output. Returns whether more data is ready."""
        fresh = [case for case in self._cases.values() if self._may_follow(case)]
        asked, sampled = self.gpus.wanted, self.loads.wanted
        answer = connection.ask(
            "poll",
            {
                "follow": [self._following(case, layout) for case in fresh],
                "forget": self._forget,
                "gpus": 0.5 if asked else 0,
                "loads": sampled,
                "room": ROOM,
            },
        )
        self._forget = []
        for case in fresh:
            case.followed = True
        self.gpus.take(answer, asked)
        self.loads.take(answer, sampled)
        for id_, state in answer["states"].items():
            if (known := self._cases.get(id_)) is not None:
                self._hear(known, state)
        data, at = memoryview(answer["data"]), 0
        for chunk in answer["chunks"]:
            piece, at = bytes(data[at : at + chunk["size"]]), at + chunk["size"]
            if (known := self._cases.get(chunk["id"])) is not None and known.followed:
                self._write(known, lambda mirror, chunk=chunk, piece=piece: mirror.take(chunk, piece))
        for id_ in [id_ for id_ in self._unkept if id_ not in self._cases or self._cases[id_].followed]:
            del self._unkept[id_]
        return bool(answer["more"])

    @staticmethod
    def _may_follow(case: Case) -> bool:
        return case.submission is None and not case.followed and time.monotonic() >= case.again

    def _following(self, case: Case, layout: Layout) -> dict[str, Any]:
        output = layout.output(case.attempt.output_dir)
        case.mirror.folder = output
        return {
            "id": case.id,
            "dir": layout.attempt(case.attempt),
            "out": output,
            "files": not layout.shared,
            "fetch": self.host.fetch,
            "log": 0 if layout.shared else case.mirror.log_written(),
            "has": {} if layout.shared else case.mirror.has(),
        }

    def _write(self, case: Case, write: Any) -> None:
        """Write to this machine. If that fails, the attempt's files are compared with those here again later."""
        try:
            write(case.mirror)
        except Exception as error:  # the other attempts continue
            LOG.debug("%s: cannot be written here: %s", case.id, error, exc_info=not isinstance(error, OSError))
            self._unkept[case.id] = f"output of {case.attempt.run} on {self.host.name} cannot be written here: {error}"
            case.followed, case.state, case.again = False, {}, time.monotonic() + AGAIN

    def _hear(self, case: Case, state: dict[str, Any]) -> None:
        before, case.state = case.state, state
        if (claim := state.get("claim", {})).get("host"):
            case.machine = Machine(str(claim["host"]), str(claim.get("boot_id") or ""))
        if state.get("beat") != case.beat:
            case.beat, case.heard = state.get("beat"), time.monotonic()
            if not self.host.shared:
                case.mirror.beat()
        if self.host.shared:
            return
        for key, name in (("claim", "claim"), ("start", "start.json"), ("exit", "exit.json")):
            if key in state and state[key] != before.get(key):
                self._write(case, lambda mirror, name=name, key=key: mirror.record(name, state[key]))
        if "left" in state:
            self._write(case, lambda mirror: mirror.left(state["left"], state["links"], state["cut"]))

    # --------------------------------------------------------------------------------------------------------- deciding

    def _decide(self, case: Case, connection: Connection, layout: Layout) -> None:
        if case.submission is not None or not case.followed or not case.state:
            return
        state, name = case.state, self.host.name
        kind = state["state"]
        if kind == "alive" and state.get("elsewhere") and time.monotonic() - case.heard > SILENCE:
            kind = "gone"
        if case.machine and not case.machine.is_(self._line.machine):
            raise UnreachableError(words.another_machine(self.host, self._line.machine.node, case.machine.node))
        if kind in ("alive", "ended", "gone") and "pid" in state.get("claim", {}):
            self._begin(case, state, connection.skew)
        if kind in ("ended", "gone") and not state["complete"]:
            return
        if kind == "ended":
            if self.host.shared and not self._visible(case):
                return
            self._tell(case, end_of(case, connection.skew))
        elif kind == "gone" or (kind == "none" and case.begun):
            given = {"id": case.id, "dir": layout.attempt(case.attempt)}
            killed = 0 if state.get("rebooted") else int(connection.ask("sweep", given)["killed"])
            self._tell(case, vanished(case, name, killed))
        elif kind == "fenced":
            self._unbegun(case)
        elif kind == "none" and (case.asked or not case.tried or time.monotonic() - case.since > UNCLAIMED):
            connection.ask("fence", {"dir": layout.attempt(case.attempt)})  # the next poll shows who has the claim

    def _begin(self, case: Case, state: dict[str, Any], skew: float) -> None:
        """Report that its command runs or ran, once its start or exit record has arrived."""
        if "start" not in state and "exit" not in state:
            return
        since = ours(state.get("start", {}).get("started_at"), skew)
        case.begun = True
        if not isinstance(case.said, CommandStart):
            self._tell(case, CommandStart(since or time.time(), str(state["claim"].get("host") or self.host.name)))

    def _unbegun(self, case: Case) -> None:
        if case.asked:
            self._tell(case, AttemptExit(ExitRecord(stopped_by=case.asked, ended_at=time.time())))
        else:
            self._tell(case, AttemptLoss(f"it was never started on {self.host.name}", started=False))

    def _visible(self, case: Case) -> bool:
        """Whether the exit record in the shared folder is visible here, or has been awaited for `SILENCE` seconds."""
        if local.exit_record(case.mirror.directory, case.id) is not None:
            return True
        case.unseen_since = case.unseen_since or time.monotonic()
        return time.monotonic() - case.unseen_since > SILENCE
