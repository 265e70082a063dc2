"""What the user wants to keep, as written in `[keep]`: `best 3 by eval_l1, last of all`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from autoloop.model import UserError

_BEST = re.compile(r"best (\d{1,6})(?: by (\S+))?")
FORMS = "best N, best N by METRIC, last of all, last of running"


@dataclass(frozen=True)
class KeepPolicy:
    """`best`: the number of best configs, by `metric` (None: the main metric), for which one run each keeps all checkpoints.
    `last`: every run keeps its last checkpoint."""

    best: int = 0
    metric: str | None = None
    last: bool = False


def parse_wish(text: str, where: str) -> KeepPolicy:
    """Parse clauses separated by commas. UserError, starting with `where`, for any other text."""
    best, metric, last = 0, None, False
    for clause in (" ".join(part.split()) for part in text.split(",")):
        if match := _BEST.fullmatch(clause):
            if best:
                raise UserError(f"{where}: two clauses define the best runs; keep one.")
            best, metric = int(match[1]), match[2]
            if not best:
                raise UserError(f"{where}: best 0 keeps none; give 1 or more, or omit the clause.")
        elif clause == "last of all":
            last = True
        elif clause != "last of running":  # no effect, because running runs are never touched
            raise UserError(f'{where}: "{clause}" is not a valid clause; the forms are: {FORMS}.')
    return KeepPolicy(best, metric, last)
