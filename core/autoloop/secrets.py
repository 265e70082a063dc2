"""What must not be stored or shown: which names and texts are secrets, and how they are masked. The one place that decides.

A secret is known by its value (variables of the environment, presets, configs), by the name in front of it
(`--hf_token=…`, `'password': '…'`), or by its form (`ghp_…`, a password in a URL). Everything works on bytes and looks
closely only at the few places where a word such as `token` stands, because every displayed line of a log passes here.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

MASK = "***"

SHORTEST = 8
"""Characters of a value that is masked wherever it appears; shorter ones could be part of an ordinary word."""

HELD = "AUTOLOOP_SECRET_"
"""Variables that carry the secret values of --extra from the command to the trainer; the store has their names only."""

# --------------------------------------------------------------------------------------------------------------- names

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_STRONG = ("secret", "password", "passwd", "passphrase", "apikey", "accesskey", "secretkey", "privatekey")
_STRONG_WHOLE = {"credential", "credentials", "passcode"}
_ABOUT = frozenset(
    (
        "file",
        "path",
        "dir",
        "folder",
        "name",
        "id",
        "length",
        "len",
        "count",
        "type",
        "policy",
        "enabled",
        "required",
        "field",
        "env",
        "backend",
        "url",
        "uri",
        "prefix",
        "version",
        "size",
        "dim",
        "limit",
        "manager",
        "arn",
        "sock",
        "helper",
    )
)
"""Last words of names that tell something about a secret and hold none."""
_OF_TEXT = frozenset(
    (
        "pad",
        "mask",
        "bos",
        "eos",
        "cls",
        "unk",
        "sep",
        "image",
        "img",
        "video",
        "audio",
        "action",
        "state",
        "task",
        "special",
        "additional",
        "start",
        "end",
        "stop",
        "num",
        "n",
        "max",
        "min",
        "per",
        "prompt",
        "class",
        "latent",
        "readout",
        "register",
        "padding",
        "first",
        "last",
        "new",
        "next",
        "text",
        "vision",
        "by",
        "unexpected",
    )
)
"""Words before `token` that make it one of a tokenizer."""
_KEYS = frozenset(
    (
        "api",
        "access",
        "secret",
        "private",
        "auth",
        "account",
        "signing",
        "encryption",
        "license",
        "service",
        "storage",
        "wandb",
        "hf",
        "openai",
        "anthropic",
        "ssh",
        "master",
        "client",
        "shared",
        "session",
        "subscription",
        "deploy",
        "admin",
        "app",
    )
)
"""Words before `key` that make it a secret; `image_key` is none."""
_HARMLESS = re.compile(
    r"|true|false|none|null|yes|no|auto|\*+|\$\{?\w+\}?|<[^<>]*>|\[\w+\]|[-+]?[\d._]+(?:e[-+]?\d+)?", re.IGNORECASE
)


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether what a variable, flag or key of this name holds is a secret: `HF_TOKEN`, `hub.token`, `--db-password`."""
    name = name.strip(".").rpartition(".")[2]
    words = [word.lower() for word in _WORDS.findall(name)]
    while len(words) > 1 and (words[-1].isdigit() or len(words[-1]) == 1):
        words.pop()
    if not words or words[-1] in _ABOUT:
        return False
    if any(word.endswith(_STRONG) or word in _STRONG_WHOLE for word in words):
        return True
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last.endswith("token"):
        return before not in _OF_TEXT
    if last == "key":
        return before in _KEYS or (len(words) > 1 and name.isupper())
    return last in ("pat", "bearer", "authorization") and (name.isupper() or last != "pat")


def is_secret(name: str, value: object) -> bool:
    """Whether `value`, held under `name`, is a secret: a switch, a number or a placeholder is none."""
    if not isinstance(value, str) or _HARMLESS.fullmatch(value):
        return False
    # A shell's PWD is a folder.
    return is_secret_name(name) or (name.lower().endswith("pwd") and name != "OLDPWD" and not value.startswith("/"))


