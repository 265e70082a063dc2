"""What a proposal is expected to do."""

from typing import Literal

import msgspec


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """Which way a variant is expected to move a metric, by its canonical name, from its base's."""

    metric: str
    direction: Literal["lower", "higher"]
