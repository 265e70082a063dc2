"""Trackers' databases with the runs of a project: each run is found, read separately and listed."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from autoloop.metrics import MetricBooks
from autoloop.run_archive import find_runs, read_runs

from tests.cli.conftest import Call
from tests.cli.project import CommandProject
from tests.run_archive.layouts import wandb_run

WRITTEN = Path(__file__).parents[1] / "metric_readers" / "written"
ANOTHER = {
    "trackio": """INSERT INTO metrics (run_id, timestamp, run_name, step, metrics)
        VALUES ('second', '2026-11-26T20:18:00+00:00', 'two', 5, '{"train/loss": 7.5}')""",
    "mlflow": "INSERT INTO metrics VALUES ('train/loss', 7.5, 1795724272500, 'second', 5, 0)",
}


@pytest.fixture(params=ANOTHER)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database written by the real package, to which another run has logged since."""
    path = tmp_path / "outputs" / f"{request.param}.db"
    path.parent.mkdir()
    if request.param == "trackio":
        shutil.copy(WRITTEN / "trackio" / "trackio" / "exp.db", path)
    else:
        path.write_bytes(gzip.decompress((WRITTEN / "mlflow" / "mlflow.db.gz").read_bytes()))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute(ANOTHER[request.param])
    return path


def test_each_run_of_a_database_is_a_run_with_its_own_metrics(database: Path) -> None:
    problems: list[str] = []
    found = find_runs(database.parent, problems)
    read = {run.run_id: record for run, record in read_runs(found, MetricBooks())}
    assert problems == []
    assert len(found) == 2
    assert {run.name for run in found} == {f"{database}/{run.run_id}" for run in found}
    first = next(record for run_id, record in read.items() if run_id != "second")
    assert (first.summary.steps, first.problems) == (20, [])
    assert read["second"].summary.metrics["train/loss"].last == 7.5
    assert read["second"].summary.steps == 5


def test_a_database_in_the_folder_of_a_run_repeats_what_is_there(database: Path) -> None:
    wandb_run(database.parent, "w", [3, 2])
    (run,) = find_runs(database.parent)
    assert run.run_id == "w"


def test_a_database_of_something_else_holds_no_run(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("no database")
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection, connection:
        connection.execute("CREATE TABLE metrics (a, b)")
    problems: list[str] = []
    assert (find_runs(tmp_path, problems), problems) == ([], [])


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes((WRITTEN / "trackio" / "trackio" / "exp.db").read_bytes()[:100] + b"x" * 200_000)
    problems: list[str] = []
    assert find_runs(tmp_path, problems) == []
    assert [each.startswith(f"{path} cannot be read and was skipped: ") for each in problems] == [True]


def test_analyze_offline_lists_them_and_remembers_each(call: Call, project: CommandProject, database: Path) -> None:
    for _ in range(2):
        said = call("analyze-offline", "--outputs-root", str(database.parent))
        assert said.code == 0
        document = json.loads(said.out)
        assert len(document) == 2
        assert document[f"{database}/second"]["train/loss"]["last"] == 7.5
