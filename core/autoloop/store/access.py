"""Who may use a project's state now: its owner, on the machine whose kernel keeps its locks."""

from __future__ import annotations

import fcntl
import os
import pwd
import socket

import msgspec

from autoloop.model import UserError
from autoloop.runners import procfs
from autoloop.store.places import Places


class Holder(msgspec.Struct, frozen=True):
    """Who drives a loop. `boot` is the boot id of the kernel on which the lock is held."""

    pid: int
    host: str
    since: float
    boot: str = ""

    @classmethod
    def me(cls, since: float) -> Holder:
        return cls(os.getpid(), socket.gethostname(), since, procfs.boot_id())

    @property
    def elsewhere(self) -> bool:
        """Held on another machine, so that neither its lock nor its process can be seen from here."""
        return self.host != socket.gethostname() and self.boot != procfs.boot_id()


def signature(data: bytes) -> Holder | None:
    """Who signed a lock file; None where nobody did (yet)."""
    try:
        return msgspec.json.decode(data, type=Holder)
    except msgspec.DecodeError:
        return None


def check_access(places: Places) -> None:
    """UserError where the state belongs to somebody else, or to an engine on another machine.

    A file system may be shared, but neither SQLite's memory between processes nor, everywhere, file locks are.
    """
    try:
        locks = [entry for entry in os.scandir(places.home / "locks") if entry.stat().st_size]
    except PermissionError:
        raise UserError(_not_yours(places)) from None
    except OSError:
        return
    for entry in locks:
        try:
            with open(entry.path, "rb") as file:
                signed = signature(file.read(4096))
        except OSError:
            continue
        if signed is not None and signed.elsewhere:
            loop = entry.name.removesuffix(".lock")
            raise UserError(
                f"{loop} is driven by process {signed.pid} on {signed.host}, and {places.home} can be used on one machine "
                f"at a time: give the command on {signed.host}. If that machine or process is gone, delete {entry.path}."
            )


def _not_yours(places: Places) -> str:
    try:
        owner = pwd.getpwuid(places.home.stat().st_uid).pw_name
    except (OSError, KeyError):
        owner = "another user"
    return f"{places.home} belongs to {owner}, who alone can use it; work in a project folder of your own."


def driven(places: Places) -> bool:
    """Whether an engine drives any loop of the project, as far as its locks tell."""
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
