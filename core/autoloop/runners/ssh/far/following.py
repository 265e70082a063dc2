"""What attempts wrote since the last question: new bytes of logs and histories, whole files that changed, and how they are.

Nothing is remembered over a connection: who asks says what it has, by sizes and by a checksum of the last bytes.
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
"""Bytes; of larger files only their names are told."""
REWRITTEN = 16 << 20
"""Bytes; a larger file that keeps its size is taken to have only been touched, unless it was asked for."""
DATABASES = ("*.db", "*.db-wal", "*.sqlite", "*.sqlite3", "*.sqlite-wal", "*.sqlite3-wal")
FIRST = ("*.jsonl", "*.csv", "*.tsv", "*.log", "*.out", "*.err", "log*.txt", "*tfevents*", "*.wandb", *DATABASES)
"""Histories and logs, brought before all else."""
TAIL = 4096
"""Bytes before an offset by which a file is known again."""
MOST_FILES = 5000
MOST_IN_FOLDER = 1000
MOST_LOOKED = 50_000
"""Entries of folders that one look takes in."""
MOST_LEFT = 2000
MOST_NAMES = 8
"""Links by which one folder may be named in a pattern."""
LEFT_FOLDERS = ("*checkpoint*", "*ckpt*", "weights", ".wandb_cache", "__pycache__", "artifacts")
LEFT_NAMES = (
    *("*.safetensors", "*.pt", "*.pth", "*.ckpt", "*.bin", "*.onnx", "*.h5", "*.hdf5", "*.npy", "*.npz", "*.msgpack"),
    *("*.pkl", "*.pickle", "*.tar", "*.gz", "*.zip", "*.zst", "*.parquet", "*.arrow", "*.mp4", "*.avi", "*.gif"),
)
SMALL = 256 << 10
"""Bytes; a smaller file in a folder of checkpoints is brought nevertheless: it says how to go on from them."""

Chunk = dict[str, object]


class Room:
    """How many bytes an answer may still hold; what it holds."""

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.chunks: list[Chunk] = []
        self.data: list[bytes] = []
        self.more = False

    def put(self, chunk: Chunk, data: bytes) -> None:
        self.chunks.append({**chunk, "size": len(data)})
        self.data.append(data)
        self.left -= len(data)


class Followed:
    """One attempt. `directory` is its own, `output` where its command writes; `wanted` are patterns of large files."""

    def __init__(self, given: dict[str, object]) -> None:
        self.id = str(given["id"])
        self.directory = str(given["dir"])
        self.output = str(given["out"])
        self.files = bool(given["files"])
        self.wanted = [str(each) for each in given["fetch"]]  # type: ignore[attr-defined]
        self.log_at = int(given["log"])  # type: ignore[call-overload]
        """How many bytes of the log that was ever written are there."""
        self.has: dict[str, list[int]] = dict(given["has"])  # type: ignore[call-overload]
        """Of files that are there: size and checksum of the tail."""
        self.sent: dict[str, tuple[int, int, int]] = {}
        """Of files sent on this connection: inode, bytes, time."""
        self.told: object = None
        self.last: Chunk = {}

    def news(self, room: Room) -> Chunk | None:
        """How it is, if that has changed; what is new goes into `room`."""
        found = self._look(room)
        same = found == self.last
        self.last = found
        return None if same else found

    def _look(self, room: Room) -> Chunk:
        """How it is; what is new goes into `room`. `complete`: all that it had written then is in here or was sent."""
        found = state_of(self.directory, self.id)
        full = False
        if self.files:
            full = self._log(room)
            full = self._output(room, found) or full
            room.more = room.more or full
        found["complete"] = not full
        return found

    # -------------------------------------------------------------------------------------------------------------- log

    def _log(self, room: Room) -> bool:
        """Send what the log has more, in at most half of the room; True if not all of it had room.

        `log_at` counts all bytes that were ever written. What stands behind the line of a cut is so found also in a copy
        that was cut at other places.
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
                    if offset < bounded_log.HEAD + bounded_log.LENGTH:  # what follows was cut out before it was sent
                        offset = keep = bounded_log.HEAD
                if offset > size:
                    offset = keep = 0
                end = min(size, offset + most)
                if gone and offset < bounded_log.HEAD:
                    end = min(end, bounded_log.HEAD)
                data = os.pread(fd, end - offset, offset)
                if bounded_log.left_out(fd) != gone:  # it was cut meanwhile
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

    def _output(self, room: Room, found: Chunk) -> bool:
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
        """The files to be sent, in their order, the links, and the files that stay here, by their paths below the output
        directory; how many of the first are too many, and are not sent.

        Histories and logs come first, then what is less deep; one folder full of samples takes no place from others."""
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
        """Every folder, whether it is one of checkpoints, and its files; how many files were not looked at. The links, which
        may lead to any of them, go into `links`."""
        walked = []
        looked = cut = 0
        todo = [("", False)]
        for folder, heavy in todo:  # grows meanwhile, so the less deep ones come first
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

    def _file(self, path: str, state: os.stat_result, room: Room) -> bool:
        """Send what a file has more, or all of one that is another; True if that had no room."""
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
        """From where on the file is to be sent: from its beginning if it is not the one that is there, or was rewritten."""
        has = self.has.get(path)
        if has is None or has[0] > size or (before is not None and before[0] != inode):
            return 0
        if before is not None and before[2] and (before[1] == size or _matches(path, DATABASES)):
            return 0 if size <= REWRITTEN or _matches(path, self.wanted) else size  # touched, or rewritten in its place
        return has[0] if tail_sum(fd, has[0]) == has[1] else 0


