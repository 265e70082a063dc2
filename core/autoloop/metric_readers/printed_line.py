"""Parses one printed line of any trainer: named numbers, the step or epoch, and the progress bar.

This module is stateless and does no I/O. Parsing takes time linear in the length of the line: around a number, only as much
text is examined as a name or a unit can be long.

Most lines of a log are not metrics, so a number counts only if its context identifies it as one: paths, host names with
ports, versions, dates and times, command lines, calls and sentences are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice

from autoloop.metric_readers.columns import numbers
from autoloop.metric_readers.json_value import decoded
from autoloop.metric_readers.printed_words import (
    AT_WORK,
    FILE,
    HEADER,
    LEVELS,
    MEASURES,
    NOT_BEFORE_STEP,
    PROSE,
    SETTING_ENDS,
    SETTINGS,
    TRAINING,
)

MAX_LINE = 4096
"""Maximum characters of a line that are parsed."""

MAX_PAIRS = 200
"""Maximum numbers of a line that are parsed."""

_REACH = 120
"""Maximum characters before a number in which to find its name."""

_DIGITS = r"(?:\d{1,20}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][-+]?\d{1,3})?"
_NUMBER = rf"[-+]?(?:{_DIGITS}|(?i:nan|inf(?:inity)?)(?![A-Za-z]))"
_PER = r"(?:s|sec|second|it|iter|step|batch|epoch|min|h|token|sample)(?![A-Za-z])"
_UNIT = rf"(?:\s?%|\s?[A-Za-zµ°]{{1,12}}/{_PER}|\s?(?:ms|us|µs|ns|secs?|s|min|h|[KMGT]i?B|W|°C)|[KMBGT])"
_END = r"(?![\w.:/+-]|,\d)|(?=[.:](?:\s|$))|(?=,\s)"
_VALUE = re.compile(
    rf"""(?P<sep>\s{{0,3}}=|\s{{0,3}}:)(?P<gap>\s{{0,40}})(?:tensor\(|(?:np|numpy)\.float\d\d\()?(?P<quote>['"]?)"""
    rf"""(?P<value>{_NUMBER})(?P<unit>{_UNIT}?)(?:{_END})['")]{{0,3}}"""
)
_WORD = r"[A-Za-z_][\w./@%+^-]{0,63}"
_NAME = re.compile(rf"(?:^|(?<=[\s,;|│┃(\[{{\])}}>•:]))(?:{_WORD} ){{0,4}}{_WORD}$")
_QUOTED = re.compile(r"""[{,(\s](?:'([^'"{}]{1,64})'|"([^'"{}]{1,64})")$""")
_SPACED = re.compile(
    rf"\s*((?:{_WORD} ){{0,3}}{_WORD})\s{{1,12}}({_NUMBER}){_UNIT}?(?:{_END})\s{{0,4}}(?:\([^()]{{0,30}}\))?"
)
_BEHIND = re.compile(rf"\s*(?:$|[,;|│┃(){{}}\]•]|[-+–]\s|->|[-+]?[\d.]|{_WORD}(?:\s{{1,8}}[-+]?\d|\s?[:=]))")
_SPLIT = re.compile(r"[,;|│┃\t]|\s-\s|:\s|\s{3,}|[)\]]")
_ROW = re.compile(rf"[|│┃]\s*(?P<name>{_WORD}(?: {_WORD}){{0,4}}/?)\s*[|│┃]\s*(?P<value>{_NUMBER}?)\s*[|│┃]\s*$")
_RULE = re.compile(r"[\s|+\-=_*#~─━═┄┏┓┗┛┡┩└┘├┤┬┴┼┳┻╇]{3,}$")

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]{0,24}[A-Za-z]|[@-_])|[\x00-\x08\x0b-\x1f\x7f]")

_STEP = re.compile(
    r"""(?:^|(?<=[\s,;|│┃(\[{>•:'"/]))"""
    r"""(?P<key>global[_ ]step|step|iteration|iter|it|update|num_updates|epoch|total_timesteps)"""
    r"""(?:\([a-z]{1,10}\))?['"]?\s{0,20}[:=#]?\s{0,20}(?P<quoted>['"]?)[\[(]?\s{0,12}(?P<at>\d{1,15})"""
    r"""(?:\s{0,2}/\s{0,12}(?P<of>\d{1,15}))?(?=[\s,;:|│┃)\]}'"]|$)""",
    re.IGNORECASE,
)
_COUNT = re.compile(r"(\d{1,15})\s{0,2}/\s{0,12}(\d{1,15})(?=[\s\](,|])")
_TQDM = re.compile(r"(?P<at>\d{1,15})/(?P<of>\d{1,15}) \[(?P<inside>\d{1,4}:\d\d[^\[\]]{0,600})(?:\]|$)")
_DRAWN = re.compile(r"\d{1,3}%\|[^|]{0,400}\|\s{0,12}$")
_RATE = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,9})?)(?:(?P<per_second>[A-Za-z]{1,12}/s)|(?P<period>s/[A-Za-z]{1,12}))")
_KERAS = re.compile(r"^\s{0,12}(?P<at>\d{1,15})/(?P<of>\d{1,15}) (?:[━╸╺ ]*━[━╸╺ ]*|\[[=>.]{3,80}\]|- \d{1,9}m?s )")
_RICH = re.compile(r"\s[━╸╺]{3,200}\s{0,200}[━╸╺]{0,200}\s{0,8}(?P<at>\d{1,15})/(?P<of>\d{1,15})\s{1,8}(?:\d{1,4}:|-:--)")

