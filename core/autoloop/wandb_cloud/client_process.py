"""A program that asks W&B's official client for runs and prints JSON lines. `client.py` starts and ends it.

The client prints, retries and starts its own process, which does no harm here. Its output is discarded: only the answers go
to the original standard output. Each line is one object: `listed`, the number of runs that follow; `run`, one of them; or
`problem`, the reason for ending early, with a kind and a text.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from autoloop.metric_readers.columns import Columns, as_step, numbers
from autoloop.metric_readers.step_axis import StepAxis

Answer = dict[str, Any]


class _RefusedError(Exception):
    """`args`: the kind of problem and a text."""


def main() -> int:
    request = json.load(sys.stdin)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    try:
        for answer in _answers(request):
            print(json.dumps(answer), file=answers, flush=True)
    except _RefusedError as problem:
        kind, text = problem.args
        print(json.dumps({"problem": {"kind": kind, "text": text}}), file=answers, flush=True)
    except Exception as error:  # anything the client may raise for an unexpected answer
        said = str(error)
        if type(error).__module__.startswith("pydantic"):
            said = said.partition("\n")[0]  # the rest lists what was expected, with URLs
        text = f"{type(error).__name__}: {said}"[:2000]
        print(json.dumps({"problem": {"kind": "failed", "text": text}}), file=answers, flush=True)
    answers.flush()
    os._exit(0)  # do not wait for the client's threads: their results are no longer needed


def _answers(request: Answer) -> Iterator[Answer]:
    import wandb

    api = wandb.Api(timeout=int(request["timeout"]))
    place = f"{request['entity']}/{request['project']}"
    if request["wanted"] is not None:
        yield {"listed": len(request["wanted"])}
        for wanted in request["wanted"]:
            yield {"run": _facts(_named(api, place, wanted))}
        return
    listed = _runs(api, place, request["most"], group=request["group"], tags=request["tags"])
    yield {"listed": len(listed)}
    for run in listed:
        yield {"run": {**_facts(run), "columns": _columns(run, request["limit"])}}


def _runs(api: Any, place: str, most: int, *, group: str = "", tags: list[str], name: str | None = None) -> list[Any]:
    """Return the newest `most` runs with all `tags`, the display name `name` and `group` as a substring of their group."""
    found: list[Any] = []
    filters = {} if name is None else {"displayName": name}
    try:
        for run in api.runs(place, filters=filters, order="-created_at", per_page=min(100, max(most, 2))):
            if group in (run.group or "") and set(tags) <= set(run.tags or ()):
                found.append(run)
            if len(found) >= most:
                break
    except ValueError as error:
        if type(error) is ValueError:  # raised if there is no project; unexpected answers raise subclasses
            raise _RefusedError("no project", place) from None
        raise
    return found


def _named(api: Any, place: str, wanted: str) -> Any:
    """Return the run with this id, or else the only run with this name."""
    from wandb.errors import CommError

    if "/" not in wanted:  # the client would take that for another project
        try:
            return api.run(f"{place}/{wanted}")
        except CommError:
            pass
    named = _runs(api, place, 2, tags=[], name=wanted)
    if len(named) > 1:
        raise _RefusedError("several", ", ".join(run.id for run in named))
    if not named:
        raise _RefusedError("no run", wanted)
    return named[0]


def _facts(run: Any) -> Answer:
    return {
        "id": run.id,
        "name": run.name or run.id,
        "state": run.state or "",
        "group": getattr(run, "group", None) or "",
        "config": {key: {"value": value} for key, value in run.config.items()},
    }


def _columns(run: Any, limit: int | None) -> Answer:
    rows = run.scan_history(page_size=1000) if limit is None else run.history(samples=limit, pandas=False)
    columns, axis = Columns(), StepAxis()
    count, last = 0, -1
    for row in rows:
        count += 1
        given = row.get("_step")
        step = as_step(given) if isinstance(given, int | float) else None
        last = max(last, -1 if step is None else step)
        for key, value in row.items() if step is not None else ():
            if not key.startswith("_"):
                for name, number in numbers(key, value):
                    columns.put(name, step or 0, number)
    axis.update(columns, numbered=last < max(count, 1))
    return {name: [list(series.steps), list(series.values)] for name, series in axis.columns.items()}


if __name__ == "__main__":
    sys.exit(main())
