"""The results of edits of the base config."""

from __future__ import annotations

from typing import Any

import pytest
from autoloop.configs import (
    parse_edits,
    resolve,
)
from autoloop.model import Change, UserError

from tests.configs.base import BASE


def resolved(*texts: str, base: dict[str, Any] = BASE) -> list[Change]:
    return resolve(base, parse_edits(texts))


def after(text: str, base: dict[str, Any] = BASE) -> Any:
    (change,) = resolved(text, base=base)
    return change.after


def refused(*texts: str, base: dict[str, Any] = BASE) -> str:
    with pytest.raises(UserError) as caught:
        resolved(*texts, base=base)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message
