"""Masks secrets in texts, logs and documents with asterisks.

A secret is recognised by its value (`known`), by the name in front of it (`--hf_token=…`, `'password': '…'`), or by its form
(`ghp_…`, a password in a URL). Every displayed log line passes through here, so all functions work on bytes and examine only
the few places with a word such as `token`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from autoloop.secrets.names import is_secret
from autoloop.secrets.values import SHORTEST

MASK = "***"


def shown_value(name: str, value: str) -> str:
    """Return the value of a variable or key, masked for display."""
    return MASK if is_secret(name, value) else mask(value)


def mask(text: str, known: Sequence[str] = ()) -> str:
    """Return `text` with asterisks in place of secrets. `known`: further secret values."""
    data = text.encode("utf-8", "surrogatepass")
    masked = mask_bytes(data, known)
    return text if masked is data else masked.decode("utf-8", "surrogatepass")


def mask_lines(lines: list[str], known: Sequence[str] = ()) -> list[str]:
    """Return the lines of a log, masked as one text because a PEM key spans several lines."""
    text = "\n".join(lines)
    masked = mask(text, known)
    return lines if masked is text else masked.split("\n")


def mask_bytes(data: bytes, known: Sequence[str] = ()) -> bytes:
    """Return the bytes of a log with secrets masked. The number of lines stays the same. Returns `data` itself if nothing is
    masked."""
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
    """Return the number of bytes at the end of a growing log that may begin a secret: those of its unfinished last line.

    `redrawn`: a carriage return does not end a line either, for readers that show only a line's last state.
    """
    tail = len(data) - 1 - data.rfind(b"\n")
    state = min(tail, len(data) - 1 - data.rfind(b"\r"))
    return tail if redrawn and tail <= LONGEST else state if state <= LONGEST else 0


LONGEST = 64 << 10
"""The longest unfinished line, in bytes, whose end is awaited."""

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


# Group 1 is masked. True: only if it contains a digit or a capital letter, since `hf_transfer` and `sk-learn` are not keys.
# A pattern is compiled only when a text contains its hint, which is rare.
_FORMS: tuple[tuple[bytes, bytes, bool], ...] = (
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
    (b"hooks.slack.com/", rb"hooks\.slack\.com/(?:services|workflows|triggers)/([\w/-]{8,})", False),
    (b"/webhookb2/", rb"/webhookb2/([\w@/-]{16,})", False),
    (b"/webhook/send?key=", rb"/webhook/send\?key=([\w-]{8,})", False),
    (b"/bot", rb"/bot(\d{3,}:[\w-]{20,})", False),
    (b"/api/webhooks/", rb"/api/webhooks/([\w/-]{16,})", False),
    (b"/bot/v2/hook/", rb"/bot/v2/hook/([\w-]{8,})", False),
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
    (b"curl ", rb"curl [^\r\n]{0,256}?(?<![\w-])(?:-u|--user)[ =]{0,3}[\"']?[^\s:\"']{1,64}:([^\s\"']{3,256})", False),
    (b"sshpass -p", rb"sshpass -p[ =]?[\"']?([^\s\"']{3,256})", False),
    (b"ookie: ", rb"ookie: ([\w.\-]{1,64}=[^\r\n\"']{8,4096})", False),
    (b"earer ", rb"earer +([\w.~+/\-]{12,}=*)", True),
    (b"asic ", rb"(?i)asic +((?=[A-Za-z0-9+/]*[A-Z0-9])[A-Za-z0-9+/]{12,}=*)(?!\w)", True),
)
_BASIC = b"uthorization"
_MIDDLE = (b"earer ", b"asic ", b"ookie: ")
"""Hints without their first letter, which may be upper or lower case."""


def _of_form(data: bytes) -> Iterator[Span]:
    for hint, pattern, mixed in _FORMS:
        if hint not in data or (hint == b"asic " and _BASIC not in data):
            continue
        for at in _places(data, hint):
            if hint[:1].isalnum() and hint not in _MIDDLE and at and data[at - 1] in _ALNUM:
                continue
            found = re.compile(pattern).match(data, at)
            if found and not (mixed and _plain_word(found[1].removeprefix(hint))):
                yield found.span(1)


def _plain_word(word: bytes) -> bool:
    return word.islower() and not any(48 <= each < 58 for each in word)


_STEMS = (b"token", b"secret", b"passw", b"passphrase", b"passcode", b"pwd", b"key", b"credential", b"_pat")
_NAME_BEFORE = re.compile(rb"[\w.\-]{0,64}\Z")
_VALUE = (
    rb"(?P<rest>[\w.\-]{0,40}(?:@[a-z]{1,8})?)(?P<quoted>\\?[\"'\]]{0,2})"
    rb"(?P<between>[ \t]{0,3}(?:=>|:=|[=:,])[ \t]{0,3}|[ \t]{1,3})"
    rb"(?:b?\\?\"(?P<double>[^\"\r\n]{1,4096}?)\\?\"|b?'(?P<single>[^'\r\n]{1,4096})'"
    rb"|(?P<bare>[^\s\"',;&)\]}]{1,4096}))"
)


def _of_name(data: bytes) -> Iterator[Span]:
    """Values that follow the name of a secret: `NAME=value`, `"name": "value"`, `--name value`, `name: v4lue`."""
    low = data.lower()
    seen = -1
    for at in sorted(at for stem in _STEMS if stem in low for at in _places(low, stem)):
        if at < seen:
            continue
        found = re.compile(_VALUE).match(data, at)
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
    """Whether a value is not a word: after `token:` in prose, "expired" is not a secret."""
    return len(value) >= SHORTEST and any(c.isdigit() for c in value) and any(c.isalpha() for c in value)


def masked_value(name: str, value: Any, known: Sequence[str] = ()) -> Any:
    """Return a JSON value with the given name or path, masked: as a whole if it is a secret, otherwise each text in it."""
    return MASK if is_secret(name, value) else masked_document(value, known)


def masked_document(value: Any, known: Sequence[str] = ()) -> Any:
    """Return a JSON value with every text and every value under a secret's name masked."""
    if isinstance(value, dict):
        return {key: masked_value(str(key), inner, known) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked_document(inner, known) for inner in value]
    return mask(value, known) if isinstance(value, str) else value
