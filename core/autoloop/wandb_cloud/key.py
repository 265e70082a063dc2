"""The W&B key and server that wandb itself will find. The key is handed to the one request that needs it, never stored
or shown."""

from __future__ import annotations

import functools
import netrc
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from autoloop import secrets

DEFAULT_HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")
"""The public service, up to wandb 0.30 and from 0.31 on; both names reach the same accounts."""


class Key(msgspec.Struct, frozen=True):
    """A key and where it was found: `WANDB_API_KEY` or a file's path. Its text form does not hold the key."""

    key: str
    source: str

    def __repr__(self) -> str:
        return f"Key(from {self.source})"


def key_source(environment: Mapping[str, str]) -> str | None:
    """Where wandb will find its key (`WANDB_API_KEY` or the netrc file's path); None if nowhere."""
    found = find_key(environment)
    return found.source if found else None


def find_key(environment: Mapping[str, str]) -> Key | None:
    """The key that wandb will use, None if there is none."""
    if key := environment.get("WANDB_API_KEY"):
        return Key(key, "WANDB_API_KEY")
    return next(_kept(environment), None)


def _kept(environment: Mapping[str, str]) -> Iterator[Key]:
    """The keys for W&B's server in netrc files."""
    base = environment.get("WANDB_BASE_URL")
    # With its port, as wandb looks it up.
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
    """Host -> password of a netrc file; read again when its stamp has changed, for keys are masked at every look."""
    try:
        return {host: entry[2] or "" for host, entry in netrc.netrc(str(path)).hosts.items()}
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return {}


def known_secrets(environment: Mapping[str, str]) -> list[str]:
    """What must not be shown, the environment's secrets, and the keys for W&B's server in netrc files."""
    kept = [each.key for each in _kept(environment)]
    return secrets.long_enough([*secrets.of_environment(environment), *kept])


def server_address(environment: Mapping[str, str]) -> str:
    """The address that the service's requests go to, without a slash at the end."""
    base = environment.get("WANDB_BASE_URL") or f"https://{DEFAULT_HOSTS[0]}"
    return base.rstrip("/")
