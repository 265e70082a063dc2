"""`analyze-wandb` and `fetch-config` as users call them, with the stand-in service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from autoloop.wandb_cloud import client

from tests.cli.conftest import Call
from tests.cli.project import CONFIG, CommandProject
from tests.wandb_cloud.stand_in import KEY, StandIn, StandInRun
from tests.wandb_cloud.terminal import on_a_terminal

HERE = ("--entity", "e", "--project", "p")


def a_run(**settings: Any) -> StandInRun:
    """Return a run whose OT mass is near zero, so that a rule fires."""
    rows = [{"_step": step * 50, "train/ot_pi_sum": 1e-9, "train/l1_loss": 1 / (step + 1)} for step in range(1500)]
    wrapped = {key: {"value": value} for key, value in CONFIG.items()}
    return StandInRun(config={**wrapped, "_wandb": {"value": {}}, "batch_size": {"value": 8.0}}, rows=rows, **settings)


@pytest.fixture
def runs(service: StandIn) -> dict[str, StandInRun]:
    runs = {"new1": a_run(name="newest", group="loop_2"), "old1": a_run(name="older", group="loop_1", tags=["x"])}
    service.projects["e", "p"] = runs
    return runs


# -------------------------------------------------------------------------------------------------------- analyze-wandb


def test_piped_it_prints_the_documents_json_of_every_row(call: Call, runs: dict[str, StandInRun]) -> None:
    said = call("analyze-wandb", *HERE)
    assert said.code == 0
    document = json.loads(said.out)
    assert list(document["summary"]) == ["new1", "old1"]
    l1 = document["summary"]["new1"]["train/l1_loss"]
    assert (l1["first"], l1["n"], l1["best_step"]) == (1.0, 1500, 1499 * 50)
    assert document["summary"]["new1"]["steps"] == 1499 * 50
    (proposal, *_) = document["proposals"]["new1"]
    assert proposal["changes"]["ot.loss_config.reg@mul"] == 1.6
    assert {"path": "ot.loss_config.reg", "before": 0.1, "after": 0.16} in proposal["resolved"]


def test_on_a_terminal_it_prints_a_table_and_with_rules_the_changes(
    runs: dict[str, StandInRun], project: CommandProject, service: StandIn
) -> None:
    said = on_a_terminal(project, "analyze-wandb", *HERE, "--group", "loop_1", "--tags", "x", "--rules")
    assert "older" in said
    assert "newest" not in said
    assert "ot.loss_config.reg" in said
    assert "0.1 → 0.16" in said
    assert "{" not in said


def test_json_in_a_file_leaves_the_table_on_the_screen(
    call: Call, runs: dict[str, StandInRun], project: CommandProject
) -> None:
    said = call("analyze-wandb", *HERE, "--out-json", "all.json")
    assert said.code == 0
    assert "newest" in said.out
    assert set(json.loads((project.folder / "all.json").read_text())) == {"schema", "summary", "proposals"}


def test_limits_are_kept(call: Call, runs: dict[str, StandInRun]) -> None:
    said = call("analyze-wandb", *HERE, "--max-runs", "1", "--history-limit", "100")
    document = json.loads(said.out)
    assert list(document["summary"]) == ["new1"]
    assert document["summary"]["new1"]["train/l1_loss"]["n"] == 100


def test_entity_and_project_come_from_the_projects_settings(
    call: Call, runs: dict[str, StandInRun], project: CommandProject
) -> None:
    (project.folder / "autoloop.toml").write_text('[wandb]\nentity = "e"\nproject = "p"\n')
    assert json.loads(call("analyze-wandb").out)["summary"]


def test_a_failure_on_the_way_shows_what_was_read(call: Call, runs: dict[str, StandInRun], service: StandIn) -> None:
    def trouble(name: str) -> str | None:
        asked = service.asked[-1][1]
        return "cut" if name == "HistoryPage" and "old1" in (asked.get("run"), asked.get("name")) else None

    service.trouble = trouble
    said = call("analyze-wandb", *HERE)
    assert said.code == 1
    assert list(json.loads(said.out)["summary"]) == ["new1"]
    assert "Only 1 of 2 runs could be read" in said.err
    assert "gave an invalid answer" in said.err


# --------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize("command", [("analyze-wandb",), ("fetch-config", "new1")])
class TestErrors:
    def refused(self, call: Call, command: tuple[str, ...], *words: str) -> str:
        said = call(*command, *(words or HERE))
        assert said.code == 2
        assert said.out == ""
        assert said.err.count("\n") == 1
        assert KEY not in said.err
        return said.err

    def test_no_key(
        self, call: Call, service: StandIn, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.delenv("WANDB_API_KEY")
        monkeypatch.setenv("HOME", str(tmp_path))
        assert "set WANDB_API_KEY or run `wandb login`" in self.refused(call, command)

    def test_a_key_that_is_refused(
        self, call: Call, service: StandIn, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
        error = self.refused(call, command)
        assert "refuses the key" in error
        assert "xxxx" not in error

    def test_a_key_with_a_line_break(
        self, call: Call, service: StandIn, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WANDB_API_KEY", "secret\nHost: evil")
        assert "secret" not in self.refused(call, command)

    def test_no_such_project(self, call: Call, service: StandIn, command: tuple[str, ...]) -> None:
        error = self.refused(call, command)
        assert "no project e/p" in error
        assert "the key's own entities are me, my-team" in error

    def test_no_entity(self, call: Call, service: StandIn, command: tuple[str, ...]) -> None:
        assert "Give --entity" in self.refused(call, command, "--project", "p")

    def test_nobody_listens(self, call: Call, service: StandIn, command: tuple[str, ...]) -> None:
        service.close()
        assert "cannot be reached (connection refused)" in self.refused(call, command)

    def test_the_address_is_none(
        self, call: Call, service: StandIn, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("WANDB_BASE_URL", "wandb.example")
        assert "is not a web address" in self.refused(call, command)

    def test_nobody_answers(
        self, call: Call, service: StandIn, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "REQUEST_TIMEOUT", 0.2)
        service.trouble = lambda _: "silent"
        service.projects["e", "p"] = {"new1": StandInRun()}
        assert "no answer within 0.2 s" in self.refused(call, command)

    def test_it_takes_too_long(self, call: Call, service: StandIn, command: tuple[str, ...]) -> None:
        service.trouble = lambda _: "silent"
        service.projects["e", "p"] = {"new1": StandInRun()}
        assert "more time with --timeout" in self.refused(call, command, *HERE, "--timeout", "1")


def test_a_project_without_a_run_that_fits_is_said(call: Call, runs: dict[str, StandInRun]) -> None:
    said = call("analyze-wandb", *HERE, "--group", "loop_9")
    assert said.code == 2
    assert "e/p has no run that fits --group and --tags" in said.err


# ----------------------------------------------------------------------------------------------------------- fetch-config


def test_configs_are_written_as_the_trainer_takes_them(
    call: Call, runs: dict[str, StandInRun], project: CommandProject
) -> None:
    said = call("fetch-config", "new1", "--run", "old1", *HERE, "--out-dir", "configs/new")
    assert said.code == 0
    assert "Wrote configs/new/fromwandb_new1.json (newest)" in said.out
    for name in ("new1", "old1"):
        text = (project.folder / f"configs/new/fromwandb_{name}.json").read_text()
        assert json.loads(text) == CONFIG
        assert '"batch_size": 8,' in text


def test_a_reference_gives_the_types(call: Call, runs: dict[str, StandInRun], project: CommandProject) -> None:
    runs["new1"].config["kl_weight"] = {"value": 10}
    (project.folder / "base.json").write_text('{"kl_weight": 5.0}')
    assert call("fetch-config", "new1", *HERE, "--like", "base.json").code == 0
    assert '"kl_weight": 10.0' in (project.folder / "fromwandb_new1.json").read_text()


def test_a_file_that_is_there_is_never_overwritten(call: Call, runs: dict[str, StandInRun], project: CommandProject) -> None:
    mine = project.folder / "fromwandb_new1.json"
    mine.write_text("mine")
    said = call("fetch-config", "old1", "new1", *HERE)
    assert said.code == 2
    assert "already exists with other content" in said.err
    assert mine.read_text() == "mine"
    assert not (project.folder / "fromwandb_old1.json").exists()
    mine.unlink()
    assert call("fetch-config", "new1", *HERE).out.startswith("Wrote")
    assert call("fetch-config", "new1", *HERE).out.startswith("Unchanged")


def test_a_name_with_slashes_stays_in_the_folder(
    call: Call, runs: dict[str, StandInRun], service: StandIn, project: CommandProject
) -> None:
    runs["../../up"] = a_run(name="a/b/../c")
    before = set(project.folder.parent.rglob("*"))
    said = call("fetch-config", "a/b/../c", *HERE, "--out", "here")
    assert said.code == 0
    made = {str(path.relative_to(project.folder)) for path in set(project.folder.parent.rglob("*")) - before}
    assert made == {"here", "here/fromwandb_.._.._up.json"}


def test_a_run_that_is_not_there_is_named_and_nothing_written(
    call: Call, runs: dict[str, StandInRun], project: CommandProject
) -> None:
    said = call("fetch-config", "new1", "nope", *HERE)
    assert said.code == 2
    assert 'e/p has no run "nope"' in said.err
    assert not list(project.folder.glob("fromwandb*"))


def test_a_resumed_runs_config_is_pointed_out(call: Call, runs: dict[str, StandInRun]) -> None:
    runs["new1"].config["resume"] = {"value": True}
    assert "resume = true" in call("fetch-config", "new1", *HERE).out