_CALL = re.compile(r"[A-Za-z_]\w{0,60}\(\w{1,60}=")
_SCALES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


@dataclass(frozen=True)
class Bar:
    """A progress bar: `at` of `of`. `label` is its text in lower case, `rate` the steps per second."""

    at: int
    of: int
    label: str
    rate: float | None
    within_epoch: bool
    """Its kind starts again with every epoch."""
    from_zero: bool = False
    """Its epochs are counted from 0."""
    redrawn: bool = False
    """It is a tqdm bar, which is redrawn several times a second below other output."""

    @property
    def of_training(self) -> bool | None:
        """Whether its label identifies it as the training's; None if it has no label."""
        words = re.findall(r"[a-z]+", self.label)
        return words[0] in TRAINING if words else None


@dataclass
class Line:
    """The contents of a line. `steps` and `epochs` are the stated totals, None if there are none."""

    pairs: list[tuple[str, float]] = field(default_factory=list)
    step: int | None = None
    steps: int | None = None
    epoch: int | None = None
    epochs: int | None = None
    bar: Bar | None = None
    within_epoch: bool = False
    """`step` counts within the epoch."""
    row: bool = False
    """A row or the frame of a two-column table; `section` is the name if it is the header of a group."""
    section: str | None = None
    record: bool = False
    """It is a single logged dict, not text."""
    heading: bool = False
    """It states only a step or an epoch, which applies to the following lines."""


def parse(text: str) -> list[Line]:
    """Parse a line. Returns two entries if a log line directly follows a progress bar."""
    text = _ESCAPE.sub("", text[:MAX_LINE]).rstrip()
    if (bar := _TQDM.search(text)) is None:
        return [_parsed(text)]
    label, epoch = _label(_DRAWN.sub("", text[max(0, bar.start() - 500) : bar.start()]))
    inside = bar["inside"]
    drawn = Line(epoch=epoch, bar=Bar(int(bar["at"]), int(bar["of"]), label, _rate(inside), epoch is not None, redrawn=True))
    drawn.pairs = _pairs(inside.partition(",")[2])
    glued = text[bar.end() :]
    return [drawn, _parsed(glued)] if glued.strip() else [drawn]


