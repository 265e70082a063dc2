"""`fetch`: copy files that stayed on the host where a run ran."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from autoloop.model import HostSpec, Loop, UserError
from autoloop.settings import load_settings
from autoloop.store import Store
from autoloop.text.plural import plural
from autoloop.text.values import size_text
from cyclopts import Parameter

from autoloop_tui.cli.output import printing


def fetch(
    *runs: str,
    loop: str | None = None,
    only: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
) -> int:
    """Fetch files that stayed on hosts: checkpoints and other large files.

    Logs and histories are copied automatically during a run. An interrupted fetch continues where it stopped.

    Parameters
    ----------
    runs
        Ids or names of runs.
    loop
        Their loop (name or number); the newest by default.
    only
        Only files that match these shell patterns, relative to the output directory: "checkpoints/last/*".
    """
    from autoloop.runners.ssh.fetching import fetch as bring
    from autoloop.runners.ssh.left import read_left

    if not runs:
        raise UserError("Name at least one run; `autoloop-tui runs` lists their ids.")
    project = Path.cwd()
    settings = load_settings(project)
    with Store.open(project) as store:
        found = store.find_loop(loop)
        wanted = [store.find_run(found, name) for name in runs]
    for run in wanted:
        left = read_left(run.output_dir) if run.output_dir else None
        if run.output_dir is None or left is None:
            print(printing.printable(f"{run.name} ({run.id}): no host holds files of this run"))
            continue
        host = _host(settings.host, found, left.host)
        said = printing.printable(f"{run.name} ({run.id}), {left.host}")

        def tell(path: str, size: int) -> None:
            print(printing.printable(f"  {path}  {size_text(size)}"), flush=True)

        print(said, file=sys.stderr)
        brought = bring(host, left, Path(run.output_dir), only or [], tell)
        if left.cut:
            cut = f"  Not copied during the run, because there were too many: {plural(left.cut, 'small file')}"
            printing.complain(printing.printable(cut))
        for path, why in sorted(left.skipped.items()):
            print(printing.printable(f"  {path} cannot be written here: {why}"), file=sys.stderr)
        amount = (
            f"{plural(len(brought), 'file')}, {size_text(sum(brought.values()))}, in"
            if brought
            else "everything is already here:"
        )
        print(printing.printable(f"{run.name} ({run.id}): {amount} {run.output_dir}"))
    return 0


def _host(hosts: list[HostSpec], loop: Loop, name: str) -> HostSpec:
    """Return the host as autoloop.toml defines it now, else as the loop recorded it."""
    host = next((each for each in [*hosts, *loop.spec.hosts] if each.name == name), None)
    if host is None:
        raise UserError(f"Its files are on {name}, but autoloop.toml has no [[host]] of that name.")
    return host
