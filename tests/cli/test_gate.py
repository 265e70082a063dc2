"""Who may start a loop: a person, and what a person has scheduled; a coding agent only if autoloop.toml allows it."""

from __future__ import annotations

import json

from tests.cli.project import LAUNCH, CommandProject

AGENT = {"CLAUDECODE": "1"}


def test_an_agent_plans_and_starts_what_the_settings_open_to_it(project: CommandProject) -> None:
    project.config("base")
    project.config("other", seed=2)
    words = ["run", "--cfgs", "base.json", *LAUNCH, "--device", "cpu", "--no-ui"]
    assert project.call(*words, env=AGENT).returncode == 0  # the plan
    begun = [
        [*words, "--exec"],
        ["generate", "--base-cfg", "base.json", "--changes", "seed=7", *LAUNCH, "--device", "cpu", "--no-ui", "--exec"],
        ["demo", "here"],
    ]
    for each in begun:
        refused = project.call(*each, env=AGENT)
        assert refused.returncode == 2
        assert "Only a person may start a loop, but this came from the agent claude-code: ask a person" in refused.stderr
    assert sorted(path.name for path in project.folder.iterdir()) == ["base.json", "other.json"]

    project.write("autoloop.toml", '[agents.claude-code]\nallow = ["start"]\nruns = 1\n')
    more = project.call("run", "--cfgs", "base.json", "other.json", *words[3:], "--exec", env=AGENT)
    assert "runs = 1: the first round has 2 runs; ask a person to start it" in more.stderr
    assert project.call(*words, "--exec", env=AGENT).returncode == 0
    begun_by = json.loads(project.call("status", "--json").stdout)["loop"]["started_by"]
    assert begun_by["agent"] == "claude-code"

    scheduled = project.call("run", "--cfgs", "other.json", *words[3:], "--exec", alone=True)  # cron, nohup
    assert scheduled.returncode == 0, scheduled.stderr
    assert project.loop().started_by is not None
    assert project.loop().started_by.words.endswith("without a terminal")

    assert project.call("agents", "--hold").stdout == "all agents are held: they can read but not send requests\n"
    assert "all agents are held (by " in project.call("status").stdout
    assert project.call("note", "loop", "hello").returncode == 0  # sent by a person
    assert "All agents are held in loop_" in project.call("note", "loop", "hello", env=AGENT).stderr
    assert "All agents are held in loop_" in project.call("agents", "--release", env=AGENT).stderr
    assert "All agents are held in loop_" in project.call(*words, "--seeds", "2", "--exec", env=AGENT).stderr
    assert "`free` needs a person" in project.call("disk", "--empty", env=AGENT).stderr
    opened = (project.folder / "autoloop.toml").read_text().replace('"start"', '"start", "free"')
    project.write("autoloop.toml", opened)
    assert "All agents are held in loop_" in project.call("disk", "--empty", env=AGENT).stderr
    told = json.loads(project.call("agents", "--json").stdout)
    assert told["held"]["by"] == project.call("agents").stdout.split("(by ")[1].split(",")[0]
    assert told["actors"][0]["actor"] == "script"
    assert "script" in project.call("agents").stdout
    assert project.call("agents", "--release").stdout == "agents may send requests again\n"
    assert "not both" in project.call("agents", "--hold", "--release").stderr
