"""Formats a message as JSON, as environment variables for a command, and as a request to a service. No I/O."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from autoloop.hooks.hook import Hook, expanded
from autoloop.hooks.service import Service, Sign
from autoloop.model import Message
from autoloop.secrets import mask

VERSION = 1
"""Version of the JSON document; increased when a key is removed or changes its meaning."""

PLACE = re.compile(r"\{(\w+)\}")


LONGEST, LONGEST_NAME = 500, 100
"""Maximum characters of a text and of a name."""


def line(text: str, known: Sequence[str] = (), longest: int = LONGEST) -> str:
    """Return untrusted text as one line of limited length, without secrets and control characters."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in mask(text, known)).split())
    return clean if len(clean) <= longest else f"{clean[: longest - 1]}…"


class Request(msgspec.Struct, frozen=True):
    url: str
    headers: dict[str, str]
    body: str


class AddressError(ValueError):
    """The address is not a valid URL."""


def document(message: Message, loop: str, title: str | None, project: str, host: str) -> dict[str, Any]:
    """Return the JSON document for every hook, as described in docs/hooks.md. `title` is the loop's `--name`."""
    run = {"id": message.run, "name": message.run_name} if message.run else None
    return {
        "version": VERSION,
        "id": message.id,
        "event": message.event.value,
        "at": round(message.at, 3),
        "host": host,
        "project": line(project, longest=LONGEST_NAME),
        "loop": {"name": loop, "title": line(title, longest=LONGEST_NAME) if title else None},
        "round": message.round,
        "run": run,
        "text": message.text,
        "next": message.next,
    }


def variables(told: Mapping[str, Any]) -> dict[str, str]:
    """Return environment variables for commands, in addition to the document on standard input."""
    return {
        "AUTOLOOP_EVENT": told["event"],
        "AUTOLOOP_EVENT_ID": told["id"],
        "AUTOLOOP_LOOP": told["loop"]["name"],
        "AUTOLOOP_ROUND": str(told["round"] or ""),
        "AUTOLOOP_RUN": told["run"]["id"] if told["run"] else "",
        "AUTOLOOP_TEXT": told["text"],
    }


def values(told: Mapping[str, Any]) -> dict[str, str]:
    """Return the values of the placeholders `{…}` in a service's file."""
    title = told["loop"]["title"]
    return {
        "title": f"Auto Loop: {told['event']}",
        "text": f"{told['project']} on {told['host']}: {told['text']}",
        "next": told["next"] or "autoloop-tui status",
        "event": told["event"],
        "event_word": told["event"].replace(" ", "_"),
        "id": told["id"],
        "host": told["host"],
        "project": told["project"],
        "loop": told["loop"]["name"] + (f" ({title})" if title else ""),
        "round": str(told["round"] or ""),
        "run": told["run"]["name"] if told["run"] else "",
    }


def request(
    hook: Hook, service: Service | None, told: Mapping[str, Any], environment: Mapping[str, str], now: float, agent: str
) -> Request:
    """Build the request. `environment` must have every variable that the hook needs. Raises AddressError."""
    url = _address(expanded(hook.url or "", environment))
    secret = expanded(hook.secret, environment) if hook.secret else None
    given = {key: expanded(value, environment) for key, value in hook.headers.items()}
    own = {"User-Agent": agent, "X-Autoloop-Event": told["event"], "X-Autoloop-Id": told["id"]}
    if service is None:
        body = json.dumps(told, ensure_ascii=False)
        own["Content-Type"] = "application/json; charset=utf-8"
        return Request(url, own | (_headers(secret, body, now) if secret else {}) | given, body)
    filling = {key: _escaped(value, service.escape) for key, value in values(told).items()}
    filled = _filled(service.body, filling)
    own |= {key: _header_text(_filled(value, filling)) for key, value in service.headers.items()}
    own["Content-Type"] = "text/plain; charset=utf-8" if isinstance(filled, str) else "application/json; charset=utf-8"
    if secret and service.sign:
        signed = _signed(service.sign, secret, now)
        if isinstance(filled, dict) and service.sign.where == "body":
            filled = {**signed, **filled}
        else:
            url = _with_query(url, signed)
    body = filled if isinstance(filled, str) else json.dumps(filled, ensure_ascii=False)
    if secret and not service.sign:
        own |= _headers(secret, body, now)
    return Request(url, own | given, body)


def _headers(secret: str, body: str, now: float) -> dict[str, str]:
    """Return the signature headers for receivers without a scheme of their own."""
    timestamp = str(int(now))
    code = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256).hexdigest()
    return {"X-Autoloop-Timestamp": timestamp, "X-Autoloop-Signature": f"sha256={code}"}


def _signed(sign: Sign, secret: str, now: float) -> dict[str, str]:
    timestamp = str(int(now if sign.unit == "s" else now * 1000))
    filling = {"timestamp": timestamp, "secret": secret}
    key, text = (_filled(each, filling).encode() for each in (sign.key, sign.message))
    return {"timestamp": timestamp, "sign": base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()}


def _with_query(url: str, more: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    added = "&".join(f"{key}={quote(value, safe='')}" for key, value in more.items())
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url:
        raise AddressError("its url is not an http:// or https:// address")
    return url


def _filled(value: Any, filling: Mapping[str, str]) -> Any:
    """Replace placeholders in one pass: inserted values are not expanded again."""
    if isinstance(value, str):
        return PLACE.sub(lambda found: filling.get(found[1], found[0]), value)
    if isinstance(value, dict):
        return {key: _filled(inner, filling) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, filling) for inner in value]
    return value


def _escaped(text: str, escape: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") if escape == "html" else text


def _header_text(text: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
