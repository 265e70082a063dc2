"""Find the last loss that a trainer printed, in any format: `loss:0.3`, `{'loss': nan}`, `Loss nan`, bars and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TABLE_ROWS = 5000
"""Number of lines at the end that are searched for a table's header: YOLO prints it once per epoch, others once."""

_NUMBER = r"[-+]?(?:\d[\d,]*+(?:\.\d*+)?(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|nan|inf(?:inity)?)"
_PART = (
    "step|epoch|total|avg|mean|sum|train|cls|bbox|box|obj|mask|ce|bce|mse|mae|l1|l2|kl|nll|ctc|att|dice|rec|recon|reg|adv|"
    "gan|gen|disc|g|d|policy|value|actor|critic|lm|aux"
)
"""Suffixes after `loss_` in the name of a loss; `loss_scale` and `loss_weight` are not losses."""
_LOSS = re.compile(
    rf"(?<![A-Za-z0-9])(?P<name>[\w./-]{{0,60}}?(?:loss(?:es)?|损失)(?:[_/ ](?:{_PART})(?![A-Za-z]))?)"
    r"(?: \((?:train|training|avg|mean|total)\)| at (?:step|iter|iteration|epoch) \d+)?"
    r"[\"'\])]{0,3}[ \t]*(?:[:=|：→]|->|\bis\b|(?<=[ \t]))[ \t]*[\"'(\[]{0,2}"
    r"(?:(?:[\w.]{0,20}array|tensor|[\w.]{0,20}float\d+)\([\[ ]*)?"
    rf"(?P<value>{_NUMBER})(?:(?<=n|f|y)\.0)?(?![\w.-])",
    re.IGNORECASE,
)
_MAIN = re.compile(
    r"(?:(?:train|training|total|avg|mean|batch|running)[ _/.-]?){0,3}loss(?:[_/ ](?:step|total|avg|mean|sum|train|epoch))?",
    re.IGNORECASE,
)
_RECORD = re.compile(
    r"\b(best|min|minimum|lowest|max|initial|first|start(ing)?|prev(ious)?|target|old)[ _]?([a-z]{0,12})$", re.IGNORECASE
)
"""Prefixes of a name that mark an earlier loss, not the newest."""
_NOT_FINITE = re.compile(r"[-+]?(nan|inf(inity)?)", re.I)


@dataclass(frozen=True)
class Loss:
    """The newest value of a loss, as printed, and its line."""

    value: str
    line: str

    @property
    def finite(self) -> bool:
        return not _NOT_FINITE.fullmatch(self.value)


def last_loss(lines: Sequence[str]) -> Loss | None:
    """The newest value of the training loss, or of any loss if no training loss is printed; None if there is none."""
    other: Loss | None = None
    for line in reversed(lines):
        found = list(_named_losses(line))
        main = [loss for name, loss in found if _MAIN.fullmatch(name)]
        if main:
            return main[0]
        if found and other is None:
            other = next((loss for _, loss in found if not loss.finite), found[0][1])
    return other or _in_table(lines[-TABLE_ROWS:])


def _named_losses(line: str) -> Iterator[tuple[str, Loss]]:
    if "loss" not in line.lower() and "损失" not in line:
        return
    for found in _LOSS.finditer(line):
        before = line[max(0, found.start() - 30) : found.start("name")]
        if not _RECORD.search(f"{before}{found['name']}"[: -len("loss")].rstrip(" _/.-")):
            yield found["name"], Loss(found["value"], line)


def _in_table(lines: Sequence[str]) -> Loss | None:
    """The loss in the last row of a table that has a loss column."""
    for index in reversed(range(len(lines))):
        if "loss" not in lines[index].lower():
            continue
        between = next((each for each in _BETWEEN if len(_cells(lines[index], each)) > 1), None)
        titles = _cells(lines[index], between) if between else []
        columns = [place for place, title in enumerate(titles) if title.lower().endswith("loss")]
        if between is None or not columns or any(_ANY_NUMBER.fullmatch(title) for title in titles):
            continue
        best = min(columns, key=lambda place: (not _MAIN.fullmatch(titles[place]), place))
        for line in reversed(lines[index + 1 :]):
            cells = _cells(line, between)
            if len(cells) >= len(titles) and _ANY_NUMBER.fullmatch(cells[best]):
                return Loss(cells[best], line)
    return None


_BETWEEN = [re.compile(by) for by in (r"\s*[|│]\s*", r"\t+|\s{2,}", r"\s+")]
"""Possible separators between the cells of a table; the title row shows which one it uses."""
_ANY_NUMBER = re.compile(_NUMBER, re.IGNORECASE)


def _cells(line: str, between: re.Pattern[str]) -> list[str]:
    return between.split(line.strip().strip("|│").strip())
