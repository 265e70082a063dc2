"""The sender of a request: this process's user, terminal, agent and ancestors, which are stored with each request."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping

from autoloop import profiles
from autoloop.model import Sender
from autoloop.runners import procfs

ANCESTORS = 8
"""The largest number of ancestor programs that are stored."""

UNNAMED = re.compile(r"[^a-z0-9._-]+")


def this_process(agent: str | None = None) -> Sender:
    """Return the sender for this process's requests. `agent`: the name that a client gave over its protocol (MCP)."""
    named = agent_name(agent) if agent is not None else agent_of(os.environ)
    return Sender(user=user(), terminal=terminal(), agent=named, programs=ancestors())


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def terminal() -> str | None:
    """Return the terminal of this process's stdin, stdout or stderr; None without one."""
    for stream in (0, 1, 2):
        try:
            return os.ttyname(stream)
        except OSError:
            continue
    return None


def agent_of(environment: Mapping[str, str]) -> str | None:
    """Return the known coding agent that set a variable of this environment; None if none did."""
    for variable, name in profiles.agent_variables().items():
        value = environment.get(variable, "")
        if value and value.lower() not in ("0", "false"):
            return name or agent_name(value)
    return None


def agent_name(given: str) -> str:
    """Return the name in the form used by `[agents.NAME]`: lower case, without blanks, at most 40 characters."""
    return UNNAMED.sub("-", given.lower()).strip("-")[:40] or "agent"


def ancestors() -> list[str]:
    """Return the programs of this process's visible ancestors, nearest first, without process 1."""
    found: list[str] = []
    pid = os.getppid()
    while pid > 1 and len(found) < ANCESTORS:
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                found.append(file.read(64).strip())
        except OSError:
            break
        seen = procfs.process(pid)
        if seen is None:
            break
        pid = seen.parent
    return found
