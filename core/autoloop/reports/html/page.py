"""The whole page: the loop's outcome, its rounds, then the details of each run."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from importlib import resources

from autoloop.metrics import MetricBook, config_label
from autoloop.model import Run, Series
from autoloop.reports.cells import day, note_text
from autoloop.reports.html import gpu_use, rounds, runs
from autoloop.reports.html.contents import Contents, gather
from autoloop.reports.html.curves import Dot, by_round
from autoloop.reports.html.elements import Cell, Markup, Row, bullets, code, element, table
from autoloop.reports.result import result_lines
from autoloop.store import Store
from autoloop.text.changes import after_text, before_text
from autoloop.text.number_column import NumberColumn
from autoloop.text.plural import plural
from autoloop.text.values import NOTHING, duration, number
from autoloop.verdicts.wording import record_text

SIGN = '<meta name="generator" content="autoloop-tui report">'
"""The marker in the first lines of every page."""


def render_page(store: Store, number: int, metrics: MetricBook, read: Callable[[Run], Mapping[str, Series]]) -> str:
    """Return the HTML page of one loop. `read` returns a run's history by canonical name, empty if it no longer exists."""
    contents = gather(store, number, metrics, read)
    loop = contents.loop
    sections: list[tuple[str, str, Markup]] = [
        ("outcome", "Outcome", _outcome(store, contents)),
        ("notes", "Notes", _notes(contents)),
        ("changed", "Changes from the baseline", _changed(contents)),
        ("rounds", "Rounds", _rounds(contents)),
        *((f"round-{each.number}", f"Round {each.number}", rounds.section(contents, each)) for each in contents.rounds),
        ("lineage", "Lineage", runs.lineage(contents)),
        ("failures", "Runs that did not finish", runs.failures(contents)),
        ("proposals", "Proposals", runs.proposals(contents)),
        ("changes", "Changes by run", runs.changes(contents)),
        ("rules", "Rules", _rules(contents)),
        ("gpus", "GPU use", gpu_use.section(contents)),
        ("places", "Configs and outputs", runs.places(contents)),
    ]
    shown = [(name, title, inner) for name, title, inner in sections if inner]
    entries = [element("a", title, href=f"#{name}") for name, title, _ in shown]
    title = loop.name + (f" · {loop.spec.name}" if loop.spec.name else "")
    body = [
        element("header", element("h1", title), _facts(contents)),
        element("nav", entries, aria_label="Contents"),
        element("main", [element("section", element("h2", title), inner, id=name) for name, title, inner in shown]),
        element("footer", f"Written by autoloop-tui on {day(time.time())}. This page loads nothing from the network."),
    ]
    return _document(title, body)


def _document(title: str, body: list[Markup]) -> str:
    """The page around its body. Its content security policy allows only the embedded style and script, by their hashes, and
    loads nothing."""
    style, script = (_resource(name) for name in ("page.css", "page.js"))
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    head = [
        element("meta", charset="utf-8"),
        Markup(f"\n{SIGN}\n"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        Markup(f"<style>{style}</style>"),
    ]
    rest = element("body", body, Markup(f"<script>{script}</script>"))
    return f"<!doctype html>\n{element('html', element('head', head), rest, lang='en')}\n"


def _resource(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _facts(contents: Contents) -> Markup:
    loop = contents.loop
    states = ", ".join(f"{count} {state.value}" for state, count in contents.states.items())
    facts: list[tuple[str, str | Markup]] = [
        ("State", element("span", loop.state.value, class_=f"state {loop.state.value}")),
        ("Runs", f"{len(contents.runs)}: {states}" if states else "0"),
        ("Rounds", str(len(contents.rounds))),
        ("Started", day(loop.created_at)),
    ]
    if loop.ended_at:
        facts.append(("Ended", f"{day(loop.ended_at)}, after {duration(loop.ended_at - loop.created_at)}"))
    if loop.reason:
        facts.append(("Reason", loop.reason))
    facts.append(("Output", code(loop.output_dir)))
    return element("dl", [element("div", element("dt", name), element("dd", value)) for name, value in facts])


def _outcome(store: Store, contents: Contents) -> Markup:
    lines = result_lines(store, contents.loop, contents.metrics)
    chart = _standings(contents)
    return element("div", bullets(lines), chart) if lines or chart else Markup()


def _notes(contents: Contents) -> Markup:
    names = {run.id: run.name for run in contents.runs}
    return bullets([note_text(note, names) for note in contents.notes]) or Markup()


def _standings(contents: Contents) -> Markup | None:
    """A chart of the new configs of each round by the outcome's metric, with a line through the best of each round."""
    found = contents.loop.outcome
    if found is None or len(found.rounds) < 2:
        return None
    dots = [
        Dot(run.round, each.value, f"{config_label(run, each.runs)}: {number(each.value)}", contents.colour(run))
        for each in contents.judge.standings(found.metric).values()
        if (run := contents.by_id.get(each.run))
    ]
    firsts = [(each.round, each.first.value) for each in found.rounds]
    title = f"{contents.metrics.short(found.metric)} of each round's new configs; line: best per round"
    return element("div", by_round(title, dots, firsts), class_="charts") if dots else None


def _changed(contents: Contents) -> Markup:
    found = contents.loop.outcome
    if found is None or not found.changes:
        return Markup()
    rows = [[code(each.path), before_text(each), after_text(each)] for each in found.changes]
    first = contents.by_id.get(found.first.run)
    named = element("p", f"{config_label(first, found.first.runs)} differs from the baseline in:") if first else None
    return element("div", named, table("Changes from the baseline", ["key", "baseline", "new value"], rows))


def _rounds(contents: Contents) -> Markup:
    """One row per round: its runs, their training time, and the best of its new configs."""
    outcome = contents.loop.outcome
    firsts = {each.round: each.first for each in outcome.rounds} if outcome else {}
    column = NumberColumn.of(first.value for first in firsts.values())
    rows: list[Row] = []
    for each in contents.rounds:
        members = contents.runs_of(each)
        ended = sum(run.ended_at is not None for run in members)
        finished = sum(run.state.value == "finished" for run in members)
        seconds = sum(rounds.seconds(run) or 0.0 for run in members)
        first = firsts.get(each.number)
        run = contents.by_id.get(first.run) if first else None
        rows.append(
            [
                Cell(element("a", f"Round {each.number}", href=f"#round-{each.number}"), each.number),
                each.state.value,
                Cell(str(len(members)), len(members)),
                Cell(str(finished), finished),
                Cell(str(ended - finished), ended - finished),
                Cell(duration(seconds), seconds),
                contents.named(run, first.runs) if run and first else NOTHING,
                Cell(column.text(first.value).strip(), first.value) if first else NOTHING,
            ]
        )
    metric = contents.metrics.short(outcome.metric) if outcome else "value"
    head = ["round", "state", "runs", "finished", "did not finish", "training time", "best new config", metric]
    return table("Rounds", head, rows) if rows else Markup()


def _rules(contents: Contents) -> Markup:
    """The outcomes of each rule's proposals."""
    head = ["rule", "proposed", "ran", "better", "worse", "no difference", "too few runs", "record in all loops"]
    rows: list[Row] = []
    for each in contents.rules:
        counts = (each.proposed, each.ran, each.better, each.worse, each.no_difference, each.undecided)
        project = record_text(contents.records.get(each.rule))
        rows.append([code(each.rule), *(Cell(str(count), count) for count in counts), project])
    if not rows:
        return Markup()
    total = element("p", f"{plural(len(rows), 'rule')} made proposals.")
    return element("div", total, table("Rules", head, rows))
