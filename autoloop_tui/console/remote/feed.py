"""The console's data about a loop on another machine: the mirror's files, read like any project's, and what only that
machine can report."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import msgspec
from autoloop import protocol, whoami
from autoloop.as_of import shifted
from autoloop.engine import Holder
from autoloop.engine.runs.presence import Presence
from autoloop.gpus import GpuReport
from autoloop.metrics import MetricBook, default_book
from autoloop.model import Attempt, Event, Loop, Run, Sender, Series, UserError
from autoloop.protocol import Request, verb
from autoloop.store import Command, Snapshot
from autoloop.text.values import duration

from autoloop_tui.console.feed import BUDGET, Feed
from autoloop_tui.console.loop_view import EngineLoss, View
from autoloop_tui.console.outbox import Letter
from autoloop_tui.console.remote.link import Link
from autoloop_tui.console.remote.messages import Ask, History, Load, Look, Message, Ready, Sent, State, Wake, Woken
from autoloop_tui.console.remote.mirror import Mirror
from autoloop_tui.console.telemetry import Sample

LOOKED_AT = 60.0
"""Seconds for which the history or log of an item that was on screen is still requested."""

SLOW = 1.0
"""Seconds after which a command that has not arrived is reported."""

PARTING = 5.0
"""Seconds that quitting waits for commands that have not arrived."""

WAKING = 60.0
"""Seconds that the remote engine may take to start."""

WAKING_STEP = 0.2
"""Seconds between two checks whether an answer can still arrive."""

SAME_CLOCK = 2.0
"""Clock differences up to this many seconds are ignored."""

NOTHING: Mapping[str, Series] = {}


@dataclass
class ReceivedHistory:
    """The received part of a run's history."""

    columns: Mapping[str, Series] = field(default_factory=dict)
    step: int = 0
    rate: float | None = None
    complete: bool = False


