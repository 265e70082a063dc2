"""Collects what attempts wrote since the last poll: new bytes of logs and histories, changed files, and their states.

No state outlives a connection: the client reports what it has by sizes and a checksum of the last bytes.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
import stat
import zlib
from collections.abc import Iterator

from autoloop.runners import bounded_log, procfs, records

LARGEST = 256 << 20
"""Bytes; only the names of larger files are sent."""
REWRITTEN = 16 << 20
"""Bytes; a larger file of unchanged size is assumed to have only a new mtime, unless a pattern asks for it."""
DATABASES = ("*.db", "*.db-wal", "*.sqlite", "*.sqlite3", "*.sqlite-wal", "*.sqlite3-wal")
FIRST = ("*.jsonl", "*.csv", "*.tsv", "*.log", "*.out", "*.err", "log*.txt", "*tfevents*", "*.wandb", *DATABASES)
"""Histories and logs, sent before everything else."""
TAIL = 4096
"""Bytes before an offset in the checksum that identifies a file."""
MOST_FILES = 5000
MOST_IN_FOLDER = 1000
MOST_LOOKED = 50_000
"""Maximum files examined in one scan."""
MOST_LEFT = 2000
MOST_NAMES = 8
"""Maximum links to one folder that are matched against patterns."""
LEFT_FOLDERS = ("*checkpoint*", "*ckpt*", "weights", ".wandb_cache", "__pycache__", "artifacts")
LEFT_NAMES = (
    *("*.safetensors", "*.pt", "*.pth", "*.ckpt", "*.bin", "*.onnx", "*.h5", "*.hdf5", "*.npy", "*.npz", "*.msgpack"),
    *("*.pkl", "*.pickle", "*.tar", "*.gz", "*.zip", "*.zst", "*.parquet", "*.arrow", "*.mp4", "*.avi", "*.gif"),
)
SMALL = 256 << 10
"""Bytes; smaller files in checkpoint folders are sent anyway, because they tell how to resume."""

Chunk = dict[str, object]


class AnswerBudget:
    """The remaining bytes in an answer, and its contents so far."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.chunks: list[Chunk] = []
        self.data: list[bytes] = []
        self.more = False

    def put(self, chunk: Chunk, data: bytes) -> None:
        self.chunks.append({**chunk, "size": len(data)})
        self.data.append(data)
        self.left -= len(data)


