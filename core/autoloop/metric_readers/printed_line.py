"""One printed line of any trainer -> the numbers that it names, the step or epoch that it states, its progress bar.

Nothing here keeps a state or does I/O. Everything takes time proportional to the line: what stands before and behind a
number is looked at only so far as a name or a unit is long.

A log is mostly not metrics, so a number counts only where its surroundings say that it is one: paths, host names with
ports, versions, dates and times, command lines, calls and sentences are passed over.
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
"""Characters of a line that are looked at."""

MAX_PAIRS = 200
"""Numbers of a line that are looked at."""

_REACH = 120
"""Characters before a number in which its name stands."""

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
    """A progress bar: `at` of `of`. `label`: what it says it is of, in small letters; `rate`: steps per second."""

    at: int
    of: int
    label: str
    rate: float | None
    within_epoch: bool
    """It is of a kind that is drawn anew for every epoch."""
    from_zero: bool = False
    """Its epochs are counted from 0."""
    redrawn: bool = False
    """It is one of tqdm's, which is drawn some times a second and below whatever is printed by it."""

    @property
    def of_training(self) -> bool | None:
        """Whether its label says so; None where it has none."""
        words = re.findall(r"[a-z]+", self.label)
        return words[0] in TRAINING if words else None


@dataclass
class Line:
    """What a line says. A count `at` of `of` has no `of` where that is not said."""

    pairs: list[tuple[str, float]] = field(default_factory=list)
    step: int | None = None
    steps: int | None = None
    epoch: int | None = None
    epochs: int | None = None
    bar: Bar | None = None
    within_epoch: bool = False
    """`step` counts within the epoch."""
    row: bool = False
    """A row, or the frame, of a table of two columns; `section` is its name where it is one of a group's."""
    section: str | None = None
    record: bool = False
    """It is one dict, as a log writes it, and not a text."""
    heading: bool = False
    """It states a step or an epoch and nothing else: what it says holds for the lines that follow."""


def parse(text: str) -> list[Line]:
    """What a line says; two entries where a log line is glued to the end of a bar."""
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
    """The numbers and their names in a text that is known to hold metrics."""
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
    """The step and epoch of a line, where what it says of them ends, and the keys under which it says so."""
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
                continue  # so Hugging Face prints parts of epochs
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
        if not re.search(r"[A-Za-z0-9]", between) and (framed or line.epoch is not None):  # a date may be in brackets too
            line.step, line.steps = int(count[1]), int(count[2])
            line.within_epoch = line.epoch is not None
            behind = count.end()
            said.add("step")
    if line.step is None and line.epoch is not None:
        said.add("epoch")
    return line, behind, said


_ORDER = ("global_step", "step", "iteration", "iter", "it", "num_updates", "update", "total_timesteps")


def _label(text: str) -> tuple[str, int | None]:
    """What stands before a bar, and the number of the epoch in it."""
    text = text[-80:].rsplit("]", 1)[-1].strip(" :|\t").lower()
    epoch = re.search(r"epoch\s{0,4}[:\[]?\s{0,4}(\d{1,9})", text)
    return text, int(epoch[1]) if epoch else None


def _rate(inside: str) -> float | None:
    found = _RATE.search(inside)
    number = float(found["number"]) if found else 0.0
    return None if not found or not number else number if found["per_second"] else 1 / number


# ---------------------------------------------------------------------------------------------------------------- pairs


def _pairs(text: str) -> list[tuple[str, float]]:
    """`name: value` and `name=value`, in dicts with quotes too."""
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
    """Whether `12` of `files: 12 were found` is followed by words that begin no other pair."""
    if found["quote"] or not found["gap"] or _BEHIND.match(text, found.end()):
        return False
    rest = text[found.end() : found.end() + _REACH]
    follows = _VALUE.search(rest)
    return follows is None or _plain(rest[: follows.start()], cut=True) != rest[: follows.start()].strip()


def _quoted(head: str) -> str | None:
    found = _QUOTED.search(" " + head)
    return (found[1] or found[2]) if found else None


def _plain(head: str, *, cut: bool) -> str | None:
    """The name at the end of `head`: up to five words, unless they are the end of a sentence."""
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
    # host:80 and cuda:0 look like this too
    return not (found["sep"] == ":" and not found["gap"] and not found["quote"] and whole and tight < 3)


def _spaced(text: str) -> list[tuple[str, float]]:
    """`loss 0.1`, behind a step, in parts of a line that hold nothing else."""
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
