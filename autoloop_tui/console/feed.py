"""The console's data about a loop: the newest view of the store and the histories of the runs on screen.

The console's timer polls everything; nothing here touches a widget.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autoloop import whoami
from autoloop.engine import Holder, holder
from autoloop.engine.planning.kept_metrics import metrics_of
from autoloop.engine.runs.presence import Presence, presences
from autoloop.metrics import MetricBook, canonical_columns, for_runs
from autoloop.model import Attempt, Event, Loop, Run, Series, UserError
from autoloop.protocol import Request
from autoloop.secrets import missing
from autoloop.store import (
    Command,
    LoopRows,
    Snapshot,
    Store,
    StoreUnavailableError,
    take_brief_snapshot,
    take_snapshot,
)

from autoloop_tui.console.loop_view import TROUBLE, EngineLoss, View
from autoloop_tui.console.outbox import Letter, Outbox
from autoloop_tui.console.telemetry import Sample, Sampler

if TYPE_CHECKING:
    from autoloop.metric_readers import Follower
    from autoloop.rules import Rule
    from autoloop.trainers import Preset

HISTORIES = 16
"""Histories kept open, more if more are on screen. The least recently shown one is closed first."""

LOCK_PATIENCE = 0.1
"""Seconds that the screen waits for another process's lock; a command that needs longer goes through the outbox."""

LAST_PATIENCE = 12.0
"""Seconds that quitting waits for unsent commands; slightly longer than a store waits for a lock."""

LOOK_EVERY = 2.0
"""Seconds between two checks of the processes of a loop without an engine."""

BUDGET = 512 << 10
"""Bytes of one history parsed per tick. This takes about 10 ms, so keys stay responsive."""

NOTHING: Mapping[str, Series] = {}
"""The history of a run whose history is unknown."""


