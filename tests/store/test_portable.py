"""A project that was copied or moved: its store refers to its current place."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from autoloop.model import Attempt, LoopSpec
from autoloop.store import SCHEMA_VERSION, Store

from tests.store.rows import a_loop, a_run, without_revisions


def fill(project: Path, store: Store) -> None:
    def below(name: str) -> str:
        return str(project / name)

    spec = LoopSpec(
        configs=[below("a.json"), "/elsewhere/b.json"],
        cwd=str(project),
        rules=below("rules.toml"),
        preset="lerobot",
        python="/usr/bin/python3",
        train_script="train.py",
        output_root="/big/disk",
        summary_out=below("reports/summary.json"),
        markdown_out=str(project) + "-reports/report.md",  # not inside the project, although the path starts like it
        inherit_dataset_from=below("a b ☂/c.json"),
        extra=[f"--x={below('y')}"],
    )
    store.put_loop(a_loop(spec=spec, output_dir="/big/disk/loop_1"))
    store.put_run(
        a_run("r", config_path=below(".autoloop/configs/r.json"), source_path=below("a.json"), output_dir=below("out/r"))
    )
    attempt = Attempt(
        id="r-1",
        run="r",
        number=1,
        slot=0,
        output_dir=below("out/r"),
        directory=below(".autoloop/attempts/r-1"),
        created_at=1.0,
        argv=["python", below("train.py")],
    )
    store.put_attempt(attempt, 1)


def check(project: Path, store: Store, *, made_in: Path) -> None:
    spec = store.loop(1).spec
    assert spec.configs == [f"{project}/a.json", "/elsewhere/b.json"]
    assert (spec.cwd, spec.rules, spec.preset) == (str(project), f"{project}/rules.toml", "lerobot")
    assert (spec.python, spec.train_script, spec.output_root) == ("/usr/bin/python3", "train.py", "/big/disk")
    assert spec.summary_out == f"{project}/reports/summary.json"
    assert spec.markdown_out == f"{made_in}-reports/report.md"
    assert spec.inherit_dataset_from == f"{project}/a b ☂/c.json"
    assert spec.extra == [f"--x={made_in}/y"]  # the user's arguments for the trainer are kept unchanged
    assert store.loop(1).output_dir == "/big/disk/loop_1"
    run = store.run("r")
    assert run.config_path == f"{project}/.autoloop/configs/r.json"
    assert (run.source_path, run.output_dir, run.wandb_sync) == (f"{project}/a.json", f"{project}/out/r", None)
    (attempt,) = store.attempts("r")
    assert (attempt.output_dir, attempt.directory) == (f"{project}/out/r", f"{project}/.autoloop/attempts/r-1")
    assert attempt.argv == ["python", f"{made_in}/train.py"]  # a record of what was run


@pytest.mark.parametrize("how", ["copied", "moved"])
def test_paths_below_the_project_go_with_it(tmp_path: Path, how: str) -> None:
    before, after = tmp_path / "before", tmp_path / "deep" / "after"
    before.mkdir()
    with Store.open(before, create=True) as store:
        fill(before, store)
        check(before, store, made_in=before)
    if how == "copied":
        shutil.copytree(before, after)
    else:
        after.parent.mkdir()
        before.rename(after)
    with Store.open(after) as store:
        check(after, store, made_in=before)
        store.put_run(store.run("r"))
        check(after, store, made_in=before)


def test_a_store_of_absolute_paths_is_migrated_and_a_copy_of_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    with Store.open(before, create=True) as store:
        fill(before, store)
        # As version 2 wrote it.
        monkeypatch.setattr("autoloop.store.rows.to_stored", lambda body, project: body)
        loop, run, attempt = store.loop(1), store.run("r"), store.attempts("r")[0]
        store.put_loop(loop)
        store.put_run(run)
        store.put_attempt(attempt, 1)
    monkeypatch.undo()
    path = before / ".autoloop/autoloop.db"
    with sqlite3.connect(path) as raw:
        assert str(before / "out/r") in raw.execute("SELECT body FROM runs").fetchone()[0].decode()
        without_revisions(raw)
        raw.execute("DROP TABLE deliveries")
        raw.execute("DROP INDEX runs_by_group")
        raw.execute("ALTER TABLE runs DROP COLUMN config_group")
        raw.execute("DROP TABLE notes")
        raw.execute("ALTER TABLE commands DROP COLUMN sender")
        raw.execute("PRAGMA user_version = 2")
    raw.close()
    shutil.copytree(before, after)  # copied before the new version opened it
    with Store.open(after) as store:
        check(after, store, made_in=before)
        with sqlite3.connect(store.places.database) as raw:
            assert raw.execute("PRAGMA user_version").fetchall() == [(SCHEMA_VERSION,)]
    assert (after / ".autoloop/autoloop.db.version-2").exists()
