"""`rules`: the active rules, and how often each fired, helped and hurt in this project."""

from __future__ import annotations

from pathlib import Path

from autoloop.settings import load_settings

from autoloop_tui.cli.output import printing
from autoloop_tui.cli.output import rules as output
from autoloop_tui.cli.parameters import AsJson, LoopName


def rules(book: str | None = None, /, *, loop: LoopName = None, json: AsJson = False) -> int:
    """List the active rules: conditions, actions, and each rule's record in this project.

    A rule helped if a variant that it proposed was shown to be better than its base, and hurt if it was shown to be worse.
    All loops of the project count.

    Parameters
    ----------
    book
        A rule book (.toml) or a Python file; by default the project's, else the newest loop's.
    """
    from autoloop.engine.planning.frozen import load_sources
    from autoloop.engine.planning.kept_metrics import metrics_of
    from autoloop.engine.planning.variant_policies import store_of
    from autoloop.reports import project_records
    from autoloop.rule_files import load_rules

    project = Path.cwd()
    settings = load_settings(project)
    metrics = settings.metric_books(project).of(())
    path = book or (settings.rules if loop is None else None)
    source, records = None, {}
    with store_of(project) as store:
        if store is not None:
            found = store.find_loop(loop)
            metrics = metrics_of(store.places, found)
            records = project_records(store, found, metrics)
            source = load_sources(store.places, found).rules if path is None else None
        if path is not None:
            source = load_rules(str(project / Path(path).expanduser()), metrics, settings.rules_timeout)
    if json:
        print(printing.answer("rules", output.document(source, records)))
    else:
        print(output.text(source, records, printing.across()))
    return 0
