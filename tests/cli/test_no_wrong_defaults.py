"""Nothing of a built-in method applies to another trainer's configs: no rules, no metric names, and no loop that cannot
judge its runs."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from autoloop.metrics import default_book
from autoloop.rules import parse_book

from tests.cli.conftest import Call
from tests.cli.project import CONFIG, TRAINER, CommandProject

LAUNCH = ("--preset", "plain", "--train-script", str(TRAINER), "--steps", "20", "--device", "cpu")
GO = ("--exec", "--no-ui")
METHOD = re.compile(r"ot_|pi_sum|l1|act_ot|pi-vanished|sinkhorn|grad_norm", re.IGNORECASE)
RULES = """
name = "mine"
version = "1"

[[rule]]
id = "slow"
when = "val/loss.last > 0.1"
reason = "slow"
changes = ["lr@mul=2"]
"""


def config(project: CommandProject, name: str = "base.json", **changes: Any) -> None:
    (project.folder / name).write_text(json.dumps({"lr": 0.5, "seed": 1} | changes), encoding="utf-8")


def rules(project: CommandProject, text: str = RULES) -> None:
    (project.folder / "mine.toml").write_text(text, encoding="utf-8")


def loop(project: CommandProject, *words: str, cfgs: tuple[str, ...] = ("base.json",)) -> str:
    done = project.call("run", "--cfgs", *cfgs, *LAUNCH, *words, *GO)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_plan_of_another_trainer_has_no_rule_and_names_no_metric_of_a_method(
    project: CommandProject, call: Call
) -> None:
    config(project)
    plan = call("run", "--cfgs", "base.json", *LAUNCH)
    assert plan.code == 0
    assert not METHOD.search(plan.out.replace(str(project.folder), ""))
    assert "live rule" not in plan.out


def test_decide_without_rules_is_refused_with_an_example_to_put_right(project: CommandProject, call: Call) -> None:
    config(project, optimizer={"learning_rate": 0.1})
    said = call("run", "--cfgs", "base.json", *LAUNCH, "--decide", "--rounds", "2")
    assert said.code == 2
    sentence, _, example = said.err.partition("\n\n")
    assert "--decide needs rules" in sentence
    assert "--rules FILE.toml" in sentence
    (rule,) = parse_book(example, "example", default_book(())).rules
    assert rule.when.metrics == {"loss"}
    assert 'replace "loss" with a metric that your trainer logs' in example
    assert tomllib.loads(example)["rule"][0]["changes"] == ["lr@mul=0.5"]  # the most similar name of a learning rate
    assert not (project.folder / ".autoloop").exists()


def test_the_example_is_over_a_metric_of_the_projects_earlier_runs(project: CommandProject, call: Call) -> None:
    config(project)
    loop(project)
    said = call("run", "--cfgs", "base.json", *LAUNCH, "--decide", "--rounds", "2")
    assert said.code == 2
    (rule,) = parse_book(said.err.partition("\n\n")[2], "example", default_book(())).rules
    assert rule.when.metrics == {"val/loss"}


def test_the_example_is_over_a_metric_of_any_run_that_the_project_has_on_disk(project: CommandProject, call: Call) -> None:
    config(project)
    run = project.folder / "runs" / "exp1"
    run.mkdir(parents=True)
    (run / "metrics.jsonl").write_text('{"step": 1, "valid/f1": 0.2}\n{"step": 2, "valid/f1": 0.3}\n', encoding="utf-8")
    said = call("run", "--cfgs", "base.json", *LAUNCH, "--decide", "--rounds", "2")
    (rule,) = parse_book(said.err.partition("\n\n")[2], "example", default_book(())).rules
    assert rule.when.metrics == {"valid/f1"}
    assert rule.reason == "valid/f1 barely rises: lower the learning rate"


def test_the_doctor_refuses_it_too(project: CommandProject, call: Call) -> None:
    config(project)
    said = call("doctor", "--cfgs", "base.json", *LAUNCH, "--decide", "--rounds", "2")
    assert said.code == 1
    assert "--decide needs rules" in said.out
    assert "loss.pct > -1" in said.out


def test_a_person_sees_numbers_without_a_metric_book(project: CommandProject, call: Call) -> None:
    config(project)
    said = loop(project)
    runs = call("runs").out.splitlines()
    assert runs[0].split()[:7] == ["round", "id", "run", "state", "steps", "val/loss", "loss"]
    assert "0.4444" in runs[-1]
    assert "val/loss" in said
    assert not METHOD.search("\n".join(runs))
    report = (project.folder / "reports/autoloop.md").read_text()
    assert "| val/loss |" in report
    assert not METHOD.search(report)
    assert "lowest last val/loss: 0.4444" in call("status").out


def test_what_until_names_is_the_key_metric_and_needs_no_quotes(project: CommandProject, call: Call) -> None:
    config(project)
    said = loop(project, "--until", "val/acc.last > 0.15")
    assert "meets --until val/acc.last > 0.15" in said
    assert "highest last val/acc: 0.2" in call("status").out


def test_a_metric_of_unknown_direction_is_called_neither_highest_nor_lowest(project: CommandProject, call: Call) -> None:
    config(project, trainer={"names": ["quality"]})
    loop(project)
    assert "quality" in call("runs").out
    said = call("status").out
    assert "quality" not in said
    assert json.loads(call("status", "--json").out)["result"] is None
    (project.folder / "autoloop.toml").write_text('[metrics]\nhigher = ["quality"]\n')
    config(project, seed=2, trainer={"names": ["quality"]})
    loop(project)
    assert "highest last quality: 2" in call("status").out


def test_the_table_metrics_chooses_the_key_metric(project: CommandProject, call: Call) -> None:
    config(project)
    (project.folder / "autoloop.toml").write_text('[metrics]\nkey = ["quality"]\n')
    loop(project)
    head = call("runs").out.splitlines()[0].split()
    assert head[5:] == ["quality"]


def test_a_mistake_in_the_table_metrics_is_one_sentence(project: CommandProject, call: Call) -> None:
    config(project)
    (project.folder / "autoloop.toml").write_text('[metrics]\nhihger = ["quality"]\n')
    said = call("run", "--cfgs", "base.json", *LAUNCH)
    assert said.code == 2
    assert "autoloop.toml, [metrics]" in said.err
    assert "hihger" in said.err
    assert said.err.count("\n") == 1


def test_names_in_rules_that_fit_nothing_known_are_told_beforehand(project: CommandProject, call: Call) -> None:
    config(project)
    loop(project)
    rules(project, RULES.replace("val/loss", "val/los").replace("lr@mul", "lrr@mul"))
    words = ("--cfgs", "base.json", *LAUNCH, "--rules", "mine.toml", "--decide", "--rounds", "2")
    for said in (call("run", *words), call("doctor", *words)):
        flat = " ".join(said.out.split())
        assert 'rule slow uses val/los, which no earlier run of this trainer logged; did you mean "val/loss"?' in flat
        assert "?." not in flat
        assert "rule slow:" in flat
        assert "lrr" in flat
    rules(project)
    assert "rule slow" not in call("run", *words).out


def test_one_config_of_a_method_does_not_bring_its_rules_to_the_others(project: CommandProject) -> None:
    config(project)
    (project.folder / "with.json").write_text(json.dumps(CONFIG))
    said = loop(project, "--decide", "--rounds", "2", cfgs=("base.json", "with.json"))
    assert "from base" not in said
    assert "proposal 1 from with" in said
    assert "are for configs with a block ot, which this one lacks" in said


@pytest.mark.parametrize("name", ["window_size", "topk_src_episodes"])
def test_integer_fields_of_a_method_are_those_of_its_block(project: CommandProject, call: Call, name: str) -> None:
    (project.folder / "base.json").write_text(json.dumps({"lr": 0.5, name: 1.5}))
    said = call("generate", "--base-cfg", "base.json", "--changes", f"{name}@mul=1.5")
    assert said.code == 0, said.err
    written = next(Path(project.folder).glob("base_*.json"))
    assert json.loads(written.read_text())[name] == 2.25


def test_a_loop_that_could_not_be_judged_goes_on_by_other_rules_without_training_again(
    project: CommandProject, call: Call
) -> None:
    config(project)
    rules(project, RULES.replace("val/loss", "val/los"))
    words = ("--rules", "mine.toml", "--decide", "--rounds", "2", *GO)
    first = project.call("run", "--cfgs", "base.json", *LAUNCH, *words)
    assert "is not judged: none of the metrics that the rules need was found (val/los); jsonl has" in first.stdout
    assert "1 of 1 runs finished" in first.stdout
    assert "resume --rules" in first.stdout
    rules(project)
    said = call("rejudge", "--rules", "mine.toml")
    assert (said.code, said.err) == (0, "")
    assert re.search(r"base +not judged +slow +changed", said.out)
    assert "`autoloop-tui resume --rules mine.toml` continues the loop with these rules." in said.out
    (entry,) = json.loads(call("rejudge", "--json").out)["runs"]
    assert (entry["before"], entry["now"], entry["lacking"]) == (None, None, ["val/los"])
    then = project.call("resume", "--rules", "mine.toml", "--no-ui")
    assert then.returncode == 0, then.stdout + then.stderr
    assert "all 2 rounds done" in then.stdout
    assert len(project.attempts()) == 2
    assert re.search(r"base +slow +slow", call("rejudge").out)


def test_resume_refuses_rules_that_cannot_be_read_and_keeps_its_own(project: CommandProject, call: Call) -> None:
    config(project)
    rules(project, RULES.replace("val/loss", "val/los"))
    project.call("run", "--cfgs", "base.json", *LAUNCH, "--rules", "mine.toml", "--decide", "--rounds", "2", *GO)
    (project.folder / "bad.toml").write_text("name = 1")
    said = call("resume", "--rules", "bad.toml")
    assert said.code == 2
    assert "bad.toml" in said.err
    assert project.loop().spec.rules == str(project.folder / "mine.toml")
