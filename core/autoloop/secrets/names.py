"""Recognises the names of secrets: variables, flags and config keys."""

from __future__ import annotations

import functools
import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_STRONG = ("secret", "password", "passwd", "passphrase", "apikey", "accesskey", "secretkey", "privatekey")
_STRONG_WHOLE = {"credential", "credentials", "passcode"}
_ABOUT = _words(
    "file path dir folder name id length len count type policy enabled required field env backend url uri prefix "
    "version size dim limit manager arn sock helper"
)
"""Last words of names that describe a secret without holding one."""
_OF_TEXT = _words(
    "pad mask bos eos cls unk sep image img video audio action state task special additional start end stop num n max "
    "min per prompt class latent readout register padding first last new next text vision by unexpected"
)
"""Words before `token` that make it a tokenizer's token."""
_KEYS = _words(
    "api access secret private auth account signing encryption license service storage wandb hf openai anthropic ssh "
    "master client shared session subscription deploy admin app"
)
"""Words before `key` that make it a secret; `image_key` is not one."""
_HARMLESS = re.compile(
    r"|true|false|none|null|yes|no|auto|\*+|\$\{?\w+\}?|<[^<>]*>|\[\w+\]|[-+]?[\d._]+(?:e[-+]?\d+)?", re.IGNORECASE
)


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a variable, flag or key with this name holds a secret: `HF_TOKEN`, `hub.token`, `--db-password`."""
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
    """Whether `value`, stored under `name`, is a secret. Switches, numbers and placeholders are not."""
    if not isinstance(value, str) or _HARMLESS.fullmatch(value):
        return False
    # A shell's PWD is a folder.
    return is_secret_name(name) or (name.lower().endswith("pwd") and name != "OLDPWD" and not value.startswith("/"))
