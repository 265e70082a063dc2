"""One `[hooks.NAME]` of autoloop.toml and its validation. Secrets are given as variable names, never as values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from autoloop.model import UserError
from autoloop.secrets import is_secret_name, mask

HookName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
EventName = Literal["round waits", "run failed", "loop ended", "budget nearly spent", "winner"]
EVENTS: list[EventName] = ["round waits", "run failed", "loop ended", "budget nearly spent", "winner"]

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
KEY_IN_QUERY = re.compile(r"[?&](?:key|sig|signature)=(?!\$\{)[^&#]", re.IGNORECASE)
"""Query parameters that authorise a request, although their names are not secret elsewhere."""
ORIGIN = re.compile(r"(https?://)(?:[^/?#]*@)?([^/?#]*)|\$\{\w+\}")
SCHEMES = ("http://", "https://", "${")


class Hook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command or URL to call on events. `${NAME}` is replaced by a variable of the engine's environment."""

    events: Annotated[list[EventName], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=lambda: list(EVENTS))
    command: str | None = None
    """Split into words as by a shell, but run without one. It gets the message on standard input."""
    url: str | None = None
    service: str | None = None
    """The message format for the service at `url`: the name of a shipped service, or the path of a .toml file. Without it,
    the JSON document is posted."""
    secret: str | None = None
    """The variable with the signing secret, as `${NAME}`."""
    headers: dict[str, str] = {}
    timeout: Annotated[float, msgspec.Meta(gt=0, le=300)] = 10.0
    """Timeout of one try in seconds."""
    tries: Annotated[int, msgspec.Meta(ge=1, le=10)] = 5

    @property
    def argv(self) -> list[str]:
        return shlex.split(self.command or "")

    @property
    def variables(self) -> list[str]:
        """The variables that the hook needs, without duplicates."""
        texts = [self.url or "", self.secret or "", *self.headers.values()]
        return list(dict.fromkeys(name for text in texts for name in REFERENCE.findall(text)))

    @property
    def target(self) -> str:
        """The command or URL for display: without values of variables, and without parts of a URL that may be a key."""
        return self.command or _shown(self.url or "")


def _shown(url: str) -> str:
    """Shorten to `https://host/…`; `https://host/${NAME}` is kept, because only variables follow the host."""
    origin = ORIGIN.match(url)
    if origin is None:
        return "…"
    rest = url[origin.end() :]
    start = f"{origin[1]}{origin[2]}" if origin[1] else origin[0]
    if not REFERENCE.sub("", rest).strip("/"):
        return start + rest
    return f"{start}/…" if rest.startswith("/") else f"{start}…"


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """Return `text` with its variables replaced; all of them must be set."""
    return REFERENCE.sub(lambda found: environment[found[1]], text)


def unset(hook: Hook, environment: Mapping[str, str]) -> list[str]:
    """Return the required variables that are unset or empty."""
    return [name for name in hook.variables if not environment.get(name)]


def check_hooks(hooks: Mapping[str, Hook], where: str) -> None:
    """Raise UserError for the first invalid hook, with the remedy."""
    for name, hook in hooks.items():
        if problem := _problem(name, hook):
            raise UserError(f"{where}: [hooks.{name}] {problem}.")


def _problem(name: str, hook: Hook) -> str | None:
    if (hook.command is None) == (hook.url is None):
        return "needs either command or url"
    return _command_problem(hook) if hook.command is not None else _url_problem(hook)


def _command_problem(hook: Hook) -> str | None:
    for key in ("service", "secret", "headers"):
        if getattr(hook, key):
            return f"has {key}, which belongs to a url, not to a command"
    try:
        words = hook.argv
    except ValueError as error:
        return f"has a command that cannot be split into words ({error})"
    if not words:
        return "has an empty command"
    if mask(hook.command or "") != hook.command:
        return "has a secret in its command: put it into a variable, which the command can read"
    return None


def _url_problem(hook: Hook) -> str | None:
    url = hook.url or ""
    if not url.startswith(SCHEMES):
        return "needs a url that begins with http:// or https://, or with ${NAME}"
    if any(character.isspace() or not character.isprintable() for character in url):
        return "has a url with a space or a control character in it"
    if mask(url) != url or KEY_IN_QUERY.search(url):
        return 'has a secret in its url: put the url into a variable, and write url = "${NAME}"'
    if hook.secret is not None and not REFERENCE.fullmatch(hook.secret):
        return 'needs the name of a variable as its secret: secret = "${NAME}"'
    for key, value in hook.headers.items():
        if not HEADER.fullmatch(key) or not value.isprintable() or not value.isascii():
            return f"has a header that cannot be sent: {key!r}"
        if mask(value) != value or (is_secret_name(key) and not REFERENCE.search(value)):
            return f"has a secret in the header {key}: put it into a variable, and write ${{NAME}}"
    return None
