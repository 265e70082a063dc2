"""The expected effect of a proposal."""

from typing import Literal

import msgspec


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """The expected direction of a metric (canonical name) compared with the base."""

    metric: str
    direction: Literal["lower", "higher"]
