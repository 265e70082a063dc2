"""Starts attempts on this machine and answers requests about them, over standard input and output.

A request is a line of JSON followed by `bytes` bytes of payload; so is an answer. The program ends with its connection and
leaves nothing running but the supervisors that it started, which are independent of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
import tarfile
import time
from collections.abc import Callable

from autoloop.runners import procfs, records, sweeping
from autoloop.runners.ssh.far import copies, following, gpus, logout

MARK = b"AUTOLOOP-FAR "
"""Marks the first line; output of the login shell comes before it."""
IDLE = 900
"""Seconds without a request after which the program exits, because a connection can break silently."""
SUPERVISOR = ("supervisor", "supervising", "procfs", "records", "bounded_log")
"""The modules of the supervisor that runs beside an attempt."""

Given = dict[str, object]
Answer = tuple[Given, bytes]


class Program:
    def __init__(self, sources: dict[str, str], digest: str) -> None:
        self.sources, self.digest = sources, digest
        self.followed: dict[str, following.FollowedAttempt] = {}
        self.gpus, self.loads = gpus.Reader(gpus.read), gpus.Reader(gpus.read_loads)
        self.verbs: dict[str, Callable[[Given, bytes], Answer]] = {
            each.__name__: each
            for each in (
                self.settle,
                self.put,
                self.start,
                self.poll,
                self.stop,
                self.fence,
                self.sweep,
                self.list,
                self.fetch,
            )
        }

    def serve(self) -> None:
        source, target = sys.stdin.buffer, sys.stdout.buffer
        hello = {
            "python": list(sys.version_info[:3]),
            "executable": sys.executable,
            "node": os.uname().nodename,
            "system": os.uname().sysname,
            "boot": procfs.boot_id() if os.path.exists("/proc/sys/kernel/random/boot_id") else "",
            "pidfd": procfs.can_open(),
            "home": os.path.expanduser("~"),
        }
        target.write(b"\n" + MARK + json.dumps(hello).encode() + b"\n")
        target.flush()
        while True:
            signal.alarm(IDLE)
            line = source.readline()
            if not line:
                return
            given = json.loads(line)
            payload = source.read(int(given.get("bytes", 0)))
            try:
                answer, data = self.verbs[str(given["do"])](given, payload)
            except OSError as error:
                answer, data = {"error": error.strerror or str(error), "errno": error.errno, "file": error.filename}, b""
            except Exception as error:  # only this request fails; other attempts are not affected
                answer, data = {"error": f"{type(error).__name__}: {error}", "errno": None}, b""
            answer |= {"bytes": len(data), "time": time.time()}
            target.write(json.dumps(answer).encode() + b"\n" + data)
            target.flush()
            self.reap()

    def reap(self) -> None:
        """Reap the supervisors that have ended."""
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass

    def settle(self, given: Given, _: bytes) -> Answer:
        """Create the folders and write the supervisor's modules. Returns the absolute folder and the free disk space.

        With `look`, for doctor: also which of these paths are absent, and whether runs end with the connection.
        """
        folder = os.path.abspath(os.path.expanduser(str(given["folder"])))
        if given["make"]:
            for name in ("outputs", "attempts", "code", "configs"):
                os.makedirs(os.path.join(folder, name), mode=0o755 if name == "outputs" else 0o700, exist_ok=True)
            copies.clear(os.path.join(folder, "code"))
        elif not os.path.isdir(folder):
            return {"folder": folder, "missing": True}, b""
        modules = os.path.join(folder, *([] if given["make"] else [".autoloop"]), "far", self.digest)
        if not os.path.isdir(modules):
            fresh = f"{modules}.{os.getpid()}"
            os.makedirs(fresh, mode=0o700, exist_ok=True)
            for name in SUPERVISOR:
                with open(f"{fresh}/{name}.py", "w", encoding="utf-8") as file:
                    file.write(self.sources[f"autoloop.runners.{name}"])
            _keep(fresh)
            try:
                os.rename(fresh, modules)
            except OSError:  # another engine was faster
                shutil.rmtree(fresh, ignore_errors=True)
        self.supervisor = f"{modules}/supervisor.py"
        wanted = [str(each) for each in given.get("look", [])]  # type: ignore[attr-defined]
        absent = [each for each in wanted if not os.path.exists(os.path.expanduser(each))]
        ends = "look" in given and logout.ends_what_is_left()
        return {"folder": folder, "free": shutil.disk_usage(folder).free, "absent": absent, "ends": ends}, b""

    def put(self, given: Given, payload: bytes) -> Answer:
        """Append a piece to the archive for `path`, or with `unpack`, verify and extract it: `path` is complete or absent.

        Returns whether the folder exists and otherwise how many bytes of the archive are here."""
        path = str(given["path"])
        part = f"{path}.part"
        if copies.use(path):
            return {"there": True}, b""
        has = os.path.getsize(part) if os.path.exists(part) else 0
        if payload and int(given["at"]) == has:  # type: ignore[call-overload]
            with open(part, "ab") as file:
                file.write(payload)
            has += len(payload)
        if not given.get("unpack"):
            return {"there": False, "has": has}, b""
        with open(part, "rb") as file:
            digest = hashlib.sha256()
            while piece := file.read(1 << 20):
                digest.update(piece)
        if digest.hexdigest() != given["unpack"]:
            os.unlink(part)
            return {"there": False, "has": 0}, b""
        fresh = f"{path}.{os.getpid()}.new"
        os.makedirs(fresh, mode=0o700)
        # It is the user's own project, so its links may lead anywhere; older Pythons have no filters.
        trusting = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
        try:
            with tarfile.open(part) as archive:
                for member in archive:
                    archive.extract(member, fresh, **trusting)  # type: ignore[arg-type]
            _keep(fresh)
            os.rename(fresh, path)
        except OSError:
            if not os.path.isdir(path):  # otherwise another engine was faster
                raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        with contextlib.suppress(OSError, ValueError):
            folder = os.path.dirname(path)
            copies.prune(folder, os.path.join(os.path.dirname(folder), "attempts"))
        return {"there": True}, b""

    def start(self, given: Given, payload: bytes) -> Answer:
        """Start the supervisor of an attempt, unless the attempt is already claimed."""
        directory = str(given["dir"])
        if os.path.exists(f"{directory}/claim"):
            return {"claimed": True}, b""
        os.makedirs(directory, mode=0o700, exist_ok=True)
        output = str(given["out"])
        os.makedirs(output if given["make"] else os.path.dirname(output), exist_ok=True)
        for path, target in dict(given["links"]).items():  # type: ignore[call-overload]
            _link(path, target)
        offset = 0
        for path, size in given["files"]:  # type: ignore[attr-defined]
            _write(path, payload[offset : offset + size])
            offset += size
        _write(f"{directory}/spec.json", json.dumps(given["spec"], indent=1).encode() + b"\n")
        env = {**os.environ, **given["env"]}  # type: ignore[dict-item]
        if path := given["path"]:
            env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(path), os.environ.get("PYTHONPATH")]))
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", self.supervisor, directory],
            env,
            file_actions=[(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)],
            setsid=True,
            setsigmask=[signal.SIGTERM, signal.SIGUSR1],
            setsigdef=[signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD],
        )
        return {"pid": pid}, b""

    def poll(self, given: Given, _: bytes) -> Answer:
        """Return the changed states of all followed attempts and their new output."""
        for each in given["forget"]:  # type: ignore[attr-defined]
            self.followed.pop(each, None)
        for each in given["follow"]:  # type: ignore[attr-defined]
            self.followed[each["id"]] = following.FollowedAttempt(each)
        if given["gpus"]:
            self.gpus.ask()
            self.gpus.wait(float(given["gpus"]))  # type: ignore[arg-type]
        if given.get("loads"):
            self.loads.ask()
        room = following.AnswerBudget(int(given["room"]))  # type: ignore[call-overload]
        states: Given = {}
        for each in self.followed.values():
            try:
                state = each.news(room)
            except Exception as error:  # only this attempt fails; the others continue
                state = {"state": "unreadable", "why": f"{type(error).__name__}: {error}", "complete": False}
            if state is not None:
                states[each.id] = state
        if room.more and self.followed:  # the next answer starts with another attempt
            first = next(iter(self.followed))
            self.followed[first] = self.followed.pop(first)
        answer: Given = {"states": states, "chunks": room.chunks, "more": room.more}
        answer |= {"gpus": self.gpus.answer, "gpus_at": self.gpus.answered, "gpus_asked": self.gpus.asked}
        answer |= {"loads": self.loads.answer, "loads_at": self.loads.answered, "loads_asked": self.loads.asked}
        return answer, b"".join(room.data)

    def stop(self, given: Given, _: bytes) -> Answer:
        """Ask a supervisor to end: by a signal if it runs here, which works on a full disk too, and by a file, which reaches
        one that is starting or runs in a container."""
        directory, what = str(given["dir"]), str(given["what"])
        refused: OSError | None = None
        try:
            records.ask(directory, what)
        except OSError as error:
            refused = error
        claim = following.claim_of(directory)
        signalled = claim is not None and following.lives(claim)
        if claim is not None and signalled:
            number = signal.SIGUSR1 if what == "kill" else signal.SIGTERM
            signalled = procfs.send(int(str(claim["pid"])), int(str(claim["start_time"])), number)
        if refused is not None and not signalled:
            raise refused
        return following.state_of(directory, str(given["id"])), b""

    def fence(self, given: Given, _: bytes) -> Answer:
        """Claim an attempt that must not start any more. Returns whether it was unclaimed."""
        directory = str(given["dir"])
        os.makedirs(directory, mode=0o700, exist_ok=True)
        return {"fenced": records.claim(directory, {"fenced_by": "autoloop"})}, b""

    def sweep(self, given: Given, _: bytes) -> Answer:
        directory = str(given["dir"])
        return {"killed": sweeping.sweep(str(given["id"]), directory if os.path.isdir(directory) else None)}, b""

    def list(self, given: Given, _: bytes) -> Answer:
        """Return all files below a folder with inode, size and mtime, and the links."""
        folder = str(given["path"])
        files: dict[str, list[int]] = {}
        links: dict[str, str] = {}
        for parent, folders, names in os.walk(folder):
            for name in [*names, *(each for each in folders if os.path.islink(os.path.join(parent, each)))]:
                path = os.path.join(parent, name)
                with contextlib.suppress(OSError):
                    if os.path.islink(path):
                        links[os.path.relpath(path, folder)] = os.readlink(path)
                    elif os.path.isfile(path):
                        files[os.path.relpath(path, folder)] = _stamp(os.stat(path))
        return {"files": files, "links": links, "there": os.path.isdir(folder)}, b""

    def fetch(self, given: Given, _: bytes) -> Answer:
        """Return a piece of a file and the state of the file."""
        with open(str(given["path"]), "rb") as file:
            file.seek(int(given["at"]))  # type: ignore[call-overload]
            data = file.read(int(given["room"]))  # type: ignore[call-overload]
            return {"of": _stamp(os.fstat(file.fileno()))}, data


def _stamp(state: os.stat_result) -> list[int]:
    return [state.st_ino, state.st_size, state.st_mtime_ns]


def _write(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    fresh = f"{path}.{os.getpid()}.tmp"
    with open(fresh, "wb") as file:
        file.write(data)
    os.rename(fresh, path)


def _keep(folder: str) -> None:
    """Sync the files of a folder to disk: after it gets its final name, their contents are not checked again."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if not os.path.islink(path := os.path.join(parent, name)):
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)


def _link(path: str, target: str) -> None:
    """Make `path` a link to `target`; an existing entry that is not a link is kept."""
    if os.path.islink(path) and os.readlink(path) != target:
        os.unlink(path)
    if not os.path.lexists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)


def main(sources: dict[str, str], digest: str) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    Program(sources, digest).serve()