class RemoteFeed(Feed):
    """A feed over a connection that has been established at least once. While it is interrupted, the last data stays on
    screen and nothing is sent."""

    def __init__(self, link: Link, mirror: Mirror, loop: str | None) -> None:
        assert link.welcome is not None
        self._mirror, self._link, self._there = mirror, link, link.welcome
        self._settings, self._replaced = mirror.settings, mirror.replaced
        super().__init__(mirror.project, loop)
        self.known_as = Path(f"{link.where.host}:{self._there.project}")
        self._state: State | None = None
        self._ahead = 0.0
        """Seconds by which this machine's clock is ahead of the loop's."""
        self._least = float("inf")
        self._got: dict[tuple[str, int], ReceivedHistory] = {}
        """Histories by run and number of attempts."""
        self._lost: set[str] = set()
        """Runs whose histories have a gap. They are omitted from one `Look`, so that their histories are sent from the
        start."""
        self._histories_at: dict[str, float] = {}
        self._logs_at: dict[str, float] = {}
        """When a history of a run, or a log of an attempt, was last on screen."""
        self._looked: Look | None = None
        self._sample = Sample(GpuReport())
        self._sample_at = -LOOKED_AT
        self._numbers = count(1)
        self._asked: dict[int, tuple[Letter, float]] = {}
        """Commands not known to have arrived, and when they were sent."""
        self._came_back: list[Letter] = []
        self._woken: queue.SimpleQueue[Woken] = queue.SimpleQueue()
        self._closed = False
        self._take_all()

    UNSENT_BECAUSE = "not confirmed by its machine"

    @property
    def host(self) -> str:
        return self._link.where.host

    def close(self) -> list[str]:
        self._closed = True
        until = time.monotonic() + PARTING
        while self._asked and self._link.cut is None and time.monotonic() < until:
            self._take_all()
            time.sleep(0.01)
        self._give_up_asked()
        unsent = [letter.problem for letter in self._came_back if letter.problem]
        self._link.close()
        super().close()
        self._mirror.close()
        return unsent

    # ----------------------------------------------------------------------------------------------------- connection

    @property
    def away(self) -> str:
        """Since when the connection has been interrupted, and why; empty while it is up."""
        cut = self._link.cut
        if cut is None:
            return ""
        since = time.strftime("%H:%M:%S", time.localtime(cut.since))
        why = f": {cut.why.rstrip('.')}" if cut.why else ""
        return f"not connected to {self.host} since {since} ({duration(time.time() - cut.since)}){why}"

    def poll(self, *, brief: bool = False) -> bool:
        self._take_all()
        if self._settings != self._mirror.settings:
            self._settings = self._mirror.settings
            self._take_settings()
        if self._replaced != self._mirror.replaced:
            self._replaced, self._version = self._mirror.replaced, None
            self.store.forget_rows()
        changed = super().poll(brief=brief)
        self._tell_look()
        if away := self.away:
            self._give_up_asked()
            self.problem = f"{away}; showing the last known state"
        elif self._state is not None and self._state.problem:
            self.problem = self._state.problem
        return changed

    def _take_all(self) -> None:
        while not self._link.inbox.empty():
            self._take(self._link.inbox.get())

    def _take(self, message: Message) -> None:
        if isinstance(message, State):
            self._state = message
            self._set_clock(time.time() - message.at)
        elif isinstance(message, History):
            self._take_history(message)
        elif isinstance(message, Load):
            self._sample = message.sample
        elif isinstance(message, Sent):
            letter, _ = self._asked.pop(message.key, (None, 0.0))
            if letter is not None:
                self._came_back.append(Letter(letter.loop, letter.request, number=message.number, problem=message.problem))
        elif isinstance(message, Woken):
            self._woken.put(message)
        elif isinstance(message, Ready):
            self._give_up_asked()
            self._looked = None  # the new connection does not know it
            self._lost.clear()
            self._least = float("inf")

    def _set_clock(self, ahead: float) -> None:
        """Set the clock offset from the message with the shortest delay. Small differences are ignored so that displayed
        times do not jump."""
        self._least = min(self._least, ahead)
        wanted = self._least if abs(self._least) > SAME_CLOCK else 0.0
        if abs(wanted - self._ahead) > SAME_CLOCK / 2:
            self._ahead, self._version = float(round(wanted)), None

    def _tell_look(self) -> None:
        """Send what is on screen if it has changed."""
        now = time.monotonic()
        for times in (self._histories_at, self._logs_at):
            for old in [each for each, at in times.items() if now - at > LOOKED_AT]:
                del times[old]
        newest = sorted(self._histories_at, key=lambda run: -self._histories_at[run])[: self._most]
        logs = {attempt: self._mirror.logs.get(attempt) for attempt in sorted(self._logs_at)}
        wanted, self._lost = sorted(set(newest) - self._lost), set()
        look = Look(self.loop_id, wanted, logs, sample=now - self._sample_at < LOOKED_AT)
        before = self._looked
        same = before is not None and msgspec.structs.replace(look, logs={}) == msgspec.structs.replace(before, logs={})
        if not same or before is None or before.logs.keys() != logs.keys():
            self._looked = look
            self._link.send(look)

    # --------------------------------------------------------------------------------------------------- loop data

    def _loop(self) -> Loop:
        """Return the loop with the paths of its copies, because a path of the other machine may be something else here."""
        loop = super()._loop()
        folder = self.store.places.frozen(loop.name)
        rules = str(folder / Path(loop.spec.rules).name) if loop.spec.rules is not None else None
        spec = msgspec.structs.replace(loop.spec, cwd=str(self.project), rules=rules)
        return msgspec.structs.replace(loop, spec=spec)

    def _book(self) -> MetricBook:
        """Return the loop's metrics, or the defaults until its files have arrived."""
        try:
            return super()._book()
        except UserError:
            return default_book()

    def _take_settings(self) -> None:
        """Reload the settings after files of the loop have arrived."""
        self.metrics = self._book()
        self._resolved = self._keys_of = None
        self._rules.clear()

    @property
    def _origin(self) -> str | None:
        return self._there.project

    def _driver(self) -> Holder | None:
        state = self._state
        if state is None or state.loop != self.loop_id:
            return Holder(pid=0, host=self.host, since=0.0)  # not known yet, so not reported as gone
        return state.engine

    def _look(self) -> Mapping[str, Presence]:
        return self._state.present if self._state is not None and self._state.loop == self.loop_id else {}

    def _gone_since(self, before: View | None) -> EngineLoss | None:
        state = self._state
        if state is None or state.gone_at is None:
            return None
        return EngineLoss(state.gone_at + self._ahead, seen=state.gone_seen)

    def _snapshot(self, *, brief: bool) -> Snapshot:
        found = super()._snapshot(brief=brief)
        return shifted(found, self._ahead) if self._ahead else found

    def events(self) -> list[Event]:
        return [msgspec.structs.replace(each, at=each.at + self._ahead) for each in super().events()]

    def attempts(self, run: Run) -> list[Attempt]:
        moved = super().attempts(run)
        if not self._ahead:
            return moved
        times = ("created_at", "started_at", "ended_at")
        return [
            msgspec.structs.replace(each, **{at: then + self._ahead for at in times if (then := getattr(each, at))})
            for each in moved
        ]

    def take_sample(self, attempts: Mapping[str, Attempt], *, with_gpus: bool) -> Sample:
        self._sample_at = time.monotonic()
        return self._sample

    # ---------------------------------------------------------------------------------------------------- histories

    def read(self, run: Run, *, budget: int = BUDGET) -> Mapping[str, Series]:
        attempt = self.view.snapshot.attempts.get(run.id) if self.view else None
        if attempt is None or run.output_dir is None:
            return NOTHING
        self._histories_at[run.id] = time.monotonic()
        return self.known(run)

    def arrives(self, run: Run) -> bool:
        attempt = self.view.snapshot.attempts.get(run.id) if self.view else None
        if attempt is None or run.output_dir is None:
            return False
        known = self._got.get((run.id, run.attempts))
        return known is None or not known.complete

    def known(self, run: Run) -> Mapping[str, Series]:
        known = self._got.get((run.id, run.attempts))
        return known.columns if known is not None else NOTHING

    def step(self, run: Run) -> int:
        known = self._got.get((run.id, run.attempts))
        return max(run.step, known.step if known is not None else 0)

    def rate(self, run: Run) -> float | None:
        known = self._got.get((run.id, run.attempts))
        return known.rate if known is not None else None

    def secrets(self, run: Run) -> list[str]:
        """Return no secrets: logs arrive masked. The caller shows the run's log, so request it."""
        attempt = self.view.snapshot.attempts.get(run.id) if self.view else None
        if attempt is not None:
            self._logs_at[attempt.id] = time.monotonic()
        return []

    @property
    def unmasked(self) -> str:
        return self._state.unmasked.replace("not set here", f"not set on {self.host}") if self._state is not None else ""

    def _take_history(self, message: History) -> None:
        key = message.run, message.attempts
        known = ReceivedHistory() if message.restart else self._got.get(key)
        if known is None or any(points.start > len(known.columns.get(name, ())) for name, points in message.points.items()):
            self._lost.add(message.run)  # the part before it is missing
            return
        self._got.pop(key, None)
        columns = dict(known.columns)
        for name in message.dropped:
            columns.pop(name, None)
        for name, points in message.points.items():
            series = columns.get(name) if points.start else None
            if series is None:
                series = columns[name] = Series()
            del series.steps[points.start :], series.values[points.start :]
            series.steps.frombytes(points.steps)
            series.values.frombytes(points.values)
        changed = message.restart or message.dropped or message.points
        self._got[key] = ReceivedHistory(columns if changed else known.columns, message.step, message.rate, message.complete)
        # The other end sends only increments for runs on screen, so their histories must be kept.
        looked = self._looked.histories if self._looked is not None else []
        for old in [each for each in self._got if each[0] not in looked][: max(0, len(self._got) - self._most)]:
            del self._got[old]
        self._columns = {f"{run} {attempts}": each.columns for (run, attempts), each in self._got.items()}

    # ----------------------------------------------------------------------------------------------------- commands

    def send(self, request: Request) -> bool:
        if away := self.away:
            raise UserError(away)
        self._take_all()  # process a new connection first: the request belongs to it
        letter = Letter(self.loop_id, request)
        key = next(self._numbers)
        self._asked[key] = letter, time.monotonic()
        payload = msgspec.json.encode(protocol.payload(request))
        self._link.send(Ask(key, self.loop_id, verb(request), payload, sender_here()))
        return False

    @property
    def waiting(self) -> int:
        return sum(time.monotonic() - since > SLOW for _, since in self._asked.values())

    def unsent(self) -> list[str]:
        taken, self._came_back = self._came_back, []
        self._questions |= {letter.number for letter in taken if letter.number is not None}
        return [letter.problem for letter in taken if letter.problem]

    def answers(self) -> list[Command]:
        try:
            return super().answers()
        except LookupError:  # its records were replaced
            self._questions.clear()
            return []

    def _give_up_asked(self) -> None:
        """Report pending commands as unknown: whether they arrived before the connection was lost cannot be determined."""
        for letter, _ in self._asked.values():
            problem = f"whether {verb(letter.request)} reached {self.host} is unknown: the connection was lost"
            self._came_back.append(Letter(letter.loop, letter.request, problem=problem))
        self._asked.clear()

    def wake(self) -> str:
        if away := self.away:
            raise UserError(away)
        while not self._woken.empty():
            self._woken.get()  # discard answers to an earlier wake
        self._link.send(Wake(self.loop_id))
        until = time.monotonic() + WAKING
        while time.monotonic() < until:
            try:
                woken = self._woken.get(timeout=WAKING_STEP)
            except queue.Empty:
                if away := "the console is closed" if self._closed else self.away:
                    raise UserError(f"engine state unknown: {away}") from None
                continue
            if not woken.ok:
                raise UserError(woken.text)
            return woken.text
        raise UserError(f"{self.host} did not confirm within {WAKING:.0f} s that an engine is running.")


def sender_here() -> Sender:
    """Return this process as the sender, with the terminal marked as one of this machine."""
    here = whoami.this_process()
    name = f"{os.uname().nodename}:{here.terminal}" if here.terminal is not None else None
    return msgspec.structs.replace(here, terminal=name)
