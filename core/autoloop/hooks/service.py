"""Message formats of services: TOML files shipped in `services/`, or the user's own."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal

import msgspec

from autoloop.files import read_text
from autoloop.hooks.hook import Hook
from autoloop.model import UserError
from autoloop.text.suggest import did_you_mean
from autoloop.toml import parse_toml, read_table


class Sign(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An HMAC-SHA256 of `message` with `key`, in base64. Both may contain `{timestamp}` and `{secret}`."""

    key: str
    message: str
    unit: Literal["s", "ms"]
    """Unit of the timestamp."""
    where: Literal["body", "query"]
    """Where `timestamp` and `sign` go: into two keys of the JSON body, or two query parameters."""


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    body: dict[str, Any] | str
    """JSON or plain text, with placeholders such as `{text}` for parts of the message (`request.values`)."""
    about: str = ""
    headers: dict[str, str] = {}
    escape: Literal["none", "html"] = "none"
    """Escaping of the values: html replaces &, < and > by entities."""
    every: float = 0.0
    """Minimum seconds between two messages."""
    success: list[str] = []
    """Keys of the JSON answer; the first one present must be 0, as a number or a string."""
    final: list[int] = []
    """Values of these keys after which the same message is not retried."""
    busy: list[int] = []
    """Values of these keys that ask for a pause."""
    busy_pause: float = 60.0
    """Seconds of that pause."""
    sign: Sign | None = None


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A hook with everything needed to send its messages, passed from an engine to the sender. Contains no secrets."""

    hook: Hook
    service: Service | None = None
    problem: str | None = None
    """Why nothing can be sent; None if sending is possible."""


def service_names() -> list[str]:
    return sorted(path.name.removesuffix(".toml") for path in _shipped().iterdir() if path.name.endswith(".toml"))


def service_text(name: str) -> str:
    """Return the file of a shipped service, for copying. Raises UserError if there is none."""
    if name not in service_names():
        raise UserError(f'There is no service "{name}"; {did_you_mean(name, service_names(), _known())}')
    return (_shipped() / f"{name}.toml").read_text(encoding="utf-8")


def load_service(name: str, project: Path) -> Service:
    """Load a service. Raises UserError if it is unknown or its file cannot be used."""
    if name.endswith(".toml"):
        path = project / name
        text, where = read_text(path, "file of a service, named in [hooks],"), str(path)
    else:
        text, where = service_text(name), name
    service = read_table(parse_toml(text, where), Service, where)
    if service.sign and service.sign.where == "body" and isinstance(service.body, str):
        raise UserError(f"{where}: a body that is plain text has no keys for the signature; write [body] as a table.")
    return service


def target(hook: Hook, project: Path) -> Target:
    try:
        return Target(hook=hook, service=load_service(hook.service, project) if hook.service else None)
    except UserError as error:
        return Target(hook=hook, problem=str(error).rstrip("."))


def _shipped() -> Traversable:
    return resources.files("autoloop.hooks") / "services"


def _known() -> str:
    return f"known are {', '.join(service_names())}, or the path of a .toml file"