def named_numbers(text: str) -> list[tuple[str, float]]:
    """Return the named numbers in a text that is known to contain metrics."""
    pairs = _pairs(text[:MAX_LINE])
    known = {name for name, _ in pairs}
    return pairs + [pair for pair in _spaced(text[:MAX_LINE]) if pair[0] not in known]


def _parsed(text: str) -> Line:
    if (row := _ROW.match(text)) is not None:
        line = Line(row=True)
        if row["name"].endswith("/") or not row["value"]:
            line.section = row["name"].rstrip("/") if row["name"].endswith("/") else None
        else:
            line.pairs = [(row["name"], float(row["value"]))]
        return line
    if _RULE.match(text):
        return Line(row=text[:1] in "|│┃┏├└┡┗┠")
    bar = _KERAS.match(text) or _RICH.search(text)
    if bar is not None:
        from_zero = bar.re is _RICH  # as Lightning counts them
        label, epoch = _label(text[: bar.start()])
        line = Line(epoch=epoch, bar=Bar(int(bar["at"]), int(bar["of"]), label, None, True, from_zero))
        line.pairs = _pairs(text[bar.end() :])
        return line
    line, behind, said = _place(text)
    line.pairs = [] if _CALL.search(text) else _pairs(text)
    line.record = len(line.pairs) > 1 and text.endswith("}") and text.lstrip().startswith("{")
    if said:
        line.pairs = [(name, value) for name, value in line.pairs if name.rpartition("/")[2].lower() not in said]
        if not line.pairs or len(line.pairs) < 2:
            known = {name for name, _ in line.pairs}
            line.pairs += [pair for pair in _spaced(text[behind:]) if pair[0] not in known]
        words = re.findall(r"[A-Za-z]{2,}", _STEP.sub(" ", text)) if not line.pairs else []
        line.heading = not line.pairs and all(word.lower() in HEADER for word in words)
    return line


# ------------------------------------------------------------------------------------------------------- step and epoch


def _place(text: str) -> tuple[Line, int, set[str]]:
    """Return the step and epoch of a line, the offset after them, and the keys that state them."""
    line, behind, said = Line(), 0, set()
    best = len(_ORDER)
    for found in _STEP.finditer(text):
        key = found["key"].lower().replace(" ", "_")
        before = re.findall(r"[a-z]+", text[max(0, found.start() - 20) : found.start()].lower())
        if before and before[-1] in NOT_BEFORE_STEP and text[found.start() - 1] in " _":
            continue
        at, of = int(found["at"]), int(found["of"]) if found["of"] else None
        if key == "epoch":
            if found["quoted"]:
                continue  # Hugging Face prints fractional epochs this way
            if line.epoch is None:
                line.epoch, line.epochs = at, of
                behind = max(behind, found.end())
        elif (rank := _ORDER.index(key)) < best:
            best, line.step, line.steps = rank, at, of
            said.add(key)
            behind = max(behind, found.end())
    if line.step is None and (count := _COUNT.search(text, behind, behind + 60)) is not None:
        between = text[behind : count.start()]
        framed = between.rstrip().endswith("[") and text[count.end() :].lstrip()[:1] in ("]", "(")
        if not re.search(r"[A-Za-z0-9]", between) and (framed or line.epoch is not None):  # brackets may also contain a date
            line.step, line.steps = int(count[1]), int(count[2])
            line.within_epoch = line.epoch is not None
            behind = count.end()
            said.add("step")
    if line.step is None and line.epoch is not None:
        said.add("epoch")
    return line, behind, said


_ORDER = ("global_step", "step", "iteration", "iter", "it", "num_updates", "update", "total_timesteps")


def _label(text: str) -> tuple[str, int | None]:
    """Return the text before a bar in lower case, and the epoch number in it."""
    text = text[-80:].rsplit("]", 1)[-1].strip(" :|\t").lower()
    epoch = re.search(r"epoch\s{0,4}[:\[]?\s{0,4}(\d{1,9})", text)
    return text, int(epoch[1]) if epoch else None


