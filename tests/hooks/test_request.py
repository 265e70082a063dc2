"""What is sent: the document, and the request that each service expects. Signatures are compared with those of openssl."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from autoloop.hooks.hook import Hook
from autoloop.hooks.request import AddressError, Request, line, request, variables
from autoloop.hooks.service import load_service

NOW = 1_700_000_000.1234
ENVIRONMENT = {"URL": "https://a.example/robot?access_token=t", "KEY": "feishu-secret", "SEC": "SECdingtalk"}


def made(told: dict[str, Any], service: str | None, **hook: Any) -> Request:
    hook = {"url": "${URL}", **hook}
    return request(Hook(**hook), load_service(service, Path()) if service else None, told, ENVIRONMENT, NOW, "agent/1")


def test_without_a_service_the_document_is_posted_and_signed_over_time_and_body(told: dict[str, Any]) -> None:
    sent = made(told, None, secret="${KEY}")
    assert json.loads(sent.body) == told
    assert told["version"] == 1
    assert told["loop"] == {"name": "loop_1700000000", "title": "my night"}
    assert told["run"] == {"id": "a1b2c3", "name": "base_lr"}
    assert sent.headers["X-Autoloop-Id"] == told["id"]
    assert sent.headers["X-Autoloop-Timestamp"] == "1700000000"
    wanted = hmac.new(b"feishu-secret", b"1700000000." + sent.body.encode(), hashlib.sha256).hexdigest()
    assert sent.headers["X-Autoloop-Signature"] == f"sha256={wanted}"
    assert "X-Autoloop-Signature" not in made(told, None).headers


def test_feishu_takes_a_post_whose_signature_is_in_the_body(told: dict[str, Any]) -> None:
    body = json.loads(made(told, "feishu", secret="${KEY}").body)
    # printf '' | openssl dgst -sha256 -hmac "$(printf '1700000000\nfeishu-secret')" -binary | base64
    assert (body["timestamp"], body["sign"]) == ("1700000000", "OrBzY1Y01Gq+HgJsl+7OfWcMVwc7YocohQm5iiZwjhU=")
    assert body["msg_type"] == "post"
    page = body["content"]["post"]["zh_cn"]
    assert page["title"] == "Auto Loop: run failed"
    assert page["content"][0][0] == {"tag": "text", "text": f"project on gpu7: {told['text']}"}
    assert page["content"][1][0]["text"] == "autoloop-tui logs a1b2c3"
    assert "sign" not in json.loads(made(told, "feishu").body)


def test_dingtalk_takes_a_text_whose_signature_is_in_the_address(told: dict[str, Any]) -> None:
    sent = made(told, "dingtalk", secret="${SEC}")
    # printf '1700000000123\nSECdingtalk' | openssl dgst -sha256 -hmac SECdingtalk -binary | base64, then as a parameter
    signature = "i8gHauF4lK5DHozeHgiguXYJnADZZJFfDZOqljWg1oU%3D"
    assert sent.url == f"https://a.example/robot?access_token=t&timestamp=1700000000123&sign={signature}"
    body = json.loads(sent.body)
    assert body["msgtype"] == "text"
    assert body["text"]["content"].splitlines()[0] == "Auto Loop: run failed"
    assert body["at"] == {"isAtAll": False}
    assert body["msgUuid"] == told["id"]
    assert "sign" not in made(told, "dingtalk").url


def test_slack_and_ntfy(told: dict[str, Any]) -> None:
    text = json.loads(made(told, "slack").body)["text"]
    assert "&lt;!channel&gt; out of memory &amp; more" in text
    sent = made(told, "ntfy", headers={"Authorization": "Bearer ${KEY}"})
    assert sent.body.splitlines() == [f"project on gpu7: {told['text']}", "autoloop-tui logs a1b2c3"]
    assert sent.headers["Title"] == "Auto Loop: run failed"
    assert sent.headers["Tags"] == "run_failed"
    assert sent.headers["Authorization"] == "Bearer feishu-secret"


def test_what_is_filled_in_is_text_and_nothing_else(told: dict[str, Any]) -> None:
    told["text"] = '"}],{next} {secret} <at user_id="all"></at> 中文'
    page = json.loads(made(told, "feishu", secret="${KEY}").body)["content"]["post"]["zh_cn"]
    assert page["content"][0][0]["text"].endswith('"}],{next} {secret} <at user_id="all"></at> 中文')


@pytest.mark.parametrize("url", ["file:///etc/passwd", "https://", "https://a.example:x/", "//a", "https://ä.example/"])
def test_an_address_of_a_variable_is_http_or_nothing_is_sent(told: dict[str, Any], url: str) -> None:
    with pytest.raises(AddressError):
        request(Hook(url="${URL}"), None, told, {"URL": url}, NOW, "agent/1")


def test_a_text_is_one_bounded_line_without_secrets() -> None:
    found = line("a\x1b[31m\nb\x00 token=abcdefgh12345 s3cr3t-value " + "x" * 1000, ["s3cr3t-value"])
    assert found.startswith("a [31m b token=*** *** xxx")
    assert len(found) == 500
    assert found.isprintable()


def test_a_command_gets_variables(told: dict[str, Any]) -> None:
    assert variables(told) == {
        "AUTOLOOP_EVENT": "run failed",
        "AUTOLOOP_EVENT_ID": "0123456789abcdef",
        "AUTOLOOP_LOOP": "loop_1700000000",
        "AUTOLOOP_ROUND": "2",
        "AUTOLOOP_RUN": "a1b2c3",
        "AUTOLOOP_TEXT": told["text"],
    }
