"""Rules written in Python, and `decide` for scripts."""

from __future__ import annotations

import json

import pytest
from autoloop import api
from autoloop.configs import parse_edit
from autoloop.metrics import to_json
from autoloop.model import UserError
from autoloop.rules import python_rules

from tests.rules.views import metric, quiet, view

MINE = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass
class Proposal:
    reason: str
    changes: dict[str, object]

def decide(summary):
    if summary["train/ot_pi_sum"]["last"] < 1e-3 and summary["steps"] >= 1000:
        return [
            Proposal("more reg", {"ot.loss_config.reg@mul": 1.5, "use_vae@set": True}),
            {"reason": "as a dict", "changes": ["seed@add=1"]},
        ]
"""


def outcome(code: str) -> tuple[list[list[str]], list[str]]:
    judgement = python_rules(code, "my_rules.py").judge(view())
    return [request.edits for request in judgement.requests], judgement.notes


def test_a_file_with_decide_proposes_as_it_did() -> None:
    rules = python_rules(MINE, "some/where/my_rules.py")
    judgement = rules.judge(view(quiet(ot_pi_sum=metric(0.0, 1e-9))))
    assert [(request.rule, request.reason, request.edits) for request in judgement.requests] == [
        ("my_rules.py", "more reg", ["ot.loss_config.reg@mul=1.5", "use_vae@set=true"]),
        ("my_rules.py", "as a dict", ["seed@add=1"]),
    ]
    evidence = judgement.requests[0].evidence
    assert (evidence.rule, evidence.when, len(evidence.rule_version)) == ("my_rules.py", "decide(summary)", 8)
    assert rules.judge(view()).requests == []


def test_another_text_of_the_file_is_another_version() -> None:
    assert python_rules(MINE, "a.py").version != python_rules(MINE + "\n# more", "a.py").version


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\ndef decide(summary:\n", "my_rules.py, line 2: not valid Python: "),
        ("x = 1\nimport no_such_module_here", "my_rules.py, line 2: loading it raised ModuleNotFoundError: No module"),
        ("raise SystemExit(3)", "my_rules.py, line 1: loading it raised SystemExit: 3"),
        ("import json\njson.loads('{')", "my_rules.py, line 2: loading it raised JSONDecodeError: "),
        ("decide = 3", "my_rules.py: defines no decide(summary); write one that must return a list"),
        ("x = '\0'", "my_rules.py"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_refused_with_file_and_line(code: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        python_rules(code, "my_rules.py")
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


ITEM = "my_rules.py: item 1 of what decide(summary) returned:"


@pytest.mark.parametrize(
    ("body", "note"),
    [
        ("return summary['nope']['last']", "my_rules.py, line 2: decide(summary) raised KeyError: 'nope'"),
        ("raise SystemExit", "my_rules.py, line 2: decide(summary) raised SystemExit"),
        ("return 3", "my_rules.py: decide(summary) returned int; it must return a list of objects with reason and"),
        ("return {'reason': 'r'}", "my_rules.py: decide(summary) returned dict; it must return a list"),
        ("return ['x']", f"{ITEM} its reason is NoneType; give it a text"),
        ("return [{'reason': 'r'}]", f"{ITEM} its changes must be"),
        ("return [{'reason': 'r', 'changes': {}}]", f"{ITEM} it has no changes"),
        ("return [{'reason': 'r', 'changes': [3]}]", f"{ITEM} its changes must be"),
        ("return [{'reason': 'r', 'changes': ['a@x=1']}]", f'{ITEM} In the edit "a@x=1"'),
        ("return [{'reason': 'r', 'changes': {'a': {1}}}]", f'{ITEM} The change "a" has a value'),
        ("return [{'reason': 'r', 'changes': {3: 1}}]", f'{ITEM} The change "3"'),
    ],
)
def test_a_mistake_while_judging_is_a_note_with_file_and_line(body: str, note: str) -> None:
    edits, notes = outcome(f"def decide(summary):\n    {body}\n")
    assert edits == []
    (said,) = notes
    assert said.startswith(note)
    assert "\n" not in said


def test_a_mistake_in_one_item_leaves_the_others() -> None:
    edits, notes = outcome("def decide(s):\n    return [3, {'reason': 'r', 'changes': ['seed@add=1']}]")
    assert edits == [["seed@add=1"]]
    assert len(notes) == 1


def test_nothing_proposed_is_nothing_said() -> None:
    for answer in ("None", "[]", "()"):
        assert outcome(f"def decide(summary): return {answer}") == ([], [])


def test_the_file_gets_a_summary_of_its_own_to_do_with_as_it_likes() -> None:
    code = "def decide(s):\n    assert s.pop('steps') == 2000\n    s.clear()\n"
    rules, run = python_rules(code, "my_rules.py"), view()
    assert rules.judge(run).notes == rules.judge(run).notes == []
    assert run.summary.metrics


ORIGINAL = """{
  "train/ot_pi_sum": {"first": 0.0, "last": 2.6e-85, "best": 2.6e-85, "best_step": 1900, "delta": 2.6e-85, "pct": 0},
  "train/l1_loss": {"first": 1.0, "last": 0.4, "best": 0.4, "best_step": 1900, "delta": -0.6, "pct": -60.0},
  "train/ot_cost/action_lbl": {"first": 10, "last": 9.5, "best": 9.5, "best_step": 1900, "delta": -0.5, "pct": -5.0},
  "train/grad_norm": {"first": 50, "last": 240.0, "best": 20, "best_step": 400, "delta": 190, "pct": 380},
  "steps": 1900
}"""


def test_decide_works_on_the_originals_summaries_and_its_answers_become_edits() -> None:
    props = api.decide(json.loads(ORIGINAL)) or []
    assert [f"{k}={v}" for k, v in props[0].changes.items()] == [
        "ot.loss_config.reg@mul=1.6",
        "ot.loss_config.tau_src@max=0.5",
        "ot.loss_config.tau_tgt@max=0.5",
        "ot.window_size@max=20",
    ]
    assert list(props[1].changes) == [
        "ot.loss_config.reg@mul",
        "policy.optimizer_lr@mul",
        "optimizer.lr@mul",
    ]
    assert all(isinstance(prop.reason, str) and prop.reason for prop in props)
    for prop in props:
        for key, value in prop.changes.items():
            assert parse_edit(f"{key}={value}").value == value


def test_decide_finds_the_cost_in_a_summary_without_derived_metrics() -> None:
    summary = json.loads(ORIGINAL)
    summary["train/ot_pi_sum"]["last"] = 0.5
    summary["train/grad_norm"]["last"] = 10.0
    (prop,) = api.decide(summary)
    assert prop.changes == {"ot.loss_config.features.*.weight_label@mul": 0.5, "ot.lambda_ot@add": -0.05}


def test_decide_gives_the_default_for_a_quiet_run_and_nothing_for_an_empty_one() -> None:
    (prop,) = api.decide(to_json(view().summary))
    assert prop.changes == {"ot.loss_config.reg@mul": 1.2, "ot.window_size@max": 20}
    assert api.decide({"steps": 0}) == []