def _rate(inside: str) -> float | None:
    found = _RATE.search(inside)
    number = float(found["number"]) if found else 0.0
    return None if not found or not number else number if found["per_second"] else 1 / number


# ---------------------------------------------------------------------------------------------------------------- pairs


def _pairs(text: str) -> list[tuple[str, float]]:
    """Return the pairs `name: value` and `name=value`, including quoted names in dicts."""
    opened = text.find("{")
    if opened >= 0 and text.endswith("}") and isinstance(row := decoded(text[opened:].encode()), dict):
        return _pairs(text[:opened]) + list(numbers("", row))
    found = list(islice(_VALUE.finditer(text), MAX_PAIRS))
    tight = sum(each["sep"] == ":" and not each["gap"] for each in found)
    braces = "{" in text and "}" in text
    pairs, behind = [], 0
    for each in found:
        start = max(behind, each.start() - _REACH)
        head = text[start : each.start()]
        name = _quoted(head) if head.endswith(("'", '"')) and braces else _plain(head, cut=start > behind)
        behind = each.end()
        if name and _is_metric(name, each, tight) and (each["sep"] == "=" or not _sentence_goes_on(text, each)):
            pairs.append((name, _number(each["value"], each["unit"])))
    return pairs


def _sentence_goes_on(text: str, found: re.Match[str]) -> bool:
    """Whether words that do not begin another pair follow the number, as in `files: 12 were found`."""
    if found["quote"] or not found["gap"] or _BEHIND.match(text, found.end()):
        return False
    rest = text[found.end() : found.end() + _REACH]
    follows = _VALUE.search(rest)
    return follows is None or _plain(rest[: follows.start()], cut=True) != rest[: follows.start()].strip()


def _quoted(head: str) -> str | None:
    found = _QUOTED.search(" " + head)
    return (found[1] or found[2]) if found else None


def _plain(head: str, *, cut: bool) -> str | None:
    """Return the name at the end of `head`: up to five words, unless they end a sentence."""
    head = head.rstrip()
    found = _NAME.search(head)
    if found is None or (cut and found.start() == 0 and len(head) >= _REACH):
        return None
    before = head[: found.start()]
    if re.search(r"(?:^|\s)[A-Za-z](?:\S{0,60}[A-Za-z])? $", before):
        return None
    words = found[0].split(" ")
    while words and words[0].lower() in LEVELS:
        del words[0]
    return " ".join(words) or None


def _is_metric(name: str, found: re.Match[str], tight: int) -> bool:
    words = [word.lower() for word in name.split(" ")]
    last = words[-1].rpartition("/")[2]
    if last in SETTINGS or words[0] in SETTINGS | AT_WORK or last.rpartition("_")[2] in SETTING_ENDS:
        return False
    if (len(words) > 1 and not PROSE.isdisjoint(words)) or FILE.search(name) or name.endswith((".", "-", "/")):
        return False
    whole = found["value"].lstrip("+-").isdigit()
    if whole and last in ("error", "exception", "failed"):
        return False
    # excludes host:80 and cuda:0
    return not (found["sep"] == ":" and not found["gap"] and not found["quote"] and whole and tight < 3)


def _spaced(text: str) -> list[tuple[str, float]]:
    """Return pairs such as `loss 0.1` after a step, from parts of a line that contain nothing else."""
    pairs = []
    for part in _SPLIT.split(text):
        found, at = [], 0
        while (each := _SPACED.match(part, at)) is not None:
            found.append((each[1], _number(each[2], "")))
            at = each.end()
        if (
            found
            and not part[at:].strip(" .(")
            and all(MEASURES.search(name) and name.split()[0].lower() not in AT_WORK for name, _ in found)
        ):
            pairs += found
    return pairs


def _number(text: str, unit: str) -> float:
    return float(text) * _SCALES.get(unit, 1.0)
