"""The letter and the colour of a run: the same in every list and chart, so that an eye need not learn them anew. The letter
always is; the colour is as long as no other run beside it has the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

COLOURS = 6
"""Colours of runs that a theme has, `chart-1` …"""


class Badge(NamedTuple):
    """A colour is shared by several runs of a large loop, so it never stands without the letter; of runs that are shown
    together, `apart` gives each its own as long as there are colours."""

    letter: str
    """One or more letters, like the columns of a spreadsheet."""
    colour: int
    """1 … COLOURS."""

    @property
    def look(self) -> str:
        return f"chart-{self.colour}"


def badge_of(place: int, *, guest: bool = False) -> Badge:
    """That of the run in this place of its loop, from 0. `guest`: of a run of another loop, which has a capital letter."""
    letters, left = "", place + 1
    while left:
        left, digit = divmod(left - 1, 26)
        letters = chr(ord("A" if guest else "a") + digit) + letters
    return Badge(letters, COLOURS - place % COLOURS if guest else place % COLOURS + 1)


def apart(badges: Mapping[str, Badge]) -> dict[str, Badge]:
    """Of runs that are shown together, by run: one whose colour an earlier one has takes the first that is free."""
    owners = {badge.colour: run for run, badge in reversed(list(badges.items()))}
    free = [colour for colour in range(1, COLOURS + 1) if colour not in owners]
    found = {}
    for run, badge in badges.items():
        shared = owners[badge.colour] != run
        found[run] = badge._replace(colour=free.pop(0)) if shared and free else badge
    return found
