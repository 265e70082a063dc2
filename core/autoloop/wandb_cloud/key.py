"""The W&B key and server that wandb itself will find. The key is handed to the one request that needs it, never stored
or shown."""

from __future__ import annotations

import netrc
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

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
    base = environment.get("WANDB_BASE_URL")
    # With its port, as wandb looks it up.
    hosts = (urlsplit(base).netloc, urlsplit(base).hostname or "") if base else DEFAULT_HOSTS
    home = Path(environment.get("HOME", "/"))
    candidates = [Path(environment["NETRC"])] if environment.get("NETRC") else [home / ".netrc", home / "_netrc"]
    for path in candidates:
        try:
            entries = netrc.netrc(str(path))
        except (OSError, netrc.NetrcParseError):
            continue
        for host in hosts:
            if (entry := entries.hosts.get(host)) and entry[2]:
                return Key(entry[2], str(path))
    return None


def without_key(lines: list[str], environment: Mapping[str, str]) -> list[str]:
    """The lines of a log with asterisks for the key: a trainer may print its environment, and we repeat what it says."""
    found = find_key(environment)
    if found is None or len(found.key) < 8:
        return lines
    return [line.replace(found.key, "***") for line in lines]


def server_address(environment: Mapping[str, str]) -> str:
    """The address that the service's requests go to, without a slash at the end."""
    base = environment.get("WANDB_BASE_URL") or f"https://{DEFAULT_HOSTS[0]}"
    return base.rstrip("/")


def opener() -> OpenerDirector:
    """What a request with a key is opened with: it follows no redirect, which would carry the key to another host."""
    import urllib.request

    class NoRedirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    return urllib.request.build_opener(NoRedirects())
