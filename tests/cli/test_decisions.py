"""`--approve manual`: a loop that waits, and a person who decides from another terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Call
from tests.cli.project import LAUNCH, CommandProject, Running

WORDS = (*LAUNCH, "--device", "cpu", "--rounds", "2", "--decide", "--approve", "manual", "--exec", "--no-ui")


@pytest.fixture
def loop(project: CommandProject) -> Running:
    """A loop of two runs that waits for decisions on proposals 1 and 2."""
    (project.folder / "autoloop.toml").write_text("grace = 0\n")
    project.config("base")
    project.config("other", number=2)
    running = project.start("run", "--cfgs", "base.json", "other.json", *WORDS)
    running.hear("waits for a decision on 2 proposals")
    return running


def reg(proposal: dict[str, Any]) -> float:
    return next(float(change["after"]) for change in proposal["changes"] if change["path"].endswith("reg"))


def test_the_next_round_is_what_a_person_made_of_the_proposals(loop: Running, project: CommandProject, call: Call) -> None:
    assert "waits for decisions on the proposals for round 2" in call("status").out
    assert json.loads(call("status", "--json").out)["waits_for"]
    listed = call("proposals").out
    assert "#1  pending  round 1 → 2  from base" in listed
    assert "ot.loss_config.reg  0.1 → 0.16" in listed
    assert re.search(r"because ot_pi_sum.last = 1e-8 < 0.001  \(4 points, steps 5–20\)", listed)

    slip = call("edit", "1", "--changes", "ot.loss_config.rge=0.2")
    assert "to create the new one, write ot.loss_config.rge@new=0.2." in slip.err
    slip = call("edit", "1", "--changes", "ot.loss_config.rge@new=0.2")
    assert "note: ot.loss_config.rge is a new key (the nearest existing one is ot.loss_config.reg)" in slip.out
    edited = call("edit", "1", "--changes", "ot.loss_config.reg@mul=2", "ot.window_size=12")
    assert edited.out.startswith("proposal 1 is saved: ot.loss_config.reg 0.1 → 0.2, ot.window_size 10 → 12")
    again = call("edit", "1", "--reason", "twice as strong", "--expect", "eval_l1 lower")
    assert again.out.startswith("proposal 1 is saved: ot.loss_config.reg 0.1 → 0.2, ot.window_size 10 → 12")
    listed = call("proposals").out
    assert "twice as strong" in listed
    assert call("reject", "2", "--reason", "not that one").out == "proposal 2 is rejected: not that one\n"
    wrong = call("propose", "other", "--changes", "ot.loss_config.reg=0.5", "--kill-if", "ot_pi_sm.last < 1")
    assert 'unknown name "ot_pi_sm"; did you mean "ot_pi_sum"?' in wrong.err
    proposed = call(
        *("propose", "other", "--changes", "ot.loss_config.reg=0.5"), "--reason", "why not", "--kill-if", "steps > 1e9"
    )
    assert proposed.out.startswith("proposal 3 from other: ot.loss_config.reg 0.1 → 0.5")
    for words in (["approve", "1"], ["start"], ["stop"]):  # as from cron or CI
        alone = project.call(*words, alone=True)
        assert alone.returncode == 2
        assert f"`{words[0]}` needs a person at a terminal, but this came from a command without a terminal" in alone.stderr
    agent = project.call("approve", "1", env={"CLAUDECODE": "1"})
    assert "the agent claude-code: ask a person to run it" in agent.stderr
    tag = re.search(r"#1  pending  .*  (1@[0-9a-f]{8})\n", call("proposals").out)
    assert tag is not None
    assert f"Proposal 1 is now {tag[1]}; review it again" in call("approve", "1@0123abcd").err
    assert '"1@xyz" is not a proposal' in call("approve", "1@xyz").err
    assert call("note", "proposal", "2", "a pity").out == "noted on proposal 2\n"
    assert call("note", "base", "steady", "so far").out.startswith("noted on run ")
    assert "Give the text of the note" in call("note", "loop").err
    assert "Name the round by its number" in call("note", "round", "slow").err
    assert re.search(r"\n    \w+ notes: a pity", call("proposals").out)
    assert re.search(r"\nnotes:\n  proposal 2, \w+: a pity\n  run \w+, \w+: steady so far", call("status").out)
    assert call("approve", tag[1]).out == "proposal 1 is approved\n"
    asked = json.loads(call("status", "--json").out)["requests"]
    assert (asked[-1]["request"], asked[-1]["ok"]) == ("approve", True)
    assert asked[-1]["sender"]["terminal"] == "/dev/pts/7"
    notes = json.loads(call("status", "--json").out)["notes"]
    assert [(each["target"], each["text"]) for each in notes] == [("proposal", "a pity"), ("run", "steady so far")]
    first = json.loads(call("proposals", "--json").out)["proposals"][0]
    assert (first["decided_by"], first["decided_from"]["terminal"]) == (first["decided_from"]["user"], "/dev/pts/7")
    assert f"decided by {first['decided_by']} (/dev/pts/7, below " in call("proposals").out
    third = json.loads(call("proposals", "--json").out)["proposals"][2]
    assert (third["status"], reg(third), third["reason"]) == ("pending", 0.5, "why not")
    assert call("start").code == 0  # with the approved ones: proposal 3 is still pending and is left behind

    assert loop.wait() == 0
    assert [proposal["status"] for proposal in json.loads(call("proposals", "--json").out)["proposals"]] == [
        "launched",
        "rejected",
        "lapsed",
    ]
    ran = json.loads(call("runs", "--round", "2", "--json").out)["runs"]
    assert [run["name"] for run in ran] == ["base_r2_1"]
    config = json.loads(Path(ran[0]["config_path"]).read_text())
    assert (config["ot"]["loss_config"]["reg"], config["ot"]["window_size"]) == (0.2, 12)
    assert f"\nWrote variant: {ran[0]['source_path']} (" in loop.said


def test_the_round_starts_by_itself_when_nothing_is_left_to_decide(
    loop: Running, project: CommandProject, call: Call
) -> None:
    assert call("approve", "--all").out == "proposals 1, 2 are approved\n"
    assert loop.wait() == 0
    assert len(json.loads(call("runs", "--json").out)["runs"]) == 4


def test_a_decision_can_be_taken_back_until_the_round_starts(loop: Running, project: CommandProject, call: Call) -> None:
    assert call("hold").code == 0
    assert call("approve", "1", "2").code == 0
    assert call("undo", "1").out == "proposal 1 is pending\n"
    assert call("undo").out.startswith("proposal 2 is pending again")
    assert call("approve", "2").code == 0
    assert call("reject", "1").code == 0
    assert call("start").code == 0
    assert loop.wait() == 0
    assert [run["name"] for run in json.loads(call("runs", "--round", "2", "--json").out)["runs"]] == ["other_r2_1"]


def test_the_start_that_follows_the_last_decision_is_announced(project: CommandProject, call: Call) -> None:
    (project.folder / "autoloop.toml").write_text("grace = 3600\n")
    project.config("base")
    running = project.start("run", "--cfgs", "base.json", *WORDS)
    running.hear("waits for a decision on 1 proposal")
    assert re.search(r"round 2 starts in 3\d{3} s; until then `autoloop-tui undo`", call("approve", "1").out)
    running.hear(" s; until then `autoloop-tui undo`")
    assert "round 2, which starts in 3" in call("status").out
    assert call("start").code == 0
    assert running.wait() == 0


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        (["edit", "1", "--changes", "ot.new_config.reg=1.5e0", "ot.nowhere@mul=2"], ["matches nothing", "ot.nowhere"]),
        (["edit", "1", "--changes", "ot.loss_config.rge@mul=2"], ["matches nothing", "ot.loss_config.reg"]),
        (["edit", "1", "--changes", "ot.loss_config.reg@mull=2"], ["mull", '"mul"']),
        (["edit", "1", "--changes", "ot.loss_config.reg"], ["path@op=value"]),
        (["edit", "1"], ["Nothing to change: give --changes"]),
        (["edit", "9", "--changes", "ot.loss_config.reg=2"], ["no proposal 9", "1 to 2"]),
        (["propose", "base", "--changes", "ot.loss_config.rge@mul=2"], ["Nothing was proposed", "matches nothing"]),
        (["propose", "nosuch", "--changes", "ot.loss_config.reg=2"], ['no run "nosuch"']),
        (["propose", "base", "--changes", "ot.loss_config.reg=0.1"], ["Nothing was proposed"]),
        (["propose", "base", "--changes", "trainer.number=2"], ["Nothing was proposed", "other"]),
        (["approve", "9"], ["no proposal 9"]),
        (["reject", "8", "9"], ["no proposal 8", "no proposal 9"]),
        (["approve"], ["Give proposal numbers", "--all"]),
        (["stop", "nosuch"], ['no run "nosuch"']),
        (["retry", "base"], ["has finished", "propose a variant"]),
        (["logs", "bse"], ['no run "bse"', "did you mean base?"]),
        (["runs", "--round", "7"], ["no round 7"]),
        (["status", "--loop", "nosuch"], ['no loop "nosuch"', "status --all"]),
    ],
)
def test_what_cannot_be_done_is_one_sentence(shared: Call, words: list[str], fragments: list[str]) -> None:
    call = shared
    before = call("proposals", "--json").out
    said = call(*words)
    assert (said.code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert said.err.startswith("autoloop-tui: ")
    for fragment in fragments:
        assert fragment in said.err
    assert call("proposals", "--json").out == before


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandProject]:
    """A loop that waits, shared by all tests that change nothing in it."""
    project = CommandProject(tmp_path_factory.mktemp("waiting"))
    project.config("base")
    project.config("other", number=2)
    project.start("run", "--cfgs", "base.json", "other.json", *WORDS).hear("waits for a decision on 2 proposals")
    yield project
    project.close()


@pytest.fixture
def shared(waiting: CommandProject, call: Call, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(waiting.folder)
    return call
