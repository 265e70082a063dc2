"""`check`: a variant before it is proposed, with the preflight and the most similar past runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from autoloop import foresight
from autoloop.model import RunState

from tests.cli.conftest import Call
from tests.cli.past_loops import PastLoop, curve, open_store
from tests.cli.project import TRAINER, CommandProject, tree

BOOK = """
name = "mine"
version = "1"

[[rule]]
id = "high"
scope = "live"
between = [200, 400]
when = "eval_loss.last > 5"
reason = "too high"

[[rule]]
id = "more-lr"
when = "eval_loss.last > 1"
reason = "more"
changes = ["lr@mul=2"]
"""


@pytest.fixture
def past(project: CommandProject) -> CommandProject:
    """Three runs of one trainer: the second is like lr=2 of the first, with another seed; the third differs in more."""
    project.write("mine.toml", BOOK)
    book = str(project.folder / "mine.toml")
    with open_store(project.folder) as store:
        loop = PastLoop(store, preset="plain", rules=book, train_script=str(TRAINER), python=str(Path("/usr/bin/env")))
        loop.add("first", curve(1.0, 0.9, 0.8), {"lr": 1.0, "seed": 1, "width": 8})
        loop.add("second", curve(9.0, 9.0, 9.0, 2.0), {"lr": 2.0, "seed": 2, "width": 8})
        loop.add("third", curve(3.0), {"lr": 7.0, "seed": 3, "width": 9}, state=RunState.FAILED)
    return project


def files(project: CommandProject) -> dict[str, bytes]:
    """Return the contents of all files except SQLite's own."""
    return {path: content for path, (_, content) in tree(project.folder).items() if "autoloop.db" not in path}


def checked(call: Call, *edits: str, code: int = 0) -> Any:
    said = call("check", "first", "--changes", *edits, "--json")
    assert said.code == code, said.err
    return json.loads(said.out)


def test_a_variant_is_shown_with_what_past_runs_and_the_preflight_say_and_nothing_is_written(
    past: CommandProject, call: Call
) -> None:
    call("runs")  # create whatever a first read creates
    before = files(past)
    found = checked(call, "lr=2", code=1)
    assert [(each["path"], each["before"], each["after"]) for each in found["changes"]] == [("lr", 1.0, 2)]
    assert found["blocked"] is None
    likest, base, other = found["past"]
    assert (likest["name"], [each["path"] for each in likest["differs"]]) == ("second", ["seed"])
    assert (likest["ending"], likest["at"], likest["rule"], likest["proposed"]) == ("stopped", 200, "high", ["more-lr"])
    assert (base["name"], base["ending"], base["proposed"]) == ("first", "untouched", [])
    assert (other["name"], other["state"]) == ("third", "failed")
    # /usr/bin/env is not a Python, so the run could not start.
    assert not found["ready"]
    assert "interpreter" in {each["subject"] for each in found["findings"] if each["level"] == "error"}
    assert found["left_out"] == []
    text = call("check", "first", "--changes", "lr=2").out
    assert "stopped at 200 by high; proposes more-lr" in text
    assert files(past) == before


def test_what_may_not_run_is_not_looked_at_further(past: CommandProject, call: Call) -> None:
    found = checked(call, "lrr=2", code=1)
    assert "would create a new key" in found["blocked"]
    assert (found["findings"], found["past"], len(found["left_out"])) == ([], [], 1)


def test_what_there_was_no_time_for_is_said(past: CommandProject, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foresight, "BACKTEST", -1.0)
    found = checked(call, "lr=2", code=1)
    assert found["past"] == []
    assert found["left_out"] == ["3 of 3 past runs: only the newest were compared"]
