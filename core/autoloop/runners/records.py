"""The small JSON files of an attempt (claim, start.json, exit.json): complete or absent, even after a power cut.

Standard library only. It uses the C functions underneath `json`, because importing `json` itself takes 7 ms.
"""

from __future__ import annotations

import os
import time
from _json import encode_basestring_ascii, make_scanner

BEAT = 5.0
"""Approximate seconds between two heartbeats of a supervisor."""

ASKED = "asked"

TYPE_CHECKING = False
if TYPE_CHECKING:
    Record = dict[str, str | int | float | None]


class Decoder:
    """The attributes that the C scanner reads from a decoder."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = parse_constant = float
    parse_int = int


def read_json(path: str) -> dict[str, object]:
    """Return the object in a JSON file. Raises OSError or ValueError if there is none."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        value = make_scanner(Decoder)(text, 0)[0]  # type: ignore[arg-type]
    except (StopIteration, SystemError):  # its exceptions are defined in the module that we avoid importing
        import json

        value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def to_json(record: Record) -> bytes:
    def text(value: str | int | float | None) -> str:
        if isinstance(value, str):
            return encode_basestring_ascii(value.encode("utf-8", "replace").decode())
        return "null" if value is None else repr(value)

    return ("{" + ", ".join(f'"{key}": {text(value)}' for key, value in record.items()) + "}\n").encode()


def write_record(directory: str, name: str, record: Record) -> None:
    temporary = f"{directory}/{name}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(fd, to_json(record))
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, f"{directory}/{name}")
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def claim(directory: str, record: Record) -> bool:
    """Claim the attempt. Returns False if it was already claimed: an attempt is claimed once, permanently."""
    try:
        fd = os.open(f"{directory}/claim", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    try:
        _write_all(fd, to_json(record))
    except OSError:
        pass  # a full disk: the claim is valid anyway, and start.json will identify its owner
    finally:
        os.close(fd)
    return True


def beat(directory: str) -> None:
    """Update the claim's mtime: a heartbeat of the supervisor for those who cannot see its process."""
    now = time.time()  # our clock, not a file server's
    try:
        os.utime(f"{directory}/claim", (now, now))
    except OSError:
        return  # a bad disk, or the folder is gone: no reason to end the training


def ask(directory: str, what: str) -> None:
    """Ask the attempt's supervisor to `stop` or `kill` if it cannot be sent a signal. Raises OSError."""
    temporary = f"{directory}/{ASKED}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(fd, what.encode())
    finally:
        os.close(fd)
    os.rename(temporary, f"{directory}/{ASKED}")


def asked(directory: str) -> str | None:
    """Return the last request that `ask` wrote."""
    try:
        fd = os.open(f"{directory}/{ASKED}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, 16).decode("ascii", "replace")
    except OSError:
        return None
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