def shown_value(name: str, value: str) -> str:
    """The value of a variable or key as it may be shown."""
    return MASK if is_secret(name, value) else mask(value)


# -------------------------------------------------------------------------------------------------------------- values


def of_environment(environment: Mapping[str, str]) -> list[str]:
    """The secrets that an environment holds: the values of secret names, the passwords in URLs."""
    found = [value for name, value in environment.items() if is_secret(name, value) or name.startswith(HELD)]
    found += [match[2] for value in environment.values() for match in _URL.finditer(value)]
    return long_enough(found)


def of_config(config: object) -> list[str]:
    """The values of a config's secret-named keys, at any depth."""
    return long_enough(value for _, value in _secret_places(config, ""))


def secret_keys(config: object) -> list[str]:
    """The paths of a config's secret-named keys that hold something."""
    return [path for path, _ in _secret_places(config, "")]


def _secret_places(value: object, path: str) -> Iterator[tuple[str, str]]:
    items: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        place = f"{path}.{key}" if path else str(key)
        if isinstance(inner, str) and is_secret(str(key), inner):
            yield place, inner
        elif isinstance(inner, Mapping | list):
            yield from _secret_places(inner, place)


def long_enough(values: Iterable[str]) -> list[str]:
    """Those that can be masked wherever they stand, each once."""
    return [each for each in dict.fromkeys(value.strip() for value in values) if len(each) >= SHORTEST]


_URL = re.compile(r"(?<=://)([^\s:/@\"'<>]*):([^\s/\"'<>]+)(?=@)")

# ------------------------------------------------------------------------------------------------------------- masking


def mask(text: str, known: Sequence[str] = ()) -> str:
    """`text` with asterisks for what is a secret, and for the values that are `known` to be."""
    data = text.encode("utf-8", "surrogatepass")
    masked = mask_bytes(data, known)
    return text if masked is data else masked.decode("utf-8", "surrogatepass")


def mask_lines(lines: list[str], known: Sequence[str] = ()) -> list[str]:
    """The lines of a log, masked as one text: a key in PEM form goes over several."""
    text = "\n".join(lines)
    masked = mask(text, known)
    return lines if masked is text else masked.split("\n")


def mask_bytes(data: bytes, known: Sequence[str] = ()) -> bytes:
    """The same for bytes of a log. The number of lines stays; `data` itself where nothing is masked."""
    spans = [*_of_known(data, known), *_of_form(data), *_of_name(data)]
    if not spans:
        return data
    parts, at = [], 0
    for start, end in sorted(spans):
        if end > at:
            start = max(start, at)
            parts += [data[at:start], _LINE.sub(MASK.encode(), data[start:end])]
            at = end
    return re.sub(rb"(?:\*{3}){2,}", b"***", b"".join([*parts, data[at:]]))


def unsure(data: bytes, *, redrawn: bool = False) -> int:
    """How many bytes at the end of a growing log may be the beginning of a secret: its last line is not all there yet.

    `redrawn`: a carriage return does not end a line either; whoever shows its last state only waits for that.
    """
    tail = len(data) - 1 - data.rfind(b"\n")
    state = min(tail, len(data) - 1 - data.rfind(b"\r"))
    return tail if redrawn and tail <= LONGEST else state if state <= LONGEST else 0


LONGEST = 64 << 10
"""Bytes of an unfinished line that are waited for."""

_LINE = re.compile(rb"[^\r\n]+")
_ALNUM = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")

Span = tuple[int, int]


def _places(data: bytes, word: bytes) -> Iterator[int]:
    at = data.find(word)
    while at >= 0:
        yield at
        at = data.find(word, at + len(word))


def _of_known(data: bytes, known: Sequence[str]) -> Iterator[Span]:
    for value in known:
        secret = value.encode("utf-8", "surrogatepass")
        for at in _places(data, secret):
            yield at, at + len(secret)


