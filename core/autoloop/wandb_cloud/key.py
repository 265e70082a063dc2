"""Finds the W&B key and server that wandb itself will use. The key is passed only to requests that need it and is never
stored or shown."""

from __future__ import annotations

import functools
import netrc
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from autoloop import secrets

DEFAULT_HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")
"""The public service up to wandb 0.30, and from 0.31 on; both names lead to the same accounts."""


class Key(msgspec.Struct, frozen=True):
    """A key and its source: `WANDB_API_KEY` or a file's path. Its repr does not contain the key."""

    key: str
    source: str

    def __repr__(self) -> str:
        return f"Key(from {self.source})"


def key_source(environment: Mapping[str, str]) -> str | None:
    """Return the source of wandb's key (`WANDB_API_KEY` or the netrc file's path); None if there is none."""
    found = find_key(environment)
    return found.source if found else None


def find_key(environment: Mapping[str, str]) -> Key | None:
    """Return the key that wandb will use; None if there is none."""
    if key := environment.get("WANDB_API_KEY"):
        return Key(key, "WANDB_API_KEY")
    return next(_kept(environment), None)


def _kept(environment: Mapping[str, str]) -> Iterator[Key]:
    """Yield the keys for W&B's server in netrc files."""
    base = environment.get("WANDB_BASE_URL")
    # wandb looks it up with its port.
    hosts = (urlsplit(base).netloc, urlsplit(base).hostname or "") if base else DEFAULT_HOSTS
    home = Path(environment.get("HOME", "/"))
    candidates = [Path(environment["NETRC"])] if environment.get("NETRC") else [home / ".netrc", home / "_netrc"]
    for path in candidates:
        try:
            status = path.stat()
            entries = _passwords(path, status.st_mtime_ns, status.st_size)
        except (OSError, ValueError):
            continue
        yield from (Key(entries[host], str(path)) for host in hosts if entries.get(host))


@functools.lru_cache(maxsize=4)
def _passwords(path: Path, *_stamp: int) -> dict[str, str]:
    """Return the passwords in a netrc file by host. Cached until its stamp changes, because masking looks keys up often."""
    try:
        return {host: entry[2] or "" for host, entry in netrc.netrc(str(path)).hosts.items()}
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return {}


def known_secrets(environment: Mapping[str, str]) -> list[str]:
    """Return the texts to mask: the environment's secrets, and the keys for W&B's server in netrc files."""
    kept = [each.key for each in _kept(environment)]
    return secrets.long_enough([*secrets.of_environment(environment), *kept])


def server_address(environment: Mapping[str, str]) -> str:
    """Return the base URL of the service, without a trailing slash."""
    base = environment.get("WANDB_BASE_URL") or f"https://{DEFAULT_HOSTS[0]}"
    return base.rstrip("/")
