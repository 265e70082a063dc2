"""What counts as a secret and what does not."""

from __future__ import annotations

import random
import string

import pytest
from autoloop import secrets
from autoloop.wandb_cloud.key import known_secrets
from hypothesis import given
from hypothesis import strategies as st

RANDOM = random.Random(1)


def letters(count: int, more: str = "") -> str:
    """Return random letters and digits, with at least one digit and one capital."""
    return "A1" + "".join(RANDOM.choice(string.ascii_letters + string.digits + more) for _ in range(count - 2))


FORMS = [
    "hf_" + letters(34),
    "AKIA" + letters(16).upper(),
    "ghp_" + letters(36),
    "github_pat_" + letters(60, "_"),
    "glpat-" + letters(20),
    "sk-" + letters(48),
    "sk-proj-" + letters(80, "-_"),
    "sk-ant-api03-" + letters(80, "-_"),
    "xoxb-" + letters(40, "-"),
    "AIza" + letters(35, "-_"),
    "ya29." + letters(60, "-_"),
    "eyJhbGciOiJIUzI1NiJ9." + letters(40) + "." + letters(43),
    "npm_" + letters(36),
    "nvapi-" + letters(60, "-_"),
    "wandb_v1_" + letters(60, "_"),
]
NAMED = [
    "HF_TOKEN={}",
    "export WANDB_API_KEY={}",
    "'AWS_SECRET_ACCESS_KEY': '{}'",
    '"password": "{}"',
    '{{"hub_token":"{}"}}',
    "--hf_token={}",
    "--password {}",
    "['--api-key', '{}']",
    "hub.token={}",
    "api_key: {}",
    "Authorization: Bearer {}",
    "https://host/x?access_token={}&y=1",
    "https://user:{}@host/x",
    "db_password = '{}'",
    "client_secret={}",
    "MY_SECRET_X={}",
    "os.environ['GITHUB_TOKEN'] = '{}'",
    "hub.token@set={}",
    "PGPASSWORD={} psql",
    'aws_secret_access_key = "{}"',
    "curl -s -u me:{} https://host/x",
    "curl --user 'me:{}' https://host",
    "sshpass -p {} ssh me@host",
]
INNOCENT = [
    "commit 4836014fcc2ac24836014fcc2ac24836014fcc2ac2",
    "run r4o5pknj lr:1.0e-05 loss=0.0123",
    "KeyError: 'loss_abc123'",
    "Invalid token: expired",
    "SyntaxError: unexpected token: INDENT",
    "num_tokens=1024 max_token=77 n_tokens: 5",
    "pad_token='<pad>' eos_token: foo1234567",
    "image_key=observation.images.top",
    "sort_key=step1234",
    "key: abc12345",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "hf_transfer and hf_hub_download_v2",
    "sk-learn-compatible-estimator",
    "task-1234567890abcdefgh",
    "git@github.com:a/b",
    "ssh://git@github.com/x",
    "http://127.0.0.1:8080/a@b",
    "token: true",
    "use_auth_token=False",
    "password: null",
    "https://wandb.ai/team/p/runs/r4o5pknj",
    "Missing key(s) in state_dict: 'model.layer1'",
    "d9428888-122b-11e1-b85c-61cd3cbb3210",
    "tokens per second: 1234.5",
    "key_frames=[1, 2]",
    "2026-01-02T03:04:05 INFO ot_train.py:77 step:1K",
    "TOKENIZERS_PARALLELISM=false",
    "basic configuration123",
    "secret_name=my-secret-1",
    "SSL_CERT_FILE=/etc/ssl/cert1.pem",
    "/data/tokens/part-0001",
    "curl -u me https://host:8080/x",
    "python -u train.py --a b:c",
    "Cookie: chocolate",
]


@pytest.mark.parametrize("secret", FORMS, ids=lambda secret: secret[:8])
@pytest.mark.parametrize("around", ["{}", "bad key '{}'.", "x={}\n", "[{}]", "({})"])
def test_a_secret_is_known_by_its_form(secret: str, around: str) -> None:
    masked = secrets.mask(around.format(secret))
    assert secret[6:16] not in masked
    assert masked == around.format(secrets.MASK)


@pytest.mark.parametrize("text", NAMED)
def test_a_secret_is_known_by_the_name_before_it(text: str) -> None:
    assert secrets.mask(text.format("abc123def456")) == text.format(secrets.MASK)


@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_no_secret_stays(text: str) -> None:
    assert secrets.mask(text) is text


