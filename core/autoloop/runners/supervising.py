"""One process beside each attempt: starts the command, outlives the engine, stops the whole tree, records the end.

It is started by `supervisor.py` in its own session, and its environment is the command's.
In the attempt's directory it reads spec.json and writes claim, start.json, log.txt and exit.json. SIGTERM asks it to stop
the command by the signal ladder, SIGUSR2 to do so because its time limit is near, and SIGUSR1 to kill it. Clients in another
container or on another machine write the file `asked` instead, and see from the mtime of `claim` that the supervisor is
alive. The directory may be moved while it runs. Standard library only.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING or __package__:
    import signal

    from autoloop.runners import bounded_log, procfs, records
else:
    # This delays the start of every attempt: `signal` (for its enums), `json` and `ctypes` would take 11 ms.
    import _signal as signal

    import bounded_log
    import procfs
    import records

HELD = "AUTOLOOP_SECRET_"
"""Prefix of the variables for secrets, which spec.json must not contain: `${AUTOLOOP_SECRET_…}` in argv refers to them (see
`autoloop.secrets`)."""

ALREADY_CLAIMED = 75
CANNOT_RECORD = 74
CANNOT_START = 127

WAITED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class Attempt:
    """One command and all its descendants, from its start until none is left."""

    def __init__(self, name: str, me: records.Record) -> None:
        self.directory = f"/proc/self/fd/{procfs.PLACE}"
        self.me = me
        self.attempt_id: str = name
        self.ladder: list[tuple[str, float]] = []
        self.straggler_grace = 0.0
        self.child = 0
        self.status: int | None = None
        self.errno: int | None = None
        self.stopped_by: str | None = None
        self.started_at: float | None = None
        self.unwritten: records.Record | None = None
        self.log: bounded_log.BoundedLog | None = None
        self.beats_next = 0.0
        self.obeyed: str | None = None

    def run(self) -> int:
        """Start, wait, record. Returns the exit code: that of the command, or 128 + n after signal n."""
        error = self.start()
        if error is None:
            self.attend()
        else:
            write_log(error)
        if self.log is not None:
            self.log.fit()
        code = os.waitstatus_to_exitcode(self.status) if self.status is not None else CANNOT_START
        written = self.record_end(
            {
                "attempt_id": self.attempt_id,
                "code": code if code >= 0 else None,
                "signal": -code if code < 0 else None,
                "stopped_by": self.stopped_by,
                "error": error,
                "errno": self.errno,
                "started_at": self.started_at,
                "ended_at": time.time(),
            }
        )
        return CANNOT_RECORD if not written else code if code >= 0 else 128 - code

    def start(self) -> str | None:
        """Start the command. Returns an error message if that is impossible."""
        try:
            spec = records.read_json(f"{self.directory}/spec.json")
            self.attempt_id = str(spec["attempt_id"])
            self.ladder = [(str(name), float(grace)) for name, grace in spec["stop"]]  # type: ignore[attr-defined]
            self.straggler_grace = float(spec["straggler_grace"])  # type: ignore[arg-type]
            self.log = bounded_log.BoundedLog(1, int(spec["max_log"]))  # type: ignore[call-overload]
            argv = [revealed(str(word)) for word in spec["argv"]]  # type: ignore[attr-defined]
            cwd = str(spec["cwd"])
            for name, _ in self.ladder:
                number_of(name)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.errno = getattr(error, "errno", None)
            return f"cannot use spec.json: {type(error).__name__} {error}"
        if not procfs.become_subreaper():
            write_log("no child subreaper here: processes that leave the tree can only be found by their environment")
        self.started_at = time.time()
        try:
            os.chdir(cwd)
        except OSError as error:
            return f"cannot enter {cwd}: {error.strerror}"
        try:
            self.child = os.posix_spawnp(
                argv[0],
                argv,
                {name: value for name, value in os.environ.items() if not name.startswith(HELD)}
                | {procfs.MARK: self.attempt_id, procfs.MARK_PLACE: procfs.place_of(procfs.PLACE)},
                setpgroup=0,  # so that the first signal spares helpers in their own group, such as wandb-core
                setsigmask=(),
                # nohup and background shells leave SIGINT ignored, but it is the first step of the ladder
                setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
            )
        except (OSError, ValueError, IndexError) as error:
            self.errno = getattr(error, "errno", None)
            return f"cannot start {argv[0] if argv else 'nothing'}: {getattr(error, 'strerror', None) or error}"
        child = procfs.process(self.child)
        self.unwritten = {
            "attempt_id": self.attempt_id,
            **self.me,
            "child_pid": self.child,
            "child_start_time": child.start_time if child else None,
            "started_at": self.started_at,
        }
        return None

    def attend(self) -> None:
        """Wait until no descendant is left, and carry out requests in the meantime."""
        steps: list[tuple[str, float]] = []
        deadline: float | None = None
        stopping = False
        pause = 0.02
        alive = True
        while alive:
            self.record_start()
            asked = self.wait(deadline)
            alive = self.reap()
            now = time.monotonic()
            if asked == signal.SIGUSR1 or (asked in (signal.SIGTERM, signal.SIGUSR2) and not stopping):
                kill = asked == signal.SIGUSR1
                if self.status is None:  # otherwise the command has ended, and only stragglers are stopped
                    self.stopped_by = "kill" if kill else "time limit" if asked == signal.SIGUSR2 else "stop"
                stopping, deadline = True, now
                steps = [] if kill else list(self.ladder)
            elif self.status is not None and deadline is None:
                deadline = now + self.straggler_grace
            if alive and deadline is not None and now >= deadline:
                name, grace = steps.pop(0) if steps else ("KILL", 0.0)
                self.signal_tree(name)
                if name == "KILL":  # processes forked between the listing and the signal are killed the next time
                    grace, pause = max(grace, pause), min(pause * 2, 1.0)
                deadline = now + grace

    def wait(self, deadline: float | None) -> int | None:
        """Sleep until a child ends, a request, the deadline or the log's next check. Returns the signal received, if any."""
        pause = self.log.tend() if self.log is not None else 1.0  # an unwritten start.json is retried each second
        if (asked := self.tend_files()) is not None:
            return asked
        if deadline is not None:
            pause = min(pause, max(0.0, deadline - time.monotonic()))
        got = signal.sigtimedwait(WAITED, pause)
        return got.si_signo if got else None

    def tend_files(self) -> int | None:
        """Send a heartbeat if one is due. Returns the signal that a new request in the file `asked` stands for."""
        now = time.monotonic()
        if now >= self.beats_next:
            self.beats_next = now + records.BEAT
            records.beat(self.directory)
        asked = records.asked(self.directory)
        if asked is None or asked == self.obeyed:
            return None
        self.obeyed = asked
        return signal.SIGUSR1 if asked == "kill" else signal.SIGTERM

    def reap(self) -> bool:
        """Reap ended children. Returns False if no descendant is left: an orphan would have become our child."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.child:
                self.status = status

    def signal_tree(self, name: str) -> None:
        """Send SIGINT to the command's process group, as a keyboard does, and any other signal to all descendants."""
        seen = procfs.processes()
        for pid in procfs.descendants({os.getpid()}, seen):
            if name != "INT" or seen[pid].group == self.child:
                # A process suspended with SIGSTOP must continue to receive it.
                procfs.send(pid, seen[pid].start_time, number_of(name), signal.SIGCONT)

    def record_start(self) -> None:
        """Write start.json if it is not written yet. On a full disk, `wait` returns every second for another try."""
        if self.unwritten is None:
            return
        try:
            records.write_record(self.directory, "start.json", self.unwritten)
        except OSError as error:
            write_log(f"cannot write start.json: {error}")
        else:
            self.unwritten = None

    def record_end(self, record: records.Record) -> bool:
        """Write exit.json, retrying each second until there is space. False if asked to give up or the folder is gone."""
        while True:
            try:
                records.write_record(self.directory, "exit.json", record)
                return True
            except (FileNotFoundError, NotADirectoryError):
                return False
            except OSError as error:
                write_log(f"cannot write exit.json: {error}")
            if self.tend_files() or signal.sigtimedwait((signal.SIGTERM, signal.SIGUSR1), 1.0):
                return False


