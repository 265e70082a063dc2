"""The W&B service, as far as it must be known before a run starts: is there a key, and where from. The key itself is
never returned, stored or shown."""

from __future__ import annotations

import netrc
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")


def key_source(environment: Mapping[str, str]) -> str | None:
    """Where wandb will find its key (`WANDB_API_KEY` or the netrc file's path); None if nowhere."""
    if environment.get("WANDB_API_KEY"):
        return "WANDB_API_KEY"
    base = environment.get("WANDB_BASE_URL")
    hosts = (urlsplit(base).hostname or "",) if base else DEFAULT_HOSTS
    home = Path(environment.get("HOME", "/"))
    candidates = [Path(environment["NETRC"])] if environment.get("NETRC") else [home / ".netrc", home / "_netrc"]
    for path in candidates:
        try:
            entries = netrc.netrc(str(path))
        except (OSError, netrc.NetrcParseError):
            continue
        if any(host in entries.hosts for host in hosts):
            return str(path)
    return None