def test_a_private_key_is_masked_line_by_line() -> None:
    lines = ["a", "-----BEGIN RSA PRIVATE KEY-----", letters(64), letters(64), "-----END RSA PRIVATE KEY-----", "b"]
    masked = secrets.mask_lines(lines)
    assert masked == [*lines[:2], secrets.MASK, secrets.MASK, *lines[4:]]


def test_values_of_secret_variables_are_masked_wherever_they_stand() -> None:
    environment = {
        "HF_TOKEN": "plainlookingvalue",
        "DATABASE_URL": "postgres://u:inurl567@h/db",
        "PWD": "/home/someone",
        "OLDPWD": "/home/someone/else",
        "SSH_AUTH_SOCK": "/tmp/agent.1234",
        "TOKEN_LIMIT": "123456789",
        "HOME": "/nowhere",
        "API_KEY": "short",
    }
    known = known_secrets(environment)
    assert sorted(known) == ["inurl567", "plainlookingvalue"]
    assert secrets.mask("it said plainlookingvalue, and inurl567", known) == "it said ***, and ***"


@given(st.text(), st.sampled_from(FORMS), st.text())
def test_masking_keeps_what_is_around_and_is_done_once(before: str, secret: str, after: str) -> None:
    masked = secrets.mask(f"{before} {secret} {after}")
    assert secret not in masked
    assert masked.count("\n") == (before + after).count("\n")
    assert secrets.mask(masked) == masked


@given(st.binary(max_size=200))
def test_any_bytes_can_be_masked(data: bytes) -> None:
    assert secrets.mask_bytes(data).count(b"\n") == data.count(b"\n")


PARTS = [*FORMS, *(each.format("abc123def456") for each in NAMED), "step 5\n", "\n", " ", "x", "5%\r"]


@given(st.lists(st.sampled_from(PARTS)), st.data())
def test_a_secret_that_is_still_being_written_is_held_back(parts: list[str], data: st.DataObject) -> None:
    """The text shown of a growing log, in any pieces, equals the text shown of the whole log."""
    log = " ".join(parts).encode()
    cut = data.draw(st.integers(0, len(log)))
    shown = cut - secrets.unsure(log[:cut])
    assert secrets.mask_bytes(log[:shown]) + secrets.mask_bytes(log[shown:]) == secrets.mask_bytes(log)


def test_arguments_are_withheld_by_name_and_by_form() -> None:
    words = ["--hf_token=a1", "--password", "b2", "+hub.token=c3", "--lr=1e-5", f"--x={FORMS[2]}", "--max_tokens=5"]
    words.append("--token=d4")
    shown, held = secrets.withheld(words)
    assert shown == [
        "--hf_token=${AUTOLOOP_SECRET_HF_TOKEN}",
        "--password",
        "${AUTOLOOP_SECRET_PASSWORD}",
        "+hub.token=${AUTOLOOP_SECRET_HUB_TOKEN}",
        "--lr=1e-5",
        "--x=${AUTOLOOP_SECRET_X}",
        "--max_tokens=5",
        "--token=${AUTOLOOP_SECRET_TOKEN}",
    ]
    assert list(held.values()) == ["a1", "b2", "c3", FORMS[2], "d4"]
    assert secrets.withheld(shown) == (shown, {})
    assert secrets.missing(shown, held) == []
    assert secrets.missing(shown, {}) == list(held)


def test_two_secrets_of_one_name_are_kept_apart() -> None:
    shown, held = secrets.withheld(["--token", "a1", "--token", "b2"])
    assert shown[1] != shown[3]
    assert list(held.values()) == ["a1", "b2"]


def test_a_config_s_secrets_are_known_by_their_keys() -> None:
    config = {"db": {"password": "longenough"}, "hub": [{"token": "alsolongenough"}], "pad_token": "no", "token": True}
    assert secrets.secret_keys(config) == ["db.password", "hub.0.token"]
    assert secrets.of_config(config) == ["longenough", "alsolongenough"]


@pytest.mark.parametrize("secret", ["S01abcdefghijklmnop", "abcdefghijklmnop9", "Zabcdefghijklmnop"])
def test_a_capital_or_digit_anywhere_tells_a_bearer_from_words(secret: str) -> None:
    assert secrets.mask(f"Authorization: Bearer {secret}") == f"Authorization: Bearer {secrets.MASK}"
    assert secrets.mask(f"https://{secret}@host") == f"https://{secrets.MASK}@host"


def test_a_cookie_of_a_request_is_masked() -> None:
    assert secrets.mask("> Cookie: session=abcdefgh12; b=2") == f"> Cookie: {secrets.MASK}"