def number_of(name: str) -> int:
    return int(getattr(signal, f"SIG{name}"))


def revealed(word: str) -> str:
    """Return a word of the command with its secrets inserted from the inherited environment."""
    if HELD in word:
        for name, value in os.environ.items():
            if name.startswith(HELD):
                word = word.replace("${" + name + "}", value)
    return word


def write_log(text: str) -> None:
    """Write a line to the attempt's log, which users read first. A full disk must not end us here."""
    try:
        os.write(2, f"autoloop: {text}\n".encode(errors="replace"))
    except OSError:
        return


def main(directory: str) -> int:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, WAITED)
    for number in WAITED:  # a job script ignores them up to here
        signal.signal(number, signal.SIG_DFL)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    directory = os.path.abspath(directory)
    me = procfs.identity(os.getpid())
    try:
        if not records.claim(directory, me):
            return ALREADY_CLAIMED
        place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        os.dup2(place, procfs.PLACE, inheritable=False)
        null = os.open(os.devnull, os.O_RDONLY)
        # The command inherits this descriptor: its output does not pass through us, so it never waits for us.
        log = os.open(f"{directory}/log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        write_log(f"cannot use {directory}: {error}")
        return CANNOT_RECORD
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.closerange(3, procfs.PLACE)
    return Attempt(os.path.basename(directory), me).run()
