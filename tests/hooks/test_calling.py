"""Single calls of hooks: real requests to a server on loopback, and real commands."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from autoloop.hooks.calling import Reply, call
from autoloop.hooks.hook import Hook
from autoloop.hooks.service import Target, load_service

from tests.support.receiver import Receiver

Message = dict[str, Any]


def web(
    url: str, told: Message, *, service: str | None = None, environment: dict[str, str] | None = None, **hook: Any
) -> Reply:
    target = Target(hook=Hook(url=url, service=service, **hook), service=load_service(service, Path()) if service else None)
    return call(target, told, {**os.environ, **(environment or {})}, Path())


def command(words: str, told: Message, folder: Path, **hook: Any) -> Reply:
    return call(Target(hook=Hook(command=words, **hook)), told, {**os.environ, "AUTOLOOP_SECRET_X": "12345678"}, folder)


def script(folder: Path, text: str) -> str:
    path = folder / "hook.py"
    path.write_text(text)
    return f"{sys.executable} {path}"


def test_what_a_server_answers_decides(receiver: Receiver, told: Message) -> None:
    assert web(f"{receiver.url}/ok", told) == Reply(True, "HTTP 200: ok")
    assert receiver.posted[0].json == told
    assert web(f"{receiver.url}/500", told) == Reply(False, "HTTP 500: as asked")
    assert web(f"{receiver.url}/404", told) == Reply(False, "HTTP 404: as asked", final=True)
    assert web(f"{receiver.url}/429", told) == Reply(False, "HTTP 429: slow down", wait=77)
    assert "as asked" not in web(f"{receiver.url}/cut", told).text
    flood = web(f"{receiver.url}/flood", told)
    assert flood.ok
    assert len(flood.text) <= 200


def test_a_message_is_delivered_whatever_its_answer_and_the_process_print(receiver: Receiver, told: Message) -> None:
    noisy = {"LD_PRELOAD": "/no/such/library.so"}  # the loader reports it on standard error
    assert web(f"{receiver.url}/ok", told, environment=noisy) == Reply(True, "HTTP 200: ok")
    for byte in (b"\xff", b"\x01"):
        receiver.answer = byte * 3000
        assert web(f"{receiver.url}/json", told).ok
    assert len(receiver.posted) == 3


def test_a_redirect_is_followed_on_the_same_host_only(receiver: Receiver, told: Message) -> None:
    assert web(f"{receiver.url}/here", told).ok
    assert [each.path for each in receiver.posted] == ["/here", "/ok"]
    assert receiver.posted[1].json == told
    away = web(f"{receiver.url}/away", told)
    assert away == Reply(False, "HTTP 302: it redirects to elsewhere.invalid, which is not followed", final=True)


@pytest.mark.parametrize("path", ["hang", "drip"])
def test_a_server_that_holds_on_is_left_in_time(receiver: Receiver, told: Message, path: str) -> None:
    began = time.monotonic()
    reply = web(f"{receiver.url}/{path}", told, timeout=0.3)
    assert not reply.ok
    assert not reply.final
    assert "in time" in reply.text or "did not answer" in reply.text
    assert time.monotonic() - began < 60


def test_a_server_that_is_not_there(receiver: Receiver, told: Message) -> None:
    assert web("http://127.0.0.1:9/", told).text == "the connection was refused"
    reply = web("http://no-such-host.invalid/", told)
    assert not reply.ok
    assert not reply.final


def test_a_service_says_no_with_200(receiver: Receiver, told: Message) -> None:
    for service, good, bad in [
        ("feishu", {"code": 0, "msg": "success", "data": {}}, {"code": 19021, "msg": "sign match fail"}),
        ("feishu", {"StatusCode": 0, "StatusMessage": "success"}, {"code": 19024, "msg": "Key Words Not Found"}),
        ("dingtalk", {"errcode": 0, "errmsg": "ok"}, {"errcode": 310000, "errmsg": "sign not match"}),
    ]:
        receiver.answer = good
        assert web(f"{receiver.url}/json", told, service=service).ok
        receiver.answer = bad
        refused = web(f"{receiver.url}/json", told, service=service)
        assert (refused.ok, refused.final) == (False, True)
        assert next(iter(str(each) for each in bad.values())) in refused.text
    receiver.answer = {"errcode": "0", "errmsg": "ok"}  # some services answer with a string
    assert web(f"{receiver.url}/json", told, service="dingtalk").ok
    receiver.answer = {"errcode": 410100, "errmsg": "too fast"}
    busy = web(f"{receiver.url}/json", told, service="dingtalk")
    assert (busy.ok, busy.final, busy.wait) == (False, False, 600.0)
    receiver.answer = ["no", "document"]
    assert "its answer has no errcode" in web(f"{receiver.url}/json", told, service="dingtalk").text


def test_secrets_come_from_variables_and_are_never_shown(receiver: Receiver, told: Message) -> None:
    given = {"HOOK": f"{receiver.url}/json/0123456789abcdef", "KEY": "a-secret-of-mine"}
    receiver.answer = {"echo": [given["HOOK"], given["KEY"]]}
    reply = web("${HOOK}", told, secret="${KEY}", environment=given)
    assert reply.ok
    assert "0123456789abcdef" not in reply.text
    assert "a-secret-of-mine" not in reply.text
    assert receiver.posted[0].headers["x-autoloop-signature"].startswith("sha256=")
    assert web("${HOOK}", told, secret="${KEY}", environment={"HOOK": given["HOOK"]}) == Reply(
        False, "KEY is not set in the environment of the engine", final=True
    )


def test_a_proxy_of_the_environment_is_used(receiver: Receiver, told: Message) -> None:
    proxy = {"http_proxy": receiver.url, "no_proxy": ""}
    assert web("http://hooks.example.invalid/ok", told, environment=proxy).ok
    assert receiver.posted[0].path == "/ok"
    assert receiver.posted[0].headers["host"] == "hooks.example.invalid"


def test_a_command_gets_the_message_and_its_exit_code_decides(tmp_path: Path, told: Message) -> None:
    words = script(
        tmp_path,
        "import json, os, sys\nheld = [name for name in os.environ if name.startswith('AUTOLOOP_SECRET_')]\n"
        "json.dump([json.load(sys.stdin), os.environ['AUTOLOOP_RUN'], held, sys.argv[1:]], open('got.json', 'w'))\n"
        "print('x' * 5_000_000)\nprint('the end')\nsys.exit(len(sys.argv) - 2)",
    )
    assert command(f"{words} 'a b'", told, tmp_path) == Reply(True, "exit code 0: the end")
    assert json.loads((tmp_path / "got.json").read_text()) == [told, "a1b2c3", [], ["a b"]]
    assert command(f"{words} a b", told, tmp_path) == Reply(False, "exit code 1: the end")


def test_a_command_that_cannot_be_run(tmp_path: Path, told: Message) -> None:
    reply = command("no-such-command-here", told, tmp_path)
    assert (reply.ok, reply.final) == (False, True)


@pytest.mark.parametrize("how", ["time.sleep(1000)", "subprocess.Popen(['sleep', '1000']); time.sleep(1000)", "flood()"])
def test_a_command_that_does_not_end_is_killed(tmp_path: Path, told: Message, how: str) -> None:
    words = script(
        tmp_path,
        "import subprocess, sys, time\ndef flood():\n    while True: sys.stdout.write('x' * 65536)\n" + how,
    )
    began = time.monotonic()
    assert command(words, told, tmp_path, timeout=0.5) == Reply(False, "it did not end within 0.5 s and was killed") or (
        how == "flood()"
    )
    assert time.monotonic() - began < 60


def test_a_command_that_leaves_another_behind_holds_nothing_up(tmp_path: Path, told: Message) -> None:
    words = script(tmp_path, "import subprocess\nprint(subprocess.Popen(['sleep', '20']).pid, flush=True)")
    reply = command(words, told, tmp_path, timeout=15)
    assert reply.ok
    os.kill(int(reply.text.rpartition(" ")[2]), 9)
