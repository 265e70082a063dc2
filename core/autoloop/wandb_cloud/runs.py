"""The runs of a W&B project: which there are, what they were configured with, every row that they logged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoloop.metric_readers.columns import Columns, as_step, numbers
from autoloop.metric_readers.json_value import decoded
from autoloop.model import UserError
from autoloop.wandb_cloud.graphql import GraphQL

PAGE = 1000
"""Rows of one request, as wandb's own client asks for."""
LISTED = 100
"""Runs of one request."""

_RUNS = """
query Runs($entity: String!, $project: String!, $cursor: String, $perPage: Int!, $order: String, $filters: JSONString) {
    project(name: $project, entityName: $entity) {
        runs(filters: $filters, after: $cursor, first: $perPage, order: $order) {
            edges { node { name displayName state group tags createdAt } cursor }
            pageInfo { endCursor hasNextPage }
        }
    }
}
"""
_RUN = """
query Run($entity: String!, $project: String!, $name: String!) {
    project(name: $project, entityName: $entity) {
        run(name: $name) {
            name displayName state group tags createdAt config summaryMetrics historyLineCount historyKeys
        }
    }
}
"""
_HISTORY = """
query HistoryPage($entity: String!, $project: String!, $run: String!, $minStep: Int64!, $maxStep: Int64!, $pageSize: Int!) {
    project(name: $project, entityName: $entity) {
        run(name: $run) { history(minStep: $minStep, maxStep: $maxStep, samples: $pageSize) }
    }
}
"""
_VIEWER = "query Viewer { viewer { username entity teams { edges { node { name } } } } }"


@dataclass(frozen=True)
class Listed:
    """A run as a list of runs shows it. `id` is unique in its project, `name` is what people see."""

    id: str
    name: str
    state: str
    group: str
    tags: tuple[str, ...]
    created: str


@dataclass(frozen=True)
class CloudRun:
    """One run. `config`: as W&B keeps it, with its wrappers; `steps` and `rows`: the last step, how many rows."""

    listed: Listed
    config: Mapping[str, Any]
    steps: int
    rows: int


class Project:
    """One project of the service. Every method raises UserError in one sentence."""

    def __init__(self, api: GraphQL, entity: str, project: str) -> None:
        self._api = api
        self.entity = entity
        self.project = project

    def runs(self, most: int, group: str = "", tags: Sequence[str] = (), name: str = "") -> list[Listed]:
        """The newest `most` runs whose group holds the text `group`, that carry all `tags` and are called `name`."""
        found: list[Listed] = []
        cursor: str | None = None
        filters = {"displayName": name} if name else {}
        while len(found) < most:
            page = _table(
                self._ask(_RUNS, cursor=cursor, perPage=LISTED, order="-created_at", filters=json.dumps(filters)).get("runs")
            )
            edges = _list(page.get("edges"))
            for edge in edges:
                run = _listed(_table(_table(edge).get("node")))
                if group in run.group and set(tags) <= set(run.tags) and name in ("", run.name):
                    found.append(run)
            info = _table(page.get("pageInfo"))
            if not edges or not info.get("hasNextPage") or info.get("endCursor") in (None, cursor):
                break
            cursor = info["endCursor"]
        return found[:most]

    def run(self, wanted: str) -> CloudRun:
        """The run with this id, else the only one with this name."""
        node = self._ask(_RUN, name=wanted).get("run")
        if not isinstance(node, dict):
            named = self.runs(2, name=wanted)
            if len(named) > 1:
                ids = ", ".join(run.id for run in named)
                raise UserError(f"{self.entity}/{self.project} has several runs called {wanted!r} ({ids}, …); give an id.")
            node = self._ask(_RUN, name=named[0].id).get("run") if named else None
        if not isinstance(node, dict):
            raise UserError(f"{self.entity}/{self.project} has no run {wanted!r}; `autoloop-tui analyze-wandb` lists them.")
        keys, summary = _object(node.get("historyKeys")), _object(node.get("summaryMetrics"))
        return CloudRun(
            listed=_listed(node),
            config=_object(node.get("config")),
            steps=max(_whole(keys.get("lastStep")), _whole(summary.get("_step"))),
            rows=_whole(node.get("historyLineCount")),
        )

    def history(self, run: CloudRun, limit: int | None = None) -> Columns:
        """Every row of the run; with a `limit`, at most so many, which the service picks evenly."""
        columns = Columns()
        end = run.steps + 1
        if limit is not None:
            self._rows(run, 0, end, limit, columns)
            return columns
        # Rows are asked for by steps. Where there are more than fit into a page the service leaves some out, so the
        # pages are made for half as many as expected, and a full one is asked for again in two. As a step has one
        # row at most, a page of PAGE steps is always whole.
        width = end if run.rows < PAGE else max(PAGE, PAGE * end // (2 * run.rows))
        start = 0
        while start < end:
            if self._rows(run, start, min(start + width, end), PAGE, columns) >= PAGE and width > PAGE:
                width = max(PAGE, width // 2)
            else:
                start += width
        return columns

    def _rows(self, run: CloudRun, start: int, stop: int, most: int, columns: Columns) -> int:
        page = self._ask(_HISTORY, run=run.listed.id, minStep=start, maxStep=stop, pageSize=most).get("run")
        rows = _list(_table(page).get("history"))
        for text in rows:
            row = _object(text)
            given = row.get("_step")
            step = as_step(given) if isinstance(given, int | float) else None
            for key, value in row.items() if step is not None else ():
                if not key.startswith("_"):
                    for name, number in numbers(key, value):
                        columns.put(name, step or 0, number)
        return len(rows)

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self._api.ask(query, entity=self.entity, project=self.project, **variables).get("project")
        if not isinstance(answer, dict):
            raise UserError(
                f"W&B at {self._api.host} shows this key no project {self.entity}/{self.project}: it does not exist, or "
                f"you have no access{self._entities()}."
            )
        return answer

    def _entities(self) -> str:
        """Where the key does reach, as a hint."""
        try:
            viewer = _table(self._api.ask(_VIEWER).get("viewer"))
        except UserError:
            return ""
        teams = _list(_table(viewer.get("teams")).get("edges"))
        names = [viewer.get("entity"), *(_table(_table(edge).get("node")).get("name") for edge in teams)]
        own = ", ".join(dict.fromkeys(name for name in names if isinstance(name, str) and name))
        return f"; the key's own entities are {own}" if own else ""


def _listed(node: Mapping[str, Any]) -> Listed:
    return Listed(
        id=_text(node.get("name")),
        name=_text(node.get("displayName")) or _text(node.get("name")),
        state=_text(node.get("state")),
        group=_text(node.get("group")),
        tags=tuple(filter(None, map(_text, _list(node.get("tags"))))),
        created=_text(node.get("createdAt")),
    )


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    """A text that can be written anywhere; whatever else stands in its place is none."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _object(value: Any) -> dict[str, Any]:
    """A JSON object, whether it comes as such or as text; empty for anything else."""
    if isinstance(value, str):
        value = decoded(_text(value).encode())
    return value if isinstance(value, dict) else {}


def _whole(value: Any) -> int:
    return (as_step(value) or 0) if isinstance(value, int | float) and not isinstance(value, bool) else 0
