"""One line of the preflight: an item's state, what that means, and what to do."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["ok", "warning", "error"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`subject` is the checked item. An error means that the runs would fail, or would differ from the request."""

    subject: str
    level: Level
    text: str
    advice: str = ""


def ok(subject: str, text: str) -> Finding:
    return Finding(subject=subject, level="ok", text=text)


def warning(subject: str, text: str, advice: str = "") -> Finding:
    return Finding(subject=subject, level="warning", text=text, advice=advice)


def error(subject: str, text: str, advice: str = "") -> Finding:
    return Finding(subject=subject, level="error", text=text, advice=advice)
