"""The small JSON files of an attempt (claim, start.json, exit.json): whole or not there, also after a power cut.

Standard library only. It goes to the C functions below `json`, because `json` itself takes 7 ms to import.
"""

from __future__ import annotations

import os
import time
from _json import encode_basestring_ascii, make_scanner

BEAT = 5.0
"""Seconds between two beats of a supervisor, about."""

ASKED = "asked"

TYPE_CHECKING = False
if TYPE_CHECKING:
    Record = dict[str, str | int | float | None]


class Decoder:
    """What the C scanner asks of a decoder."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float = parse_constant = float
    parse_int = int


def read_json(path: str) -> dict[str, object]:
    """The object in a JSON file. OSError or ValueError where there is none."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        value = make_scanner(Decoder)(text, 0)[0]  # type: ignore[arg-type]
    except (StopIteration, SystemError):  # its errors live in the module that we did without
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
    """Make the attempt ours; False if somebody had it before. An attempt is claimed once, for ever."""
    try:
        fd = os.open(f"{directory}/claim", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    try:
        _write_all(fd, to_json(record))
    except OSError:
        pass  # a full disk: it is ours nevertheless, and start.json will say by whom
    finally:
        os.close(fd)
    return True


def beat(directory: str) -> None:
    """Say that the attempt's supervisor lives, to those who cannot see its process: by the time of its claim."""
    now = time.time()  # ours, and not that of a file server
    try:
        os.utime(f"{directory}/claim", (now, now))
    except OSError:
        return  # a bad disk, or the folder is gone: that ends nobody's training


def ask(directory: str, what: str) -> None:
    """Ask the attempt's supervisor to `stop` or to `kill`, where it cannot be sent a signal. OSError if that fails."""
    temporary = f"{directory}/{ASKED}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(fd, what.encode())
    finally:
        os.close(fd)
    os.rename(temporary, f"{directory}/{ASKED}")


def asked(directory: str) -> str | None:
    """What `ask` asked for last."""
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