def tail_sum(fd: int, end: int) -> int:
    start = max(0, end - TAIL)
    return zlib.crc32(os.pread(fd, end - start, start))


def _matches(name: str, patterns: object) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)  # type: ignore[attr-defined]


def called(links: dict[str, str], output: str, patterns: object) -> dict[str, list[str]]:
    """By the folder to which links lead what it is called through them, as `checkpoints/last`; all below `output`.

    Only what a pattern may mean, and few for each folder: many links cost no more than many files."""
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
    """A path, and what it is through links to folders above it, as `called` has them."""
    yield path
    end = path.find("/") if folders else -1
    while end > 0:
        for link in folders.get(path[:end], ()):
            yield link + path[end:]
        end = path.find("/", end + 1)


def _stays(name: str, heavy: bool, size: int) -> bool:
    return size > LARGEST or (heavy and size > SMALL) or _matches(name.lower(), LEFT_NAMES)


def state_of(directory: str, attempt_id: str) -> Chunk:
    """How an attempt is by its files and this machine's processes: `none` (no supervisor has begun), `alive`, `fenced`,
    `ended` or `gone`, with why."""
    claim = claim_of(directory)
    found: Chunk = {"state": "none", "dir": os.path.isdir(directory)}
    if claim is not None:
        found["claim"] = claim
        elsewhere = claim.get("boot_id") == procfs.boot_id() and claim.get("pid_ns") != procfs.pid_namespace()
        # In another container it cannot be seen: its beat tells.
        found["state"] = "alive" if lives(claim) or elsewhere else "fenced" if "fenced_by" in claim else "gone"
        if start := _read(f"{directory}/start.json"):
            found["start"] = start
        with contextlib.suppress(OSError):
            found["beat"] = os.stat(f"{directory}/claim").st_mtime_ns
        here = claim.get("host") in (None, os.uname().nodename)  # otherwise it is another machine that was started apart
        found["rebooted"] = here and claim.get("boot_id") not in (None, procfs.boot_id())
        found["elsewhere"] = elsewhere
        found["log"] = os.path.exists(f"{directory}/log.txt")
    exit_ = _read(f"{directory}/exit.json")  # after the look at the process: it may have ended in between
    if exit_ is not None and exit_.get("attempt_id") == attempt_id:
        found["exit"], found["state"] = exit_, "ended"
    return found


def claim_of(directory: str) -> Chunk | None:
    """Whose an attempt is. A claim without words (it is being written, or the disk is full) is that of the supervisor which
    runs here, and empty if there is none."""
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
    """Whether the supervisor that made a claim runs here."""
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
