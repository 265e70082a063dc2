"""`rejudge`: judge the finished runs of a loop again; runs that differ only in the seed are judged as one.

Nothing is trained, and nothing in the loop changes.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autoloop.metrics import ConfigSummary, config_name, over_seeds
from autoloop.model import Loop, LoopEndKind, Run, RunState, UserError
from autoloop.rules import Judgement, RuleSource, RunView
from autoloop.secrets import mask_lines
from autoloop.store import Store
from autoloop.text.plural import plural

from autoloop_tui import client
from autoloop_tui.cli import run_flags
from autoloop_tui.cli.documents.judging import RejudgedDocument
from autoloop_tui.cli.output import printing

if TYPE_CHECKING:
    from autoloop.engine.base.among_runs import LoopComparisons

NOT_JUDGED = "not judged"


class RejudgedConfig(NamedTuple):
    """Runs judged as one, and the rules that proposed something from them, then and now; None if they were not judged."""

    runs: tuple[Run, ...]
    before: list[str] | None
    now: list[str] | None
    lacking: list[str]
    notes: list[str]
    asked: bool = True
    """Whether rules were applied before. After the last round, they are not."""

    @property
    def run(self) -> Run:
        """The run that represents all of them."""
        return self.runs[0]

    @property
    def name(self) -> str:
        seeds = len(self.runs)
        return f"{config_name(self.run)} ({seeds} seeds)" if seeds > 1 else self.run.name

    @property
    def changed(self) -> bool:
        return self.asked and (self.before is None, sorted(self.before or [])) != (self.now is None, sorted(self.now or []))


def rejudge(*, rules: str | None = None, loop: str | None = None, json: bool = False) -> int:
    """Judge a loop's finished runs again from their metrics and report what changes. Nothing is trained or proposed. If a
    loop stopped because nothing could be judged, `resume --rules FILE` continues it with other rules.

    Parameters
    ----------
    rules
        A rule book (.toml) or a Python file; the loop's own rules by default.
    loop
        Which loop (name or number); the newest by default.
    json
        Print JSON: for each run, the rules that proposed something before and the rules that would now.
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
        # A run on a fresh seed only confirms a config that rules have already judged.
        finished = [run for run in store.runs(found.id) if run.state is RunState.FINISHED and run.confirms is None]
        if not finished:
            raise UserError(f"No run of {found.name} has finished, so there is nothing to judge.")
        try:
            judged = [
                each
                for _, round_ in itertools.groupby(finished, key=lambda run: run.round)
                for each in _judge_round(store, found, list(round_), source)
            ]
        finally:
            source.close()
        if json:
            print(printing.answer("rejudge", {"runs": [_document(each) for each in judged]}))
            return 0
        print(_text(found, judged, rules))
    return 0


def _judge_round(store: Store, loop: Loop, finished: list[Run], source: RuleSource) -> list[RejudgedConfig]:
    """Judge a round as the engine does: runs without the metrics that the rules need are left out of the mean."""
    from autoloop.engine.base.among_runs import LoopComparisons
    from autoloop.engine.planning.kept_metrics import metrics_of

    among = LoopComparisons(store, loop.id, metrics_of(store.places, loop), until=finished[0].round)
    alone = {run.id: _judge(store, loop, over_seeds([run])[0], source, among, ask=False) for run in finished}
    fit = [run for run in finished if alone[run.id].now is not None]
    judged = {each.run.id: _judge(store, loop, each, source, among) for each in over_seeds(fit)}
    rest = {run.id: alone[run.id] for run in finished if run not in fit}
    by_first = judged | rest
    return [by_first[run.id] for run in finished if run.id in by_first]


def _judge(
    store: Store, loop: Loop, judged: ConfigSummary, source: RuleSource, among: LoopComparisons, *, ask: bool = True
) -> RejudgedConfig:
    """`ask` false: find out only whether the runs can be judged."""
    from autoloop.engine.base.frozen_config import frozen_config
    from autoloop.engine.planning.kept_metrics import metrics_of
    from autoloop.logs import read_log_tail
    from autoloop.wandb_cloud.key import known_secrets

    def log() -> Iterator[str]:
        for run in judged.runs:
            attempts = store.attempts(run.id)
            lines = read_log_tail(Path(attempts[-1].directory) / "log.txt") if attempts else []
            yield from mask_lines(lines, known_secrets(os.environ))

    run, ids = judged.run, {run.id for run in judged.runs}
    unjudged = all(run.unjudged is not None for run in judged.runs)
    proposals = store.proposals(loop.id, run.round)
    made = [p for p in proposals if p.base_run in ids and p.live is None and p.author.by_rules]
    asked = bool(made) or unjudged or (loop.spec.decide and run.round < loop.spec.rounds)
    before = [p.author.name or str(p.author) for p in made] if asked and not unjudged else None
    try:
        config = frozen_config(run)
    except UserError as error:
        return RejudgedConfig(judged.runs, before, None, [], [str(error)], asked)
    view = RunView(judged.summary, config, log, metrics_of(store.places, loop), lambda: among.of(run))
    lacking = source.lacking(view)
    if lacking or not judged.summary.metrics:
        return RejudgedConfig(judged.runs, before, None, lacking, [], asked)
    judgement = source.judge(view) if ask else Judgement([], [])
    now = [each.author.name or str(each.author) for each in judgement.requests]
    return RejudgedConfig(judged.runs, before, now, [], judgement.notes, asked)


def _document(each: RejudgedConfig) -> RejudgedDocument:
    return {
        "run": each.run.id,
        "runs": [run.id for run in each.runs],
        "name": each.run.name,
        "round": each.run.round,
        "before": each.before,
        "now": each.now,
        "changed": each.changed,
        "lacking": each.lacking,
        "notes": each.notes,
    }


def _text(loop: Loop, judged: list[RejudgedConfig], rules: str | None) -> str:
    def verdict(names: list[str] | None) -> str:
        return NOT_JUDGED if names is None else ", ".join(names) or "nothing proposed"

    rows = [
        [
            each.run.round,
            each.run.id,
            each.name,
            verdict(each.before) if each.asked else "not asked",
            verdict(each.now),
            "changed" if each.changed else "",
        ]
        for each in judged
    ]
    shown = [[cell if isinstance(cell, int) else printing.printable(cell) for cell in row] for row in rows]
    head = ["round", "id", "run", "before", "now", ""]
    lines = [printing.table(head, shown, texts=(2, 3, 4), cells=printing.across())]
    notes = dict.fromkeys(f"{each.name}: {note}" for each in judged for note in each.notes)
    lines += [f"note: {printing.printable(note)}" for note in notes]
    lines += [
        printing.printable(f"{each.run.name} lacks {', '.join(each.lacking)}; it has {', '.join(each.run.summary.metrics)}")
        for each in judged
        if each.lacking and each.run.summary
    ]
    changed, total = sum(len(each.runs) for each in judged if each.changed), sum(len(each.runs) for each in judged)
    lines.append(f"{changed} of {plural(total, 'run')} judged differently.")
    if rules is not None and loop.end is not None and loop.end.kind is LoopEndKind.NOT_JUDGED:
        lines.append(f"`autoloop-tui resume --rules {printing.printable(rules)}` continues the loop with these rules.")
    return "\n".join(lines)
