"""Preflight findings as text, as JSON, and as notes on stderr."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec
from autoloop.preflight import Finding
from autoloop.secrets import mask
from autoloop.text.plural import plural
from autoloop.wandb_cloud.key import known_secrets

from autoloop_tui.cli.documents.plans import FindingsDocument
from autoloop_tui.cli.output import printing


def as_text(found: Sequence[Finding], across: int | None = None) -> str:
    """Return the findings, each followed by its advice, and a final sentence; wrapped to `across` cells, if given."""
    subjects = max(printing.width(printing.printable(each.subject)) for each in found)
    indent = " " * (subjects + 11)
    lines = []
    for each in found:
        head = f"{each.level:7}  {printing.pad(printing.printable(each.subject), subjects)}  "
        lines += printing.wrapped(printing.printable(each.text), across, first=head, others=indent)
        if each.advice:
            advice = printing.printable(each.advice)
            lines += printing.wrapped(advice, across, first=f"{indent}→ ", others=f"{indent}  ")
    return "\n".join([*lines, "", _sum(found)])


def report(found: Iterable[Finding]) -> None:
    """Print errors and warnings to stderr; nothing if there are none."""
    for each in without_secrets(found):
        if each.level != "ok":
            advice = f"; {each.advice}" if each.advice else ""
            word = "error" if each.level == "error" else "note"
            printing.complain(f"{word}: {printing.printable(f'{each.subject}: {each.text}{advice}')}")


def without_secrets(found: Iterable[Finding]) -> list[Finding]:
    """Return the findings with secrets masked: an address may contain a password, and a trainer's message its input."""
    known = known_secrets(os.environ)
    return [msgspec.structs.replace(each, text=mask(each.text, known), advice=mask(each.advice, known)) for each in found]


def _sum(found: Sequence[Finding]) -> str:
    counts = Counter(each.level for each in found)
    if not counts["error"]:
        return "Ready." if not counts["warning"] else "Ready, but read the warnings."
    errors = plural(counts["error"], "error")
    return f"Not ready: {errors}. `autoloop-tui run --exec` would not start."


def as_json(found: Sequence[Finding]) -> str:
    ready = not any(each.level == "error" for each in found)
    document: FindingsDocument = {"ready": ready, "findings": list(found)}
    return printing.answer("findings", document)
