"""`extend` on an ended loop: an engine is started for it, but an impossible request is refused before that."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Call
from tests.cli.project import LAUNCH, CommandProject
from tests.engine.resuming import PRESET

RUN = ("--device", "cpu", "--steps", "20", "--exec", "--no-ui")


@pytest.fixture
def ended(project: CommandProject) -> CommandProject:
    """A finished loop with the runs `base`, of 20 steps, and `bare`, which left no checkpoint."""
    (project.folder / "resuming.toml").write_text(PRESET)
    for name, more in {"base": {}, "bare": {"save_checkpoint": False}}.items():
        (project.folder / f"{name}.json").write_text(json.dumps({"name": name, **more}))
    done = project.call("run", "--cfgs", "base.json", "bare.json", "--preset", "./resuming.toml", *RUN)
    assert done.returncode == 0, done.stderr
    return project


def test_a_run_of_a_finished_loop_is_extended_in_the_background(ended: CommandProject, call: Call) -> None:
    said = call("extend", "base", "--steps", "40")
    assert (said.code, said.err) == (0, "")
    assert "continues from its checkpoint, from step 20 to 40, in the same output directory; loop_" in said.out
    assert "continues in the background" in said.out
    assert call("wait").code == 0
    run = json.loads(call("runs", "--json").out)["runs"][0]
    assert (run["state"], run["step"], run["total_steps"], run["attempts"]) == ("finished", 40, 40, 2)
    assert "finished: its round has finished" in call("status").out


def test_a_refusal_starts_no_engine(ended: CommandProject, call: Call) -> None:
    before = ended.loop()
    for words, fragment in (
        (("base", "--steps", "20"), "has already made 20 steps; give a larger total"),
        (("bare", "--steps", "40"), "has no checkpoint"),
        (("nosuch", "--steps", "40"), 'no run "nosuch"'),
        (("base", "--steps", "many"), 'a whole number, not "many"'),
        (("base",), "extend needs --steps"),
    ):
        said = call("extend", *words)
        assert (said.code, said.out) == (2, "")
        assert said.err.count("\n") == 1
        assert fragment in said.err
    assert ended.loop() == before
    with ended.open_store() as store:
        assert not store.open_commands(before.id)


def test_a_trainer_that_cannot_resume_is_named(project: CommandProject, call: Call) -> None:
    project.config()
    assert project.call("run", "--cfgs", "base.json", *LAUNCH, *RUN).returncode == 0
    said = call("extend", "base", "--steps", "40")
    assert said.code == 2
    assert "The preset plain has no [resume] table" in said.err
