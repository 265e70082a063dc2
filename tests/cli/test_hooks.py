"""`hooks`, and what `status` and `doctor` report about hooks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Call
from tests.cli.project import LAUNCH, CommandProject
from tests.support.receiver import Receiver, receiving
from tests.support.waiting import eventually


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with receiving() as receiver:
        yield receiver


def test_without_hooks_an_example_is_shown_and_services_can_be_copied(project: CommandProject, call: Call) -> None:
    said = call("hooks")
    assert said.code == 0
    assert '[hooks.phone]\nservice = "ntfy"' in said.out
    assert call("hooks", "--show", "feishu").out.endswith('text = "{next}" }]]\n')
    assert call("hooks", "--show", "feishuu").err == ('autoloop-tui: There is no service "feishuu"; did you mean feishu?\n')
    assert "autoloop.toml has no [hooks]" in call("hooks", "--test", "phone").err


def test_a_test_is_sent_and_what_came_back_is_printed(
    project: CommandProject, call: Call, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROBOT", f"{receiver.url}/json/0123456789abcdef")
    receiver.answer = {"errcode": 0, "errmsg": "ok"}
    project.write(
        "autoloop.toml",
        '[hooks.group]\nservice = "dingtalk"\nurl = "${ROBOT}"\n[hooks.bad]\nurl = "' + receiver.url + '/500"\n',
    )
    said = call("hooks", "--test", "group")
    assert said.code == 0
    assert said.out.startswith("hook group: delivered after ")
    assert '"errcode": 0' in said.out
    assert receiver.posted[0].json["text"]["content"].startswith("Auto Loop: test\n")
    said = call("hooks", "--test", "bad")
    assert said.code == 1
    assert "failed" in said.out
    assert "HTTP 500" in said.out
    assert "did you mean group?" in call("hooks", "--test", "groop").err


def test_the_list_and_doctor_say_what_cannot_work(project: CommandProject, call: Call, receiver: Receiver) -> None:
    project.config("a")
    project.write(
        "autoloop.toml",
        '[hooks.group]\nservice = "feishu"\nurl = "${NO_SUCH_VARIABLE}"\nevents = ["winner"]\n'
        '[hooks.desk]\ncommand = "no-such-command-here -v"\n'
        f'[hooks.mine]\nurl = "{receiver.url}/ok"\n[hooks.odd]\nurl = "{receiver.url}/ok"\nservice = "odd.toml"\n',
    )
    document = json.loads(call("hooks", "--json").out)["hooks"]
    assert [each["name"] for each in document] == ["group", "desk", "mine", "odd"]
    assert document[0]["obstacle"] == "NO_SUCH_VARIABLE is not set here"
    assert document[0]["kind"] == "feishu"
    assert document[1]["obstacle"] == "command not found: no-such-command-here"
    assert (document[2]["obstacle"], document[2]["health"]) == (None, None)
    assert "odd.toml" in document[3]["obstacle"]
    text = call("hooks").out
    assert "not called yet" in text
    assert "NO_SUCH_VARIABLE is not set here" in text
    found = json.loads(call("doctor", "--cfgs", "a.json", *LAUNCH, "--device", "cpu", "--json").out)["findings"]
    levels = {each["subject"]: each["level"] for each in found if each["subject"].startswith("hook ")}
    assert levels == {"hook group": "warning", "hook desk": "warning", "hook mine": "ok", "hook odd": "warning"}
    assert receiver.posted == []


def test_status_shows_a_hook_that_fails(project: CommandProject, receiver: Receiver) -> None:
    project.config("a")
    project.write("autoloop.toml", f'[hooks.phone]\nurl = "{receiver.url}/404"\n')
    ran = project.call("run", "--cfgs", "a.json", *LAUNCH, "--device", "cpu", "--exec", "--no-ui")
    assert ran.returncode == 0, ran.stderr
    with project.open_store() as store:
        loop = store.loops(1)[0]
        eventually(lambda: not store.open_deliveries(loop.id), "the end of the loop is refused")
    said = project.call("status")
    assert "hook phone fails: HTTP 404: as asked; 1 message given up" in said.stdout
    (health,) = json.loads(project.call("status", "--json").stdout)["hooks"]
    assert (health["hook"], health["given_up"]) == ("phone", 1)
    assert "fails" in project.call("hooks").stdout