# Group 1 is what is masked. With True, its words hold a digit or a capital: `hf_transfer` and `sk-learn` are no keys.
_FORMS: tuple[tuple[bytes, re.Pattern[bytes], bool], ...] = tuple(
    (hint, re.compile(pattern), mixed)
    for hint, pattern, mixed in (
        (b"hf_", rb"(hf_[A-Za-z0-9]{10,})(?![\w.])", True),
        (b"api_org_", rb"(api_org_[A-Za-z0-9]{10,})", True),
        (b"AKIA", rb"(AKIA[A-Z0-9]{12,})(?!\w)", False),
        (b"ASIA", rb"(ASIA[A-Z0-9]{12,})(?!\w)", True),
        *((b"gh%c_" % each, rb"(gh[opsur]_[A-Za-z0-9]{12,})", True) for each in b"opsur"),
        (b"github_pat_", rb"(github_pat_\w{12,})", True),
        (b"glpat-", rb"(glpat-[\w-]{12,})", True),
        (b"sk-", rb"(sk-[\w-]{16,})", True),
        (b"sk_live_", rb"([sr]k_live_\w{12,})", True),
        (b"sk_test_", rb"(sk_test_\w{12,})", True),
        (b"xox", rb"(xox[a-z]-[A-Za-z0-9-]{10,})", True),
        (b"xapp-", rb"(xapp-[A-Za-z0-9-]{10,})", True),
        (b"hooks.slack.com/services/", rb"hooks\.slack\.com/services/([\w/]{8,})", False),
        (b"/api/webhooks/", rb"/api/webhooks/([\w/-]{16,})", False),
        (b"AIza", rb"(AIza[\w-]{20,})", False),
        (b"ya29.", rb"(ya29\.[\w-]{16,})", True),
        (b"eyJ", rb"(eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?)", False),
        (b"npm_", rb"(npm_[A-Za-z0-9]{30,})", True),
        (b"pypi-", rb"(pypi-[\w-]{40,})", True),
        (b"dckr_pat_", rb"(dckr_pat_[\w-]{16,})", True),
        (b"hvs.", rb"(hvs\.[\w-]{20,})", True),
        (b"nvapi-", rb"(nvapi-[\w-]{20,})", True),
        (b"gsk_", rb"(gsk_[A-Za-z0-9]{20,})", True),
        (b"r8_", rb"(r8_[A-Za-z0-9]{30,})", True),
        (b"SG.", rb"(SG\.[\w-]{16,}\.[\w-]{16,})", True),
        (b"wandb_v", rb"(wandb_v\d+_\w{16,})", True),
        (b"://", rb"://[^\s:/@\"'<>]{0,256}:([^\s/\"'<>]{1,256})@", False),
        (b"://", rb"://([A-Za-z0-9_\-]{16,256})@", True),
        (b"-----BEGIN ", rb"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----((?:(?!-----)[\s\S]){1,20000})", False),
        (b"earer ", rb"earer +([\w.~+/\-]{12,}=*)", True),
        (b"asic ", rb"(?i)asic +((?=[A-Za-z0-9+/]*[A-Z0-9])[A-Za-z0-9+/]{12,}=*)(?!\w)", True),
    )
)
_BASIC = b"uthorization"


def _of_form(data: bytes) -> Iterator[Span]:
    for hint, pattern, mixed in _FORMS:
        if hint not in data or (hint == b"asic " and _BASIC not in data):
            continue
        for at in _places(data, hint):
            if hint[:1].isalnum() and hint not in (b"earer ", b"asic ") and at and data[at - 1] in _ALNUM:
                continue
            found = pattern.match(data, at)
            if found and not (mixed and _plain_word(found[1][len(hint) :])):
                yield found.span(1)


def _plain_word(word: bytes) -> bool:
    return word.islower() and not any(48 <= each < 58 for each in word)


_STEMS = (b"token", b"secret", b"passw", b"passphrase", b"passcode", b"pwd", b"key", b"credential", b"_pat")
_NAME_BEFORE = re.compile(rb"[\w.\-]{0,64}\Z")
_VALUE = re.compile(
    rb"(?P<rest>[\w.\-]{0,40}(?:@[a-z]{1,8})?)(?P<quoted>\\?[\"'\]]{0,2})"
    rb"(?P<between>[ \t]{0,3}(?:=>|:=|[=:,])[ \t]{0,3}|[ \t]{1,3})"
    rb"(?:b?\\?\"(?P<double>[^\"\r\n]{1,4096}?)\\?\"|b?'(?P<single>[^'\r\n]{1,4096})'"
    rb"|(?P<bare>[^\s\"',;&)\]}]{1,4096}))"
)


