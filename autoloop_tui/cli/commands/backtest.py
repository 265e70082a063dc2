"""`backtest`: replay rules over past runs without a GPU, or find the earliest step at which runs can be stopped safely."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from autoloop.model import Loop, UserError
from autoloop.settings import Settings, load_settings
from autoloop.text.plural import plural

from autoloop_tui import client
from autoloop_tui.cli.output import backtest as output
from autoloop_tui.cli.output import printing, safe_stop
from autoloop_tui.cli.parameters import AsJson, Many

if TYPE_CHECKING:
    from autoloop.backtest import Against, ReplayResult
    from autoloop.metrics import MetricBooks
    from autoloop.past_runs import PastRunSource
    from autoloop.rules import RuleSource
    from autoloop.store import Store
    from autoloop.variants.policy import VariantPolicy


def backtest(
    paths: list[Path] | None = None,
    /,
    *,
    loops: Annotated[list[str] | None, Many] = None,
    rules: str | None = None,
    against: str | None = None,
    metric: str | None = None,
    find_stop: str | None = None,
    risk: float = 0.1,
    json: AsJson = False,
) -> int:
    """Replay rules over past runs: what they would have stopped and proposed, and the savings and costs.

    Live rules see each run point by point, as in a live loop, never later data. Runs are compared with others of the same
    loop (or folder) and number of steps. Nothing is trained or changed.

    Parameters
    ----------
    paths
        Folders with runs; by default, the runs of this project's loops.
    loops
        Which loops (name or number); all by default.
    rules
        A rule book (.toml) or a Python file; by default the project's, else the newest loop's.
    against
        An earlier version of the rules to compare with.
    metric
        The metric that ranks runs; the first key metric by default.
    find_stop
        Instead of replaying rules, find the earliest step at which the worse half by this metric can be stopped.
    risk
        For --find-stop: the largest acceptable share of top runs among the stopped (upper end of its interval).
    """
    from autoloop import backtest as search
    from autoloop.backtest import book_of, chosen_metric
    from autoloop.engine.planning.variant_policies import store_of
    from autoloop.past_runs import replay_all
    from autoloop.rules import default_rules

    _refuse(find_stop, risk, {"--rules": rules, "--against": against, "--metric": metric})
    project = Path.cwd()
    settings = load_settings(project)
    books = settings.metric_books(project)
    with store_of(project) as store:
        sources, chosen = _sources(paths or [], loops or [], store, books)
        if find_stop is not None:
            runs = [said[0] for _, said in _read(sources, replay_all(sources, [default_rules(())], find_stop))]
            book = book_of(runs, books)
            stop = search.find_stop(runs, *chosen_metric(find_stop, runs, book), risk)
            document = printing.answer("safe-stop", safe_stop.document(stop)) if json else ""
            print(document or safe_stop.text(stop, book.short(stop.metric)))
            return 0
        asked = [_rules(rules, settings, books, store, chosen), *([_named(against, settings, books)] if against else [])]
        found = _read(sources, replay_all(sources, asked))
        known = {run.config_hash for loop in store.loops() for run in store.runs(loop.id)} if store else set()
        policies = [_policy(each, settings) for each, _ in found]
        among = _against([each for each, _ in found], store, asked)
        columns = zip(*(said for _, said in found), strict=True)
        results = [_result(source, list(column), policies, among) for source, column in zip(asked, columns, strict=True)]
    report = output.Report.of(results, metric, books, known)
    print(printing.answer("backtest", report.document()) if json else report.text())
    return 0


def _refuse(find_stop: str | None, risk: float, others: dict[str, str | None]) -> None:
    if not 0 < risk < 1:
        raise UserError(f"--risk must be between 0 and 1, not {risk:g}.")
    given = next((flag for flag, value in others.items() if value is not None), None)
    if find_stop is not None and given:
        raise UserError(f"--find-stop uses no rules; omit {given}.")


def _sources(
    paths: Sequence[Path], loops: Sequence[str], store: Store | None, books: MetricBooks
) -> tuple[Sequence[PastRunSource], list[Loop]]:
    """Return the runs to replay and the loops that they belong to."""
    from autoloop.past_runs import runs_below, runs_of_loops

    problems: list[str] = []
    found: list[PastRunSource] = [run for path in paths for run in runs_below(path, books, problems)]
    for problem in problems:
        printing.complain(f"note: {printing.printable(problem)}")
    chosen: list[Loop] = []
    if loops or not paths:
        if store is None:
            raise UserError("This folder has no loop; name folders with runs, as in `autoloop-tui backtest outputs`.")
        chosen = client.chosen_loops(store, loops)
        found += runs_of_loops(store, chosen)
    if not found:
        raise UserError("No run of these loops has ended, so there is nothing to replay.")
    return found, chosen


def _rules(
    rules: str | None, settings: Settings, books: MetricBooks, store: Store | None, loops: Sequence[Loop]
) -> RuleSource:
    """Return the named rules, else the project's, else those of the newest of the loops."""
    from autoloop.engine.planning.frozen import load_sources

    if rules is None and settings.rules is None and store is not None and loops:
        return load_sources(store.places, loops[0]).rules
    return _named(rules or settings.rules, settings, books)


