"""Checks with one request whether the W&B server is reachable and accepts our key, within a few seconds in any case.

The server is the one that wandb itself would use. The key goes into one header and nowhere else.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from autoloop.wandb_cloud.key import find_key, server_address
from autoloop.wandb_cloud.request import graphql_request, opener

TIMEOUT = 3.0
"""Seconds to wait for the server's answer."""
KEY = re.compile(r"([\w]+-)?[\w-]{40,}|[\w-]+\.[\w-]+\.[\w-]+")
"""The keys that wandb accepts (the second form is a token); older versions require exactly 40 characters."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: `ok`; `refused`, the key is invalid; `away`, no W&B server answers. `detail` is the reason for users."""

    state: Literal["ok", "refused", "away"]
    server: str
    detail: str = ""
    entities: tuple[str, ...] = ()
    """The names of the user and their teams, to which runs may be sent; empty if the server does not state them."""


def key_problem(key: str) -> str | None:
    """Return the fault in the form of a key, without quoting it; None if wandb would accept the key."""
    if KEY.fullmatch(key):
        return None
    if re.search(r"\s", key):
        return "it contains whitespace"
    if len(key) < 40:
        return f"it has {len(key)} characters; a key has at least 40"
    return "it contains invalid characters"


def ask(environment: Mapping[str, str], timeout: float = TIMEOUT) -> Answer:
    """Ask the server for our identity. Never raises and never takes longer than `timeout` seconds."""
    server = server_address(environment)
    found = find_key(environment)
    query = "query Viewer { viewer { id entity username teams { edges { node { name } } } } }"
    request = graphql_request(server, found.key if found else None, query)
    body, problem = _within(timeout, lambda: _fetch(request, timeout))
    if isinstance(problem, urllib.error.HTTPError):
        if problem.code in (401, 403):
            return Answer(state="refused", server=server, detail=f"HTTP {problem.code}")
        if 300 <= problem.code < 400:
            detail = f"HTTP {problem.code}: it redirects to another address; set WANDB_BASE_URL to that one"
            return Answer(state="away", server=server, detail=detail)
        busy = problem.code == 429
        return Answer(state="ok" if busy else "away", server=server, detail=f"HTTP {problem.code}")
    if problem is not None:
        return Answer(state="away", server=server, detail=_in_words(problem, timeout))
    try:
        viewer = json.loads(body)["data"]["viewer"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Answer(state="away", server=server, detail="the server there is not a W&B server")
    if not isinstance(viewer, dict):
        return Answer(state="refused", server=server, detail="the server does not recognise the key")
    return Answer(state="ok", server=server, entities=_entities(viewer))


def _fetch(request: urllib.request.Request, timeout: float) -> bytes:
    with opener().open(request, timeout=timeout) as response:
        body: bytes = response.read(1 << 20)
        return body


def _within(timeout: float, call: Callable[[], bytes]) -> tuple[bytes, Exception | None]:
    """Return the call's result or exception within `timeout`; resolving a name may take longer than a socket timeout."""
    said: list[tuple[bytes, Exception | None]] = []

    def run() -> None:
        try:
            said.append((call(), None))
        except Exception as error:  # anything that a faulty server may cause
            said.append((b"", error))

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # no thread can be started
        return b"", error
    thread.join(timeout)
    return said[0] if said else (b"", TimeoutError())


def _entities(viewer: dict[str, Any]) -> tuple[str, ...]:
    try:
        teams = [edge["node"]["name"] for edge in viewer["teams"]["edges"]]
    except (KeyError, TypeError):
        return ()
    names = [viewer.get("entity"), viewer.get("username"), *teams]
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str) and name))


def _in_words(problem: Exception, timeout: float) -> str:
    reason = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    if isinstance(reason, TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(reason, ssl.SSLError):
        return f"no secure connection ({reason.reason or 'TLS'})"
    if isinstance(reason, http.client.HTTPException):
        return "the server there is not a W&B server"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror[:1].lower() + reason.strerror[1:]
    return str(reason) or type(reason).__name__
