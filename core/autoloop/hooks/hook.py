"""One `[hooks.NAME]` of autoloop.toml, and what may be wrong with it. A secret is named by its variable, never written."""

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
"""What authorises in an address, though such a name alone is no secret elsewhere."""
ORIGIN = re.compile(r"(https?://)(?:[^/?#]*@)?([^/?#]*)|\$\{\w+\}")
SCHEMES = ("http://", "https://", "${")


class Hook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A command or an address that is called on events. `${NAME}` stands for a variable of the engine's environment."""

    events: Annotated[list[EventName], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=lambda: list(EVENTS))
    command: str | None = None
    """Split into words as a shell does; no shell runs it. The message comes on its standard input."""
    url: str | None = None
    service: str | None = None
    """How the service at `url` wants to be told: the name of one that ships, or the path of a .toml file. Without it the
    message is posted as it is."""
    secret: str | None = None
    """The variable with the secret that signs, as `${NAME}`."""
    headers: dict[str, str] = {}
    timeout: Annotated[float, msgspec.Meta(gt=0, le=300)] = 10.0
    """Seconds of one try."""
    tries: Annotated[int, msgspec.Meta(ge=1, le=10)] = 5

    @property
    def argv(self) -> list[str]:
        return shlex.split(self.command or "")

    @property
    def variables(self) -> list[str]:
        """The variables that it needs, each once."""
        texts = [self.url or "", self.secret or "", *self.headers.values()]
        return list(dict.fromkeys(name for text in texts for name in REFERENCE.findall(text)))

    @property
    def target(self) -> str:
        """What is called, as it may be shown: without values of variables, and of an address without what may be a key."""
        return self.command or _shown(self.url or "")


def _shown(url: str) -> str:
    """`https://host/…`; `https://host/${NAME}` whole, because it has nothing but variables behind its host."""
    origin = ORIGIN.match(url)
    if origin is None:
        return "…"
    rest = url[origin.end() :]
    start = f"{origin[1]}{origin[2]}" if origin[1] else origin[0]
    if not REFERENCE.sub("", rest).strip("/"):
        return start + rest
    return f"{start}/…" if rest.startswith("/") else f"{start}…"


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """`text` with the values of its variables, all of which must be set."""
    return REFERENCE.sub(lambda found: environment[found[1]], text)


def unset(hook: Hook, environment: Mapping[str, str]) -> list[str]:
    """The variables that it needs and that are not set, or empty."""
    return [name for name in hook.variables if not environment.get(name)]


def check_hooks(hooks: Mapping[str, Hook], where: str) -> None:
    """UserError names the first hook that cannot work, and what to write."""
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
