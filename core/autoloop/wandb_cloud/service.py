"""Is the W&B server there, and does it take our key: one request, at most a few seconds, whatever the network does.

The server is the one that wandb itself would speak to. The key goes into one header and nowhere else.
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
"""Seconds that the server may take to answer."""
KEY = re.compile(r"([\w]+-)?[\w-]{40,}|[\w-]+\.[\w-]+\.[\w-]+")
"""What wandb takes for a key (a second form is a token); older versions want exactly 40 characters."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: `ok`; `refused`, the key is not valid; `away`, there is no W&B server now. `detail` says it in words."""

    state: Literal["ok", "refused", "away"]
    server: str
    detail: str = ""
    entities: tuple[str, ...] = ()
    """The names (the person's and their teams') that runs may be sent to; empty where the server does not say."""


def key_problem(key: str) -> str | None:
    """What is wrong with the form of a key, without a piece of it; None if wandb would take it."""
    if KEY.fullmatch(key):
        return None
    if re.search(r"\s", key):
        return "it holds white space"
    if len(key) < 40:
        return f"it has {len(key)} characters, and a key has 40 or more"
    return "it holds characters that no key has"


def ask(environment: Mapping[str, str], timeout: float = TIMEOUT) -> Answer:
    """Ask the server who we are. Never raises and never takes longer than `timeout`."""
    server = server_address(environment)
    found = find_key(environment)
    query = "query Viewer { viewer { id entity username teams { edges { node { name } } } } }"
    request = graphql_request(server, found.key if found else None, query)
    body, problem = _within(timeout, lambda: _fetch(request, timeout))
    if isinstance(problem, urllib.error.HTTPError):
        if problem.code in (401, 403):
            return Answer(state="refused", server=server, detail=f"HTTP {problem.code}")
        if 300 <= problem.code < 400:
            detail = f"HTTP {problem.code}: it sends us, with the key, to another address; set WANDB_BASE_URL to that"
            return Answer(state="away", server=server, detail=detail)
        busy = problem.code == 429
        return Answer(state="ok" if busy else "away", server=server, detail=f"HTTP {problem.code}")
    if problem is not None:
        return Answer(state="away", server=server, detail=_in_words(problem, timeout))
    try:
        viewer = json.loads(body)["data"]["viewer"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Answer(state="away", server=server, detail="what answers there is no W&B server")
    if not isinstance(viewer, dict):
        return Answer(state="refused", server=server, detail="it does not know whose key this is")
    return Answer(state="ok", server=server, entities=_entities(viewer))


def _fetch(request: urllib.request.Request, timeout: float) -> bytes:
    with opener().open(request, timeout=timeout) as response:
        body: bytes = response.read(1 << 20)
        return body


def _within(timeout: float, call: Callable[[], bytes]) -> tuple[bytes, Exception | None]:
    """The call's result or exception. Looking up a name may take far longer than any time-out of the socket."""
    said: list[tuple[bytes, Exception | None]] = []

    def run() -> None:
        try:
            said.append((call(), None))
        except Exception as error:  # whatever a strange server makes of HTTP
            said.append((b"", error))

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # no thread to be had
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
        return "what answers there is no W&B server"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror[:1].lower() + reason.strerror[1:]
    return str(reason) or type(reason).__name__