class Feed:
    """Reads one loop. Owned and closed by the app, and used from its thread."""

    UNSENT_BECAUSE = "the store is locked or its disk is full"
    """Why sending a command may be delayed."""

    def __init__(self, project: Path, loop: str | None = None) -> None:
        self.project = project
        self.known_as = project
        """The path under which preferences remember the project."""
        self.store = Store.open(project)
        self.store.wait_at_most(LOCK_PATIENCE)
        self.loop_id = self.store.find_loop(loop).id
        self.metrics = self._book()
        self._resolved: MetricBook | None = None
        self._keys_of: tuple[Snapshot, int] | None = None
        """The snapshot, and the number of known columns, for which the key metrics were chosen."""
        self.view: View | None = None
        self.problem: str | None = None
        """Why the view is out of date, as a sentence."""
        self._version: int | None = None
        self._engine: Holder | None = None
        self._followers: OrderedDict[str, Follower] = OrderedDict()
        """By output directory and attempt number, because an extended run continues in the same directory."""
        self._columns: dict[str, Mapping[str, Series]] = {}
        self._most = HISTORIES
        self._questions: set[int] = set()
        """Our commands that have no answer yet."""
        self._outbox = Outbox(project)
        self._present: Mapping[str, Presence] = {}
        self._looked_at = 0.0
        self._rules: dict[int, list[Rule]] = {}
        self._presets: dict[int, Preset] = {}
        """By loop."""
        self._secrets: dict[str, list[str]] = {}
        """By run; a frozen config does not change."""
        self._sampler = Sampler()

    def _loop(self) -> Loop:
        """The loop, with the paths under which its files are available."""
        return self.store.loop(self.loop_id)

    def _book(self) -> MetricBook:
        return metrics_of(self.store.places, self._loop())

    def close(self) -> list[str]:
        """Close the feed; return why commands could not be sent, as sentences."""
        unsent = self._outbox.close(LAST_PATIENCE)
        for follower in self._followers.values():
            follower.close()
        self.store.close()
        return [letter.problem for letter in unsent]

    def poll(self, *, brief: bool = False) -> bool:
        """Take a new snapshot if the store or the engine's state has changed. Returns True if there is a new view. `brief`:
        take a short snapshot for the first paint; the next call completes it.

        If the store cannot be read, `problem` says so and the last view stays.
        """
        if not self.store.places.database.exists():
            self.problem = "the project's .autoloop folder is gone; showing the last known state"
            return False
        try:
            return self._poll(brief=brief)
        except TROUBLE as error:
            self.problem = f"the store cannot be read ({error}); showing the last known state"
            return False

    def _poll(self, *, brief: bool) -> bool:
        version = self.store.version()
        engine = self._driver()
        present = {} if engine else self._look()
        known = self.view.present if self.view else {}
        stale = self.view is None or version != self._version or engine != self._engine or present != known
        if stale or (self.view is not None and self.view.brief and not brief):
            snapshot = self._snapshot(brief=brief)
            before = self.view
            gone = None if engine else self._gone_since(before)
            self.view = View(snapshot, engine, self._metrics_of(snapshot), self.project, present, gone, brief, self._origin)
            if before is not None:
                self.view.keep_outcome(before)
            self._version, self._engine = version, engine  # only now, so that a failed snapshot is retried
            changed = True
        elif self.view is not None and (metrics := self._metrics_of(self.view.snapshot)) is not self.view.metrics:
            self.view = replace(self.view, metrics=metrics)
            changed = True
        else:
            changed = False
        self.problem = None
        return changed

    @property
    def _origin(self) -> str | None:
        """The project's folder on the loop's machine, if that is another machine."""
        return None

    def _driver(self) -> Holder | None:
        """Return who drives the loop now."""
        return holder(self.store.places.lock(self.store.loop(self.loop_id).name))

    def _snapshot(self, *, brief: bool) -> Snapshot:
        return (take_brief_snapshot if brief else take_snapshot)(self.store, self.loop_id)

    def read_ahead(self) -> LoopRows | None:
        """Read the rows of the first complete view in a worker thread; `take_over` hands them to the store, so that `poll`
        need not read them."""
        try:
            with Store.open(self.store.places.project) as store, store.reading():
                return store.rows_of(store.loop(self.loop_id))
        except TROUBLE:  # `poll` will hit and report the same error
            return None

    def take_over(self, rows: LoopRows | None) -> None:
        if rows is not None:
            self.store.take_over(rows)

    def _gone_since(self, before: View | None) -> EngineLoss | None:
        if before is not None and before.engine is not None:
            return EngineLoss(time.time(), seen=True)
        if before is not None:
            return before.gone_since
        try:
            log = self.store.places.engine_log(self.store.loop(self.loop_id).name)
            return EngineLoss(log.stat().st_mtime, seen=False)
        except OSError:
            return None

    def _metrics_of(self, snapshot: Snapshot) -> MetricBook:
        """Return the book with the key metrics of the loop's runs; a new object only if they have changed."""
        held = sum(map(len, self._columns.values()))
        if self._keys_of is None or self._keys_of[0] is not snapshot or self._keys_of[1] != held:
            self._keys_of = snapshot, held
            book = for_runs(self.metrics, snapshot.runs, list(self._columns.values()))
            if self._resolved is None or book.key_metrics != self._resolved.key_metrics:
                self._resolved = book
        return self._resolved or self.metrics

    def _look(self) -> Mapping[str, Presence]:
        """Return which runs still have processes or records, refreshed at most every LOOK_EVERY seconds."""
        now = time.monotonic()
        if self.view is None or self.view.engine is not None or now - self._looked_at >= LOOK_EVERY:
            self._looked_at = now
            self._present = presences(self.store, self.store.loop(self.loop_id))
        return self._present

    def follow_loop(self, loop: int) -> None:
        """Switch to another loop of the project."""
        self.loop_id, self.view = loop, None
        self.metrics = self._book()
        self._resolved = self._keys_of = None

    # ---------------------------------------------------------------------------------------------------- histories

    def read(self, run: Run, *, budget: int = BUDGET) -> Mapping[str, Series]:
        """Return the run's metrics by canonical name as far as they have been read, after reading up to `budget` more bytes.
        Returns the same object as before only if there is nothing new and nothing more to read."""
        attempt = self.view.snapshot.attempts.get(run.id) if self.view else None
        if attempt is None or run.output_dir is None:
            return NOTHING
        key = _key(run)
        follower = self._followers.get(key)
        if follower is None:
            follower = self._followers[key] = self._follow(attempt, run)
        self._followers.move_to_end(key)
        while len(self._followers) > self._most:
            old, dropped = self._followers.popitem(last=False)
            dropped.close()
            self._columns.pop(old, None)
        if follower.poll(budget) or key not in self._columns:
            self._columns[key] = canonical_columns(follower.columns, self.metrics)
        return self._columns[key]

    def _follow(self, attempt: Attempt, run: Run) -> Follower:
        """Open the run's history as the engine does; without a readable preset, the console log yields no metrics."""
        assert self.view is not None
        # Imported here because the first paint needs no reader.
        from autoloop.engine.runs.following import follow_attempt

        return follow_attempt(attempt, run, self.view.loop.spec, self._preset())

    def _preset(self) -> Preset | None:
        """Return the loop's preset; None if it cannot be read."""
        from autoloop.engine.planning.frozen import preset_of

        if self.loop_id not in self._presets:
            with suppress(UserError):
                self._presets[self.loop_id] = preset_of(self.store.places, self._loop())
        return self._presets.get(self.loop_id)

    def rules(self) -> list[Rule]:
        """Return the rules of the loop's rule book; empty if they are written in Python or cannot be read."""
        from autoloop.engine.planning.frozen import rules_of

        if self.loop_id not in self._rules:
            self._rules[self.loop_id] = []
            with suppress(*TROUBLE):
                self._rules[self.loop_id] = rules_of(self.store.places, self._loop(), self.metrics)
        return self._rules[self.loop_id]

    def secrets(self, run: Run) -> list[str]:
        """Return the secrets that the run's log may contain and that must not be shown."""
        from autoloop.engine.base.output_secrets import output_secrets

        if run.id not in self._secrets:
            self._secrets[run.id] = output_secrets(run, self._preset())
        return self._secrets[run.id]

    @property
    def unmasked(self) -> str:
        """A note for a log's title if a secret from --extra cannot be masked because its variable is not set here."""
        lacking = missing(self.view.loop.spec.extra, os.environ) if self.view else []
        return f"{', '.join(lacking)} not set here: a secret from --extra may be shown" if lacking else ""

    def keep_open(self, histories: int) -> None:
        """Keep at least `histories` histories open: all of them are on screen."""
        self._most = max(HISTORIES, histories)

    def arrives(self, run: Run) -> bool:
        """Return whether more of the run's history is still arriving from another machine."""
        return False

    def known(self, run: Run) -> Mapping[str, Series]:
        """Return the run's metrics read so far, without reading more."""
        return self._columns.get(_key(run), NOTHING)

    def step(self, run: Run) -> int:
        """Return the newest known step of a run."""
        follower = self._followers.get(_key(run))
        return max(run.step, (follower.step or 0) if follower else 0)

    def rate(self, run: Run) -> float | None:
        """Return steps per second; None if unknown."""
        follower = self._followers.get(_key(run))
        return follower.rate if follower else None

    def seconds_left(self, run: Run, now: float) -> float | None:
        """Return the seconds until the run's last step. If the log of a first attempt has no times, they are estimated from
        how long it has trained."""
        step, rate = self.step(run), self.rate(run)
        if rate is None and run.attempts == 1 and run.started_at is not None and now > run.started_at:
            rate = step / (now - run.started_at)
        return run.seconds_left(step, rate, now)

    # ------------------------------------------------------------------------------------------- beyond the snapshot

    def events(self) -> list[Event]:
        return self.store.events(self.loop_id)

    def attempts(self, run: Run) -> list[Attempt]:
        return self.store.attempts(run.id)

    def take_sample(self, attempts: Mapping[str, Attempt], *, with_gpus: bool) -> Sample:
        """Measure the loop's machine under these attempts. Called by one thread at a time."""
        return self._sampler.take(attempts, with_gpus=with_gpus)

    # ----------------------------------------------------------------------------------------------------- commands

    def send(self, request: Request) -> bool:
        """Send a request; `answers` returns its answer. Returns False if sending is delayed; `unsent` reports a failure."""
        letter = Letter(self.loop_id, request)
        if not self._outbox.under_way:  # otherwise it would overtake earlier requests
            try:
                self._questions.add(self.store.send(self.loop_id, request, whoami.this_process()))
                return True
            except StoreUnavailableError:
                pass
        self._outbox.put(letter)
        return False

    def wake(self) -> str:
        """Start an engine for the loop; return the result as a sentence. Blocks, so call it in a thread."""
        from autoloop.engine import spawn

        with Store.open(self.project) as store:
            started = spawn(store, store.loop(self.loop_id))
        return f"the engine is running again (process {started.pid})"

    @property
    def waiting(self) -> int:
        """Number of commands that have not been sent yet."""
        return self._outbox.under_way

    def unsent(self) -> list[str]:
        """Return why commands could not be sent, since the last call."""
        taken = self._outbox.taken()
        self._questions |= {letter.number for letter in taken if letter.number is not None}
        return [letter.problem for letter in taken if letter.problem]

    def answers(self) -> list[Command]:
        """Return the commands that have been answered since the last call."""
        asked = [self.store.command(number) for number in sorted(self._questions)]
        done = [command for command in asked if command.answered_at is not None]
        self._questions -= {command.id for command in done}
        return done


def _key(run: Run) -> str:
    return f"{run.attempts} {run.output_dir or ''}"