def _of_name(data: bytes) -> Iterator[Span]:
    """Values that stand behind a secret's name: `NAME=value`, `"name": "value"`, `--name value`, `name: v4lue`."""
    low = data.lower()
    seen = -1
    for at in sorted(at for stem in _STEMS if stem in low for at in _places(low, stem)):
        if at < seen:
            continue
        found = _VALUE.match(data, at)
        if not found:
            continue
        before = _NAME_BEFORE.search(data, max(0, at - 64), at)
        name = (before[0] if before else b"") + found["rest"]
        flag, name = name.startswith(b"--"), name.lstrip(b"-").partition(b"@")[0]
        group = next(each for each in ("double", "single", "bare") if found[each] is not None)
        value = found[group].decode("utf-8", "replace")
        if not is_secret(name.decode("utf-8", "replace"), value):
            continue
        between = found["between"].strip()
        sure = between in (b"=", b"=>", b":=") or bool(found["quoted"] and between and group != "bare") or flag
        if between == b"," and not (found["quoted"] and flag):
            continue
        if not between and not flag:
            continue
        if sure or _unlike_words(value):
            seen = found.end(group)
            yield found.span(group)


def _unlike_words(value: str) -> bool:
    """In prose, what follows `token:` is a secret only if no person would say it: "token: expired" is none."""
    return len(value) >= SHORTEST and any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


# ---------------------------------------------------------------------------------------------------------- the command

_FLAG = re.compile(r"([+~]*(?:--?)?[\w.\-/@]+?)(=)(.*)", re.DOTALL)


def withheld(words: Sequence[str], known: Sequence[str] = ()) -> tuple[list[str], dict[str, str]]:
    """A command's words with `${AUTOLOOP_SECRET_…}` for the secrets in them, and those variables with their values."""
    shown: list[str] = []
    held: dict[str, str] = {}

    def hold(name: str, value: str) -> str:
        stem = HELD + (re.sub(r"\W+", "_", name.lstrip("+~-")).strip("_").upper() or "VALUE")
        variable, number = stem, 1
        while held.get(variable, value) != value:
            number += 1
            variable = f"{stem}_{number}"
        held[variable] = value
        return f"${{{variable}}}"

    flag = ""
    for word in words:
        match = _FLAG.fullmatch(word)
        if match and (is_secret(match[1], match[3]) or mask(match[3], known) != match[3]):
            word = f"{match[1]}={hold(match[1], match[3])}"
        elif not match and not word.startswith("--") and (is_secret(flag, word) or mask(word, known) != word):
            word = hold(flag, word)
        flag = word if word.startswith("-") and not match else ""
        shown.append(word)
    return shown, held


def missing(words: Iterable[str], environment: Mapping[str, str]) -> list[str]:
    """The variables that a command's withheld words need and `environment` lacks."""
    needed = (name for word in words for name in re.findall(rf"\$\{{({HELD}\w+)\}}", word))
    return [name for name in dict.fromkeys(needed) if name not in environment]


def shown_words(words: Iterable[str], known: Sequence[str] = ()) -> list[str]:
    """A command's words as they may be shown, for records made before anything was withheld."""
    shown, held = withheld(list(words), known)
    for name in held:
        shown = [word.replace(f"${{{name}}}", MASK) for word in shown]
    return shown


def masked_document(value: Any, known: Sequence[str] = ()) -> Any:
    """A JSON value with every text in it masked, and what stands under a secret's name."""
    if isinstance(value, dict):
        return {
            key: MASK if isinstance(inner, str) and is_secret(str(key), inner) else masked_document(inner, known)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [masked_document(inner, known) for inner in value]
    return mask(value, known) if isinstance(value, str) else value
