"""`rules`: the active rules with their records; and the record beside each proposal of `proposals`."""

from __future__ import annotations

import json

import pytest
from autoloop.model import Actor, Evidence, Proposal, ProposalStatus
from autoloop.store import Store

from tests.cli.conftest import Call
from tests.cli.past_loops import PastLoop, curve
from tests.cli.project import CommandProject

BOOK = """
name = "mine"
version = "3"
[[rule]]
id = "more-lr"
when = "eval_loss.last > 0.1"
reason = "it is slow"
changes = ["lr@mul=2"]
[[rule]]
id = "hopeless"
scope = "live"
between = [100, 300]
when = "eval_loss.last > 100"
reason = "it gets nowhere"
[default]
reason = "nothing stood out"
changes = ["seed@add=1"]
"""


def history(project: CommandProject) -> None:
    """Add a loop with four seeds of a config and of its variant by more-lr, which is better; and a rule of another book."""
    with Store.open(project.folder, create=True) as store:
        loop = PastLoop(store, preset="plain")
        for lr, level in ((1.0, 2.0), (2.0, 1.0)):
            for seed in range(4):
                loop.add(
                    f"lr={lr},seed={seed}",
                    curve(*[level + seed / 100] * 3),
                    {"lr": lr, "seed": seed},
                    group=f"g{lr}",
                    seed=str(seed),
                )
        for number, rule, status in ((1, "more-lr", ProposalStatus.LAUNCHED), (2, "old", ProposalStatus.REJECTED)):
            store.put_proposal(
                Proposal(
                    id=number,
                    loop=1,
                    round=1,
                    base_run="l1r0",
                    author=Actor.rule(rule),
                    reason="it is slow",
                    edits=["lr@mul=2"],
                    status=status,
                    run="l1r4" if status is ProposalStatus.LAUNCHED else None,
                    evidence=Evidence(rule=rule, rule_version="mine 3", when="eval_loss.last > 0.1"),
                )
            )


def test_every_rule_is_listed_with_what_it_does_and_its_record(project: CommandProject, call: Call) -> None:
    history(project)
    project.write("mine.toml", BOOK)
    said = " ".join(call("rules", "mine.toml").out.split())
    assert said.startswith("mine 3: 3 rules")
    assert "more-lr when eval_loss.last > 0.1 then lr@mul=2 why it is slow" in said
    assert "record fired 1 time, 1 approved, 0 rejected, 1 ran; helped 1 of 1 (95 %: 21–100 %), hurt 0 (this" in said
    assert "hopeless when eval_loss.last > 100 then live, steps 100–300, stops the run" in said
    assert "record has not fired in this project" in said
    assert "default when no rule fired then seed@add=1" in said
    assert "Also in this project: rule old: fired 1 time, none of its proposals has run (this project)" in said


def test_programs_get_the_counts(project: CommandProject, call: Call) -> None:
    history(project)
    project.write("mine.toml", BOOK)
    found = json.loads(call("rules", "mine.toml", "--json").out)
    first, live, default = found["rules"]
    assert (found["name"], first["id"], first["scope"], live["scope"], default["id"]) == (
        "mine", "more-lr", "end", "live", "default",
    )  # fmt: skip
    assert first["edits"] == [["lr@mul=2"]]
    kept = first["record"]
    assert (kept["fired"], kept["approved"], kept["ran"], kept["helped"], kept["hurt"]) == (1, 1, 1, 1, 0)
    assert kept["interval95"] == pytest.approx([0.2065, 1.0], abs=1e-4)
    assert live["record"] is None
    assert found["others"]["old"]["rejected"] == 1


def test_the_projects_rules_are_those_in_force(project: CommandProject, call: Call) -> None:
    project.write("mine.toml", BOOK)
    project.write("autoloop.toml", 'rules = "mine.toml"')
    assert call("rules").out.startswith("mine 3: 3 rules")


def test_python_rules_are_one_that_cannot_be_listed(project: CommandProject, call: Call) -> None:
    project.write("mine.py", "def decide(summary):\n    return []\n")
    said = " ".join(call("rules", "mine.py").out.split())
    assert "mine.py when decide(summary) then what it returns record has not fired in this project" in said


def test_without_rules_one_sentence_says_what_to_do(project: CommandProject, call: Call) -> None:
    said = call("rules").out.strip()
    assert said.startswith("No active rules")
    assert "autoloop-tui rules BOOK" in said
    assert json.loads(call("rules", "--json").out) == {
        "schema": "rules/1",
        "name": None,
        "version": None,
        "rules": [],
        "others": {},
    }
    history(project)
    assert "No active rules" in call("rules").out


def test_a_book_that_is_not_there_is_one_sentence(project: CommandProject, call: Call) -> None:
    done = call("rules", "nowhere.toml")
    assert done.code == 2
    assert "nowhere.toml" in done.err
    assert done.err.count("\n") == 1


def test_a_proposal_is_shown_with_the_record_of_its_rule(project: CommandProject, call: Call) -> None:
    history(project)
    said = " ".join(call("proposals").out.split())
    assert "rule more-lr: helped 1 of 1 (95 %: 21–100 %), hurt 0 (this project)" in said
    assert "rule old: fired 1 time, none of its proposals has run (this project)" in said
    first, second = json.loads(call("proposals", "--json").out)["proposals"]
    assert (first["record"]["helped"], second["record"]["rejected"]) == (1, 1)
