"""`rejudge`: the finished runs of a loop judged again by rules. Nothing is trained and nothing in the loop is changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from autoloop.model import Loop, LoopEndKind, Run, RunState, Summary, UserError
from autoloop.rules import Judgement, RuleSource, RunView
from autoloop.secrets import mask_lines
from autoloop.store import Store
from autoloop.text.plural import plural

from autoloop_tui import client
from autoloop_tui.cli import run_flags
from autoloop_tui.cli.output import printing

NOT_JUDGED = "not judged"


class Rejudged(NamedTuple):
    """One run: the rules that made proposals from it, or None if it was not judged, then and now."""

    run: Run
    before: list[str] | None
    now: list[str] | None
    lacking: list[str]
    notes: list[str]
    asked: bool = True
    """Whether rules were asked about it before: of a last round they are not."""

    @property
    def changed(self) -> bool:
        return self.asked and (self.before is None, sorted(self.before or [])) != (self.now is None, sorted(self.now or []))


def rejudge(*, rules: str | None = None, loop: str | None = None, json: bool = False) -> int:
    """Judge a loop's finished runs again from their metrics, and report what changes. Nothing is trained or proposed.

    `resume --rules FILE` goes on by other rules with a loop that stopped because nothing could be judged.

    Parameters
    ----------
    rules
        A rule book (.toml) or a Python file; the loop's own rules by default.
    loop
        Which loop; the newest by default.
    json
        For programs: of each run the rules that made proposals before and that would now.
    """
    from autoloop.engine.planning.frozen import load_sources
    from autoloop.engine.planning.kept_metrics import metrics_of
    from autoloop.rule_files import load_rules
    from autoloop.settings import load_settings

    with client.opened(loop) as (store, found):
        if rules is None:
            source = load_sources(store.places, found).rules
        else:
            settings = load_settings(Path.cwd())
            path = str(run_flags.absolute(Path.cwd(), rules))
            source = load_rules(path, metrics_of(store.places, found), settings.rules_timeout)
        finished = [run for run in store.runs(found.id) if run.state is RunState.FINISHED]
        if not finished:
            raise UserError(f"No run of {found.name} has finished, so there is nothing to judge.")
        try:
            judged = [_judge(store, found, run, source) for run in finished]
        finally:
            source.close()
        if json:
            print(printing.json_text([_document(each) for each in judged]))
            return 0
        print(_text(found, judged, rules))
    return 0


def _judge(store: Store, loop: Loop, run: Run, source: RuleSource) -> Rejudged:
    from autoloop.engine.base.frozen_config import frozen_config
    from autoloop.engine.planning.kept_metrics import metrics_of
    from autoloop.logs import read_log_tail
    from autoloop.wandb_cloud.key import known_secrets

    def log() -> list[str]:
        attempts = store.attempts(run.id)
        lines = read_log_tail(Path(attempts[-1].directory) / "log.txt") if attempts else []
        return mask_lines(lines, known_secrets(os.environ))

    made = [p for p in store.proposals(loop.id, run.round) if p.base_run == run.id and p.live is None and p.author.by_rules]
    asked = bool(made) or run.unjudged is not None or (loop.spec.decide and run.round < loop.spec.rounds)
    before = [p.author.name or str(p.author) for p in made] if asked and run.unjudged is None else None
    summary = run.summary or Summary()
    try:
        config = frozen_config(run)
    except UserError as error:
        return Rejudged(run, before, None, [], [str(error)], asked)
    view = RunView(summary, config, log, metrics_of(store.places, loop))
    lacking = source.lacking(view)
    if lacking or not summary.metrics:
        return Rejudged(run, before, None, lacking, [], asked)
    judgement: Judgement = source.judge(view)
    now = [each.author.name or str(each.author) for each in judgement.requests]
    return Rejudged(run, before, now, [], judgement.notes, asked)


def _document(each: Rejudged) -> dict[str, Any]:
    return {
        "run": each.run.id,
        "name": each.run.name,
        "round": each.run.round,
        "before": each.before,
        "now": each.now,
        "changed": each.changed,
        "lacking": each.lacking,
        "notes": each.notes,
    }


def _text(loop: Loop, judged: list[Rejudged], rules: str | None) -> str:
    def verdict(names: list[str] | None) -> str:
        return NOT_JUDGED if names is None else ", ".join(names) or "nothing proposed"

    rows = [
        [
            each.run.round,
            each.run.id,
            each.run.name,
            verdict(each.before) if each.asked else "not asked",
            verdict(each.now),
            "changed" if each.changed else "",
        ]
        for each in judged
    ]
    shown = [[cell if isinstance(cell, int) else printing.printable(cell) for cell in row] for row in rows]
    head = ["round", "id", "run", "before", "now", ""]
    lines = [printing.table(head, shown, texts=(2, 3, 4), cells=printing.across())]
    notes = dict.fromkeys(f"{each.run.name}: {note}" for each in judged for note in each.notes)
    lines += [f"note: {printing.printable(note)}" for note in notes]
    lines += [
        printing.printable(f"{each.run.name} lacks {', '.join(each.lacking)}; it has {', '.join(each.run.summary.metrics)}")
        for each in judged
        if each.lacking and each.run.summary
    ]
    lines.append(f"{sum(each.changed for each in judged)} of {plural(len(judged), 'run')} judged differently.")
    if rules is not None and loop.end is not None and loop.end.kind is LoopEndKind.NOT_JUDGED:
        lines.append(f"`autoloop-tui resume --rules {printing.printable(rules)}` goes on by these rules.")
    return "\n".join(lines)