class FollowedAttempt:
    """One attempt. `directory` is its folder, `output` its output directory; `wanted` are patterns of large files."""

    def __init__(self, given: dict[str, object]) -> None:
        self.id = str(given["id"])
        self.directory = str(given["dir"])
        self.output = str(given["out"])
        self.files = bool(given["files"])
        self.wanted = [str(each) for each in given["fetch"]]  # type: ignore[attr-defined]
        self.log_at = int(given["log"])  # type: ignore[call-overload]
        """How many bytes of all log output ever written the client has."""
        self.has: dict[str, list[int]] = dict(given["has"])  # type: ignore[call-overload]
        """Size and tail checksum of the files that the client has."""
        self.sent: dict[str, tuple[int, int, int]] = {}
        """Inode, size and mtime of the files sent on this connection."""
        self.told: object = None
        self.last: Chunk = {}

    def news(self, room: AnswerBudget) -> Chunk | None:
        """Put new data into `room` and return the state if it has changed, otherwise None."""
        found = self._look(room)
        same = found == self.last
        self.last = found
        return None if same else found

    def _look(self, room: AnswerBudget) -> Chunk:
        """Put new data into `room` and return the state. `complete`: all output so far is in `room` or was sent before."""
        found = state_of(self.directory, self.id)
        full = False
        if self.files:
            full = self._log(room)
            full = self._output(room, found) or full
            room.more = room.more or full
        found["complete"] = not full
        return found

    # -------------------------------------------------------------------------------------------------------------- log

    def _log(self, room: AnswerBudget) -> bool:
        """Send new bytes of the log, in at most half of the room. Returns True if there was no room for all of them.

        `log_at` counts all bytes ever written, so positions after a cut can be matched with a copy that was cut elsewhere.
        """
        try:
            fd = os.open(f"{self.directory}/log.txt", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            most = room.left // 2
            while most > bounded_log.LENGTH:
                gone, size = bounded_log.left_out(fd), os.fstat(fd).st_size
                offset, keep = self.log_at, None
                if gone and offset > bounded_log.HEAD:
                    offset += bounded_log.LENGTH - gone
                    if offset < bounded_log.HEAD + bounded_log.LENGTH:  # the next bytes were cut out before they were sent
                        offset = keep = bounded_log.HEAD
                if offset > size:
                    offset = keep = 0
                end = min(size, offset + most)
                if gone and offset < bounded_log.HEAD:
                    end = min(end, bounded_log.HEAD)
                data = os.pread(fd, end - offset, offset)
                if bounded_log.left_out(fd) != gone:  # it was cut in the meantime
                    continue
                if not data:
                    return False
                room.put({"id": self.id, "log": True, "keep": keep}, data)
                most -= len(data)
                behind = gone - bounded_log.LENGTH if gone and offset >= bounded_log.HEAD else 0
                self.log_at = offset + len(data) + behind
            return True
        finally:
            os.close(fd)

    # ----------------------------------------------------------------------------------------------------------- output

    def _output(self, room: AnswerBudget, found: Chunk) -> bool:
        files, links, left, cut = self._scan()
        full = False
        for path, state in files.items():
            if room.left <= 0:
                return True
            full = self._file(path, state, room) or full
        told = (links, left, cut)
        if told != self.told:
            self.told = told
            found["links"], found["left"], found["cut"] = links, left, cut
        return full

    def _scan(self) -> tuple[dict[str, os.stat_result], dict[str, str], dict[str, int], int]:
        """Return the files to send in order, the links, the files that stay here, and the number of files over the limits.

        All are keyed by path below the output directory. Histories and logs come first, then files at lower depth. A limit
        per folder keeps one folder full of samples from displacing other files."""
        links: dict[str, str] = {}
        left: dict[str, int] = {}
        walked, cut = self._walk(links)
        folders = called(links, self.output, self.wanted)
        found: list[tuple[bool, int, str, os.stat_result]] = []
        for folder, heavy, entries in walked:
            many = 0
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                wanted = bool(self.wanted) and any(_matches(name, self.wanted) for name in names(path, folders))
                if many >= MOST_IN_FOLDER and not wanted:
                    cut += 1
                    continue
                try:
                    state = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if not stat.S_ISREG(state.st_mode):
                    continue
                if wanted or not _stays(entry.name, heavy, state.st_size):
                    first = wanted or _matches(entry.name.lower(), FIRST)
                    found.append((not first, path.count("/"), path, state))
                    many += 1
                elif len(left) < MOST_LEFT:
                    left[path] = state.st_size
        found.sort(key=lambda each: each[:3])
        files = {path: state for _, _, path, state in found[:MOST_FILES]}
        return files, links, left, cut + len(found) - len(files)

    def _walk(self, links: dict[str, str]) -> tuple[list[tuple[str, bool, list[os.DirEntry[str]]]], int]:
        """Return each folder, whether it is for checkpoints, and its files; and the number of files not examined.

        Links, which may lead to any folder, are added to `links`."""
        walked = []
        looked = cut = 0
        todo = [("", False)]
        for folder, heavy in todo:  # the list grows during the loop: breadth-first
            try:
                with os.scandir(os.path.join(self.output, folder)) as listed:
                    entries = sorted(listed, key=lambda each: (not _matches(each.name.lower(), FIRST), each.name))
            except OSError:
                continue
            files = []
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                try:
                    if entry.is_symlink():
                        links[path] = os.readlink(entry.path)
                    elif entry.is_dir(follow_symlinks=False):
                        todo.append((path, heavy or _matches(entry.name, LEFT_FOLDERS)))
                    elif looked < MOST_LOOKED:
                        looked += 1
                        files.append(entry)
                    else:
                        cut += 1
                except OSError:
                    continue
            walked.append((folder, heavy, files))
        return walked, cut

    def _file(self, path: str, state: os.stat_result, room: AnswerBudget) -> bool:
        """Send the new bytes of a file, or all bytes if it was replaced. Returns True if there was no room for all."""
        inode, size, time = state.st_ino, state.st_size, state.st_mtime_ns
        before = self.sent.get(path)
        if before == (inode, size, time):
            return False
        try:
            fd = os.open(os.path.join(self.output, path), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            offset = self._known(path, fd, size, before, inode)
            size = max(size, os.fstat(fd).st_size)
            data = os.pread(fd, min(room.left, size - offset), offset)
            end = offset + len(data)
            if data or offset == 0:
                room.put({"id": self.id, "path": path, "at": offset, "whole": offset == 0 and end >= state.st_size}, data)
            self.has[path] = [end, tail_sum(fd, end)]
            if end >= state.st_size:
                self.sent[path] = (inode, state.st_size, time)
                return False
            self.sent[path] = (inode, end, 0)
            return True
        except OSError:
            return False
        finally:
            os.close(fd)

    def _known(self, path: str, fd: int, size: int, before: tuple[int, int, int] | None, inode: int) -> int:
        """Return the offset to send from: 0 if the client has another file, or the file was rewritten."""
        has = self.has.get(path)
        if has is None or has[0] > size or (before is not None and before[0] != inode):
            return 0
        if before is not None and before[2] and (before[1] == size or _matches(path, DATABASES)):
            return 0 if size <= REWRITTEN or _matches(path, self.wanted) else size  # rewritten in place, or touched
        return has[0] if tail_sum(fd, has[0]) == has[1] else 0


def tail_sum(fd: int, end: int) -> int:
    start = max(0, end - TAIL)
    return zlib.crc32(os.pread(fd, end - start, start))


def _matches(name: str, patterns: object) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)  # type: ignore[attr-defined]


def called(links: dict[str, str], output: str, patterns: object) -> dict[str, list[str]]:
    """Map folders to the links that lead to them, such as `checkpoints/last`; paths are relative to `output`.

    Includes only links that a pattern may match, at most `MOST_NAMES` per folder, to bound the cost of many links."""
    found: dict[str, list[str]] = {}
    plain = [re.split(r"[*?[]", pattern, maxsplit=1)[0] for pattern in patterns]  # type: ignore[attr-defined]
    for link, target in links.items():
        if any(f"{link}/".startswith(each) or each.startswith(f"{link}/") for each in plain):
            place = os.path.relpath(os.path.join(output, os.path.dirname(link), target), output)
            through = found.setdefault(place, [])
            if len(through) < MOST_NAMES:
                through.append(link)
    return found


def names(path: str, folders: dict[str, list[str]]) -> Iterator[str]:
    """Yield a path and its other names through links to its parent folders, as returned by `called`."""
    yield path
    end = path.find("/") if folders else -1
    while end > 0:
        for link in folders.get(path[:end], ()):
            yield link + path[end:]
        end = path.find("/", end + 1)


def _stays(name: str, heavy: bool, size: int) -> bool:
    return size > LARGEST or (heavy and size > SMALL) or _matches(name.lower(), LEFT_NAMES)


def state_of(directory: str, attempt_id: str) -> Chunk:
    """Return the state of an attempt from its files and this machine's processes, with details.

    `state` is `none` (no supervisor has begun), `alive`, `fenced`, `ended` or `gone`."""
    claim = claim_of(directory)
    found: Chunk = {"state": "none", "dir": os.path.isdir(directory)}
    if claim is not None:
        found["claim"] = claim
        elsewhere = claim.get("boot_id") == procfs.boot_id() and claim.get("pid_ns") != procfs.pid_namespace()
        # A process in another container is not visible: the caller watches its heartbeat.
        found["state"] = "alive" if lives(claim) or elsewhere else "fenced" if "fenced_by" in claim else "gone"
        if start := _read(f"{directory}/start.json"):
            found["start"] = start
        with contextlib.suppress(OSError):
            found["beat"] = os.stat(f"{directory}/claim").st_mtime_ns
        here = claim.get("host") in (None, os.uname().nodename)  # otherwise another machine, with its own boot id
        found["rebooted"] = here and claim.get("boot_id") not in (None, procfs.boot_id())
        found["elsewhere"] = elsewhere
        found["log"] = os.path.exists(f"{directory}/log.txt")
    exit_ = _read(f"{directory}/exit.json")  # read after checking the process, which may have ended in between
    if exit_ is not None and exit_.get("attempt_id") == attempt_id:
        found["exit"], found["state"] = exit_, "ended"
    return found


def claim_of(directory: str) -> Chunk | None:
    """Return the claim of an attempt; None if it is unclaimed.

    If the claim file has no content yet (it is being written, or the disk is full), return the identity of the supervisor
    that runs here, or an empty claim if there is none."""
    claim = _read(f"{directory}/claim")
    if claim is None and os.path.exists(f"{directory}/claim"):
        pid = _supervisor_of(directory)
        claim = dict(procfs.identity(pid)) if pid else _read(f"{directory}/claim") or {}
    return claim


def _supervisor_of(directory: str) -> int | None:
    for pid, process in procfs.processes().items():
        if process.state not in procfs.DEAD:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
                if len(words) > 2 and words[-3].endswith(b"/supervisor.py") and words[-2] == os.fsencode(directory):
                    return pid
    return None


def lives(claim: Chunk) -> bool:
    """Whether the supervisor that made a claim is running on this machine."""
    if claim.get("boot_id") != procfs.boot_id() or claim.get("pid_ns") != procfs.pid_namespace():
        return False
    fd = procfs.open_alive(int(str(claim.get("pid") or 0)), int(str(claim.get("start_time") or 0)))
    if fd is None:
        return False
    os.close(fd)
    return True


def _read(path: str) -> Chunk | None:
    try:
        return records.read_json(path)
    except (OSError, ValueError):
        return None
