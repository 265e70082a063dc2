"""Checks who may use a project's state: only its owner, and only on the machine that holds the locks."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import stat
from pathlib import Path

import msgspec

from autoloop.model import UserError
from autoloop.model.structs import decode
from autoloop.runners import procfs
from autoloop.store.places import FOLDERS, Places
from autoloop.store.trouble import StoreUnavailableError


class Holder(msgspec.Struct, frozen=True):
    """The process that drives a loop. `boot` is the boot id of the kernel that holds the lock, `pid_ns` a PID namespace."""

    pid: int
    host: str
    since: float
    boot: str = ""
    pid_ns: int = 0
    at_work: bool = False
    """Whether the engine has completed its first turn; before that, it may still fail to start."""

    @classmethod
    def me(cls, since: float) -> Holder:
        return cls(os.getpid(), os.uname().nodename, since, procfs.boot_id(), procfs.pid_namespace())

    @property
    def elsewhere(self) -> bool:
        """Whether it runs on another machine, where neither its lock nor its process is visible from here."""
        return self.host != os.uname().nodename and self.boot != procfs.boot_id()

    @property
    def contained(self) -> bool:
        """Whether it runs in another container on this machine: its lock is visible from here, its process is not."""
        return self.boot == procfs.boot_id() and self.pid_ns not in (0, procfs.pid_namespace())

    @property
    def words(self) -> str:
        return f"process {self.pid} {'of another container ' if self.contained else ''}on {self.host}"


def signature(data: bytes) -> Holder | None:
    """The holder recorded in a lock file, or None if there is none (yet)."""
    try:
        return decode(data, Holder)
    except msgspec.DecodeError:
        return None


def check_access(places: Places) -> None:
    """Raise UserError if the state belongs to another user or to an engine on another machine, and StoreUnavailableError if
    an engine writes to files that no other process can see.

    Anyone who can write to the state could make us write to their files, read ours and take over our runs. So every folder
    and file that we trust must be ours, including links and their targets. A file system may be shared between machines, but
    SQLite's shared memory is not, and file locks are not on every file system.
    """
    home = places.home
    if not os.path.lexists(home):
        return
    _check_owner(home, home)
    if home.stat().st_mode & 0o077:  # for example after a `chmod -R` of the project
        with contextlib.suppress(OSError):
            home.chmod(0o700)
    try:
        locks = list(os.scandir(home / "locks"))
    except FileNotFoundError:
        locks = []
    except OSError as error:
        raise UserError(f"{home / 'locks'} cannot be read ({error.strerror}); fix that, or move it away.") from None
    trusted = [home / name for name in FOLDERS]
    trusted += [places.database.with_name(places.database.name + ending) for ending in ("", "-wal", "-shm")]
    for path in (*trusted, *(Path(entry.path) for entry in locks)):
        _check_owner(home, path)
    for entry in locks:
        try:
            with open(entry.path, "rb") as file:
                signed = signature(file.read(4096))
        except OSError:
            continue
        if signed is not None and signed.elsewhere:
            loop = entry.name.removesuffix(".lock")
            raise UserError(
                f"{loop} is driven by process {signed.pid} on {signed.host}, and {places.home} can be used on only one "
                f"machine at a time: run the command on {signed.host}. If that machine or process is gone, delete "
                f"{entry.path}."
            )
        if signed is not None and not signed.contained and _writes_unseen(signed.pid, places.database):
            raise StoreUnavailableError(
                f"{places.database} cannot be used now: process {signed.pid}, the engine of "
                f"{entry.name.removesuffix('.lock')}, writes to a file beside it (-wal, -shm) that was deleted, so its "
                "changes are invisible to other processes. Wait until its loop ends, when it writes everything to the "
                "database; or kill that process and `autoloop-tui resume`."
            )


def _writes_unseen(pid: int, database: Path) -> bool:
    """Whether a process has a deleted `-wal` or `-shm` of the database open."""
    deleted = {f"{os.path.realpath(database)}{ending} (deleted)" for ending in ("-wal", "-shm")}
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(entry.path) in deleted:
                    return True
    except OSError:
        pass
    return False


def _check_owner(home: Path, path: Path) -> None:
    try:
        found = [path.lstat()]
        if stat.S_ISLNK(found[0].st_mode):
            found.append(path.stat())
    except FileNotFoundError:
        if path.is_symlink():
            raise UserError(f"{path} is a broken link; delete it, or restore its target.") from None
        return
    except OSError as error:
        raise UserError(f"{path} cannot be used ({error.strerror}); fix that, or work in another project folder.") from None
    owner = next((each.st_uid for each in found if each.st_uid != os.geteuid()), None)
    if owner is None:
        return
    leads = f" leads to {os.path.realpath(path)}, which" if len(found) > 1 and found[0].st_uid == os.geteuid() else ""
    what = f"{path}{leads} belongs to {_name_of(owner)}"
    if path == home and not leads:
        raise UserError(f"{what}, the only one who can use it; work in your own project folder.")
    raise UserError(f"{what}, so it cannot be trusted with your runs; move {home} away, or work in another project folder.")


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"another user (uid {uid})"


def driven(places: Places) -> bool:
    """Whether an engine holds the lock of any loop of the project."""
    try:
        locks = list((places.home / "locks").glob("*.lock"))
    except OSError:
        return False
    for path in locks:
        try:
            with open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            continue
    return False