def _named(rules: str | None, settings: Settings, books: MetricBooks) -> RuleSource:
    from autoloop.rule_files import load_rules

    return load_rules(rules and str(Path.cwd() / Path(rules).expanduser()), books.of(()), settings.rules_timeout)


def _read(
    sources: Sequence[PastRunSource], results: Sequence[list[ReplayResult] | str]
) -> list[tuple[PastRunSource, list[ReplayResult]]]:
    """Return the runs that could be read; print a note for each of the others that says why not."""
    read: list[tuple[PastRunSource, list[ReplayResult]]] = []
    for source, said in zip(sources, results, strict=True):
        if isinstance(said, str):
            printing.complain(f"note: {printing.printable(said)}")
        else:
            read.append((source, said))
    if not read:
        raise UserError("None of the runs could be read.")
    notes = Counter(note for _, said in read for note in said[0].notes)
    for note, times in notes.items():
        printing.complain(f"note: of {plural(times, 'run')}: {note}")
    return read


def _policy(source: PastRunSource, settings: Settings) -> VariantPolicy:
    """Return the policy for variants of a run. No variant counts as a duplicate: later runs did not exist at the time."""
    from autoloop.engine.planning.variant_policies import project_policy
    from autoloop.past_runs import LoopRun
    from autoloop.variants.policy import launch_policy

    if isinstance(source, LoopRun) and source.preset is not None:
        spec = source.loop.spec
        return launch_policy(source.preset, spec.train_script, spec.steps, spec.extra, fields=settings.field_types())
    return project_policy(Path.cwd(), settings, None)


def _against(sources: Sequence[PastRunSource], store: Store | None, rules: Sequence[RuleSource]) -> dict[str, Against]:
    """Compare each run of a loop with the others as of the end of its round; later rounds and loops do not count."""
    from autoloop.engine.base.among_runs import LoopComparisons
    from autoloop.past_runs import LoopRun

    listed = all(not each.slow for each in rules)
    wanted = frozenset[str]().union(*(rule.when.compared for each in rules for rule in each.rules)) if listed else None
    rounds: dict[tuple[int, int], LoopComparisons] = {}
    found: dict[str, Against] = {}
    for each in sources:
        if store is not None and isinstance(each, LoopRun):
            run, key = each.run, (each.loop.id, each.run.round)
            among = rounds.setdefault(key, LoopComparisons(store, key[0], each.book, wanted, until=key[1], later=False))
            found[run.id] = partial(among.of, run)
    return found


def _result(
    source: RuleSource, runs: list[ReplayResult], policies: Sequence[VariantPolicy], against: dict[str, Against]
) -> output.Result:
    from autoloop.backtest import judge, outcome

    try:
        judged = judge(runs, source, against)
    finally:
        source.close()
    rules = {rule.id: rule for rule in source.rules if rule.watch}
    pairs = zip(runs, policies, strict=True)
    return output.Result(source, [outcome(run, rules, policy, judged.get(run.facts.id)) for run, policy in pairs])
