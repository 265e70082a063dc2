"""Replaces secrets in a trainer's command by variables, so that the store and the reports hold only the variables' names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from autoloop.secrets.masking import MASK, mask
from autoloop.secrets.names import is_secret
from autoloop.secrets.values import HELD

_FLAG = re.compile(r"([+~]*(?:--?)?[\w.\-/@]+?)(=)(.*)", re.DOTALL)


def withheld(words: Sequence[str], known: Sequence[str] = ()) -> tuple[list[str], dict[str, str]]:
    """Return a command's words with secrets replaced by `${AUTOLOOP_SECRET_…}`, and these variables with their values."""
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
    """Return the variables that a command's words refer to and `environment` lacks."""
    needed = (name for word in words for name in re.findall(rf"\$\{{({HELD}\w+)\}}", word))
    return [name for name in dict.fromkeys(needed) if name not in environment]


def shown_words(words: Iterable[str], known: Sequence[str] = ()) -> list[str]:
    """Return a command's words masked for display, for records made before secrets were withheld."""
    shown, held = withheld(list(words), known)
    for name in held:
        shown = [word.replace(f"${{{name}}}", MASK) for word in shown]
    return shown
