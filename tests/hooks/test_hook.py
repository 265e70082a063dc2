"""`[hooks]` in autoloop.toml: valid settings, and the sentences for invalid ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from autoloop.hooks.hook import EVENTS, unset
from autoloop.hooks.service import load_service, service_names, service_text
from autoloop.model import HookEvent, UserError
from autoloop.settings import load_settings


def test_a_hook_is_read_with_its_defaults(tmp_path: Path) -> None:
    (tmp_path / "autoloop.toml").write_text(
        '[hooks.phone]\nservice = "ntfy"\nurl = "https://ntfy.sh/${TOPIC}"\nevents = ["winner"]\n'
        'headers = { Authorization = "Bearer ${NTFY_TOKEN}" }\n'
        "[hooks.mine]\ncommand = \"notify-send 'Auto Loop'\"\n"
    )
    hooks = load_settings(tmp_path).hooks
    assert hooks["phone"].events == ["winner"]
    assert (hooks["phone"].timeout, hooks["phone"].tries) == (10.0, 5)
    assert unset(hooks["phone"], {"TOPIC": "x", "NTFY_TOKEN": ""}) == ["NTFY_TOKEN"]
    assert hooks["mine"].argv == ["notify-send", "Auto Loop"]
    assert hooks["mine"].events == EVENTS == [event.value for event in HookEvent if event is not HookEvent.TEST]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "needs either command or url"),
        ('command = "a"\nurl = "https://a.example"', "needs either command or url"),
        ('command = "  "', "has an empty command"),
        ('command = "a \'b"', "cannot be split into words"),
        ('command = "a"\nsecret = "${X}"', "has secret, which belongs to a url"),
        ('command = "curl https://hooks.slack.com/services/T0000/B0000/abcdefgh"', "has a secret in its command"),
        ('url = "ftp://a.example"', "begins with http:// or https://"),
        ('url = "https://a.example/ b"', "a space or a control character"),
        ('url = "https://hooks.slack.com/services/T0000/B0000/abcdefgh"', "has a secret in its url"),
        ('url = "https://open.feishu.cn/open-apis/bot/v2/hook/0a1b2c3d-0a1b-2c3d"', "has a secret in its url"),
        ('url = "https://oapi.dingtalk.com/robot/send?access_token=0a1b2c3d4e5f6071"', "has a secret in its url"),
        ('url = "https://hooks.slack.com/workflows/T0000/A0000/abcdefgh"', "has a secret in its url"),
        ('url = "https://hooks.slack.com/triggers/T0000/1234/abcdefgh"', "has a secret in its url"),
        ('url = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0a1b2c3d-abcdefgh"', "has a secret in its url"),
        ('url = "https://api.telegram.org/bot123456:AAabcdefgh-0a1b2c3d4e5f/sendMessage"', "has a secret in its url"),
        ('url = "https://a.webhook.office.com/webhookb2/0a1b@2c3d/IncomingWebhook/abcdefgh"', "has a secret in its url"),
        ('url = "https://a.example/?to=me&key=abcdefgh"', "has a secret in its url"),
        ('url = "https://a.example/workflows?sig=abcdefgh"', "has a secret in its url"),
        ('url = "https://me:passw0rd@a.example/"', "has a secret in its url"),
        ('url = "https://a.example"\nsecret = "abcdefgh12345"', "needs the name of a variable as its secret"),
        ('url = "https://a.example"\nheaders = { Authorization = "Bearer abcdefgh12345678" }', "a secret in the header"),
        ('url = "https://a.example"\nheaders = { "a b" = "c" }', "a header that cannot be sent"),
        ('url = "https://a.example"\nheaders = { a = "b\\nc: d" }', "a header that cannot be sent"),
        ('url = "https://a.example"\nevents = []', "at least 1"),
        ('url = "https://a.example"\nevents = ["test"]', '"round waits", "run failed"'),
        ('url = "https://a.example"\ntimeout = 0', "must be more than 0"),
        ('url = "https://a.example"\ntires = 3', 'did you mean "tries"?'),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(tmp_path: Path, lines: str, said: str) -> None:
    (tmp_path / "autoloop.toml").write_text(f"[hooks.phone]\n{lines}\n")
    with pytest.raises(UserError) as refused:
        load_settings(tmp_path)
    assert said in str(refused.value)
    assert "abcdefgh" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ntfy.sh/${TOPIC}", "https://ntfy.sh/${TOPIC}"),
        ("${WEBHOOK}", "${WEBHOOK}"),
        ("${BASE}/abcdefgh", "${BASE}/…"),
        ("${BASE}?key=${KEY}", "${BASE}…"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://a.example/abcdefgh/${X}?to=me", "https://a.example/…"),
        ("https://${NAME}@${HOST}:80/", "https://${HOST}:80/"),
        ("https://a.example/?key=${KEY}", "https://a.example/…"),
    ],
)
def test_of_an_address_its_host_and_its_variables_are_shown(tmp_path: Path, url: str, shown: str) -> None:
    (tmp_path / "autoloop.toml").write_text(f'[hooks.phone]\nurl = "{url}"\n')
    assert load_settings(tmp_path).hooks["phone"].target == shown


def test_a_service_that_ships_can_be_copied_and_changed(tmp_path: Path) -> None:
    assert service_names() == ["dingtalk", "feishu", "ntfy", "slack"]
    for name in service_names():
        (tmp_path / "mine.toml").write_text(service_text(name))
        assert load_service("mine.toml", tmp_path) == load_service(name, tmp_path)
    with pytest.raises(UserError, match="did you mean feishu"):
        load_service("feishuu", tmp_path)
    (tmp_path / "mine.toml").write_text('body = "{text}"\n[sign]\nkey = "a"\nmessage = "b"\nunit = "s"\nwhere = "body"\n')
    with pytest.raises(UserError, match="write \\[body\\] as a table"):
        load_service("mine.toml", tmp_path)
