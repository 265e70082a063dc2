"""Config changes as they are displayed, stored and sent."""

from __future__ import annotations

from autoloop.model import Change
from autoloop.text.changes import changes_text, without_secrets

KEY = "5ec4e7" + "0123456789abcdef" * 2


def test_a_secret_is_in_no_change_that_is_shown_or_sent_also_inside_of_a_block() -> None:
    changes = [
        Change(path="wandb.api_key", before=KEY, after=None),
        Change(path="wandb", before={"api_key": KEY, "mode": "online"}, after={"api_key": None, "mode": "off"}),
        Change(path="hub", before=None, after=[{"token": KEY}], created=True, note=f"token={KEY}"),
    ]
    sent = [without_secrets(each) for each in changes]
    assert KEY not in repr(sent)
    assert KEY not in changes_text(changes)
    assert (sent[0].before, sent[0].after) == ("***", None)
    assert sent[1].before == {"api_key": "***", "mode": "online"}
    plain = Change(path="optimizer.lr", before=0.1, after=[1, "cosine"], note="held at 1")
    assert without_secrets(plain) == plain
