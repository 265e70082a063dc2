"""Conditions: when they are true, when they cannot be decided, what is refused, and their evidence."""

from __future__ import annotations

import msgspec
import pytest
from autoloop.metrics import MetricBook, default_book, parse_metric_book
from autoloop.model import GpuUse, MetricSummary, Summary, UserError
from autoloop.rules import RunView, compile_expression, evaluate
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.views import metric, quiet, view

CONFIG = {
    "batch_size": 8,
    "use_vae": True,
    "policy": {"type": "act", "kl_weight": 10, "dropout": None},
    "ot": {"lambda_ot": 0.1, "features": [{"weight_label": 0.5}]},
    "observation.images.side": {"shape": [3, 96, 96]},
}


def refused(text: str) -> str:
    with pytest.raises(UserError) as raised:
        compile_expression(text)
    message = str(raised.value)
    assert "\n" not in message
    return message


def refused_by(text: str, book: MetricBook) -> str:
    with pytest.raises(UserError) as raised:
        compile_expression(text, book)
    return str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "ot_pi_sum.last < 0.25",
        'metric("ot_pi_sum").last == metric("train/ot_pi_sum").last',
        'metric("train/ot_ot_pi_sum").last > 0',
        "0.05 <= ot_pi_sum.last <= 0.30",
        "not ot_pi_sum.last > 1 and steps >= 2000",
        "grad_norm.first - grad_norm.last > 2 * 10",
        "-grad_norm.delta / grad_norm.first == 0.6",
        "abs(l1_loss.pct) > 40 and min(1, 2, l1_loss.last) == 0.5 and max(1, steps) == 2000",
        'config("ot.features.0.weight_label") == 0.5',
        'config("observation.images.side.shape.0") == 3',
        'config("policy.type") == "act" and config("policy.type") != "diffusion"',
        'config("use_vae") and config("use_vae") == True and not config("use_vae") == 1',
        'config("policy.dropout") == None and config("batch_size") != None',
        'config("batch_size") * 2 == 16',
        'has("ot_cost") and not has("train/nonsense")',
        'log_matches(r"(?i)sinkhorn .*\\bwarning\\b")',
        'not log_matches("Traceback")',
        "ot_pi_sum.nan == 0 and ot_pi_sum.n == 40 and ot_pi_sum.last_step == 2000",
        "(ot_pi_sum.last < 1)\nand (\n  steps > 1\n)",
        "\n  ot_pi_sum.last < 1   # low\n  and steps > 1\n",
    ],
)
def test_it_holds(text: str) -> None:
    verdict = evaluate(text, view(config=CONFIG, log=["step 1", "POT: Sinkhorn numerical WARNING at 3"]))
    assert (verdict.holds, verdict.notes) == (True, [])


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ('metric("x/y").last < 1', "metric x/y never appeared"),
        ('not metric("x/y").last > 1', "metric x/y never appeared"),
        ('metric("x/y").last < 1 or steps > 0', "metric x/y never appeared"),
        ('metric("train/l1_los").last < 1', 'never appeared with a finite value; did you mean "train/l1_loss"?'),
        ("1 / (steps - 2000) > 0", "1 / (steps - 2000) divides by zero"),
        ("not 1 / (steps - 2000) > 0", "divides by zero"),
        ("kld_loss.last != 0", "metric train/kld_loss never appeared"),
        ("metric('big').last * 1e300 > 1", "is not a finite number"),
        ("not metric('big').last * 1e300 > 1", "is not a finite number"),
        ('config("ot.lambda") > 0', 'config("ot.lambda") is not in the config: there is no lambda in ot; the nearest'),
        ('config("ot.features.3.weight_label") > 0', "there is no 3"),
        ('config("policy.type") > 0', 'config("policy.type") is "act", not a number'),
        ('config("use_vae") > 0', 'config("use_vae") is true, not a number'),
        ('config("policy") == 1', 'config("policy") is a table, not a single value'),
        ('config("batch_size")', 'config("batch_size") is 8, not true or false'),
    ],
)
def test_what_cannot_be_decided_does_not_hold_and_says_why(text: str, note: str) -> None:
    verdict = evaluate(text, view(quiet() | {"big": metric(last=1e200)}, config=CONFIG))
    assert verdict.holds is False
    (said,) = verdict.notes
    assert note in said


def test_missing_metrics_are_named() -> None:
    assert evaluate("ot_pi_diag.last < 1", view()).missing == ["train/ot_pi_diag"]


def test_and_and_or_stop_as_soon_as_they_know() -> None:
    guarded = evaluate('has("kld_loss") and kld_loss.last > 1', view())
    assert (guarded.holds, guarded.missing, guarded.notes) == (False, [], [])
    either = evaluate("steps > 0 or kld_loss.last > 1", view())
    assert (either.holds, either.missing, either.notes) == (True, [], [])


def test_a_value_that_is_not_finite_never_compares_true() -> None:
    for odd in (float("nan"), float("inf")):
        run = view(quiet(l1_loss=metric(last=odd)))
        for op in ("<", "<=", ">", ">=", "==", "!="):
            assert not evaluate(f"l1_loss.last {op} 1", run).holds
            assert not evaluate(f"not l1_loss.last {op} 1", run).holds


def test_every_comparison_is_put_on_record_with_its_metric() -> None:
    run = view(quiet(ot_pi_sum=metric(0.0, 2e-4, n=61, first_step=50, last_step=3000, tail_mad=3e-5)))
    verdict = evaluate("ot_pi_sum.last < 1e-3 and steps >= 1000", run)
    low, late = verdict.observations
    assert msgspec.structs.asdict(low) == {
        "name": "ot_pi_sum.last",
        "value": 2e-4,
        "op": "<",
        "threshold": 1e-3,
        "holds": True,
        "metric": "train/ot_pi_sum",
        "first_step": 50,
        "last_step": 3000,
        "n": 61,
        "noise": 3e-5,
        "words": None,
    }
    assert (late.name, late.value, late.op, late.threshold, late.metric) == ("steps", 2000, ">=", 1000, None)


def test_a_chain_is_recorded_link_by_link_with_the_metric_on_the_left() -> None:
    seen = evaluate("0.05 <= ot_pi_sum.last <= 0.1", view()).observations
    assert [(o.name, o.value, o.op, o.threshold, o.holds) for o in seen] == [
        ("ot_pi_sum.last", 0.2, ">=", 0.05, True),
        ("ot_pi_sum.last", 0.2, "<=", 0.1, False),
    ]


def test_searches_flags_and_presence_are_evidence_too() -> None:
    text = 'log_matches("Sinkhorn") and config("use_vae") and has("ot_loss")'
    seen = evaluate(text, view(config=CONFIG, log=["a", "Sinkhorn did not converge\n"])).observations
    assert [(o.name, o.value, o.op, o.threshold) for o in seen] == [
        ('log_matches("Sinkhorn")', "Sinkhorn did not converge", "matches", "Sinkhorn"),
        ('config("use_vae")', True, "==", True),
        ('has("ot_loss")', True, "==", True),
    ]


def test_observations_can_be_stored_whatever_the_config_or_the_log_holds() -> None:
    run = view(config={"seed": 2**80}, log=["bad \udcff byte"])
    verdict = evaluate('config("seed") > 1 and log_matches("bad")', run)
    assert verdict.holds
    assert msgspec.json.decode(msgspec.json.encode(verdict.observations))


def test_the_log_is_read_only_when_a_condition_asks_and_only_as_far_as_needed() -> None:
    read: list[int] = []

    def lines():  # type: ignore[no-untyped-def]
        for number in range(100):
            read.append(number)
            yield f"line {number}"

    assert not evaluate('steps < 0 and log_matches("line 3$")', view(log=lines)).holds
    assert read == []
    assert evaluate('log_matches("line 3$")', view(log=lines)).holds
    assert read == [0, 1, 2, 3]


def test_only_the_beginning_of_a_very_long_line_or_log_is_searched() -> None:
    assert not evaluate('log_matches("end")', view(log=["x" * 500 + "end"])).holds
    verdict = evaluate('log_matches("end")', view(log=["x"] * 200_000 + ["end"]))
    assert (verdict.holds, verdict.notes) == (False, ['log_matches("end") read only the beginning of a very long log'])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ot_pi_sun.last < 1", 'unknown name "ot_pi_sun"; did you mean "ot_pi_sum"? (column 1)'),
        ("steps > 1 and ot_pi_sum.lst < 1", 'no statistic "lst"; did you mean "last"? (column 15)'),
        ("\nsteps > 1\nand ot_los.last < 1", 'unknown name "ot_los"; did you mean "ot_loss"? (line 2, column 5)'),
        ('metrc("a").last > 1', 'there is no function "metrc"; did you mean "metric"? (column 1)'),
        ('log_match("a")', 'there is no function "log_match"; did you mean "log_matches"? (column 1)'),
        ("zzz > 1", 'unknown name "zzz"; a metric is written with its statistic, as in zzz.last'),
        ("steps > 1 and val/loss < 1", "name a statistic of val/loss, as in val/loss.last (column 15)"),
        ("val/loss.lst < 1", 'no statistic "lst"; did you mean "last"? (column 1)'),
        ("val/loss.last < ", "it is incomplete"),
        ("has('ot_loss') == true", 'unknown name "true"; did you mean "True"? (column 19)'),
        ("ot_pi_sum < 1", "name a statistic of ot_pi_sum, as in ot_pi_sum.last (column 1)"),
        ('metric("a") < 1', 'name a statistic, as in metric("a").last'),
        ("ot_pi_sum.last", "is a number, not a condition; compare it with something"),
        ("ot_pi_sum.last and steps > 1", "is a number, not a condition"),
        ('"act"', "is text, not a condition"),
        ("ot_pi_sum.last = 1", "cannot read the condition: "),
        ("ot_pi_sum.last <", "cannot read the condition: it is incomplete"),
        ("steps > 1 and ", "it is incomplete"),
        ("(steps > 1", "cannot read the condition: "),
        ("", "the condition is empty"),
        ("steps < '3'", "'3' is text, which < cannot compare"),
        ("steps == '3'", "which are never equal"),
        ("steps == None", "steps is a number and None is nothing, which are never equal"),
        ("steps + '3' > 1", "'3' is text, not a number"),
        ("1e999 > steps", "1e999 is too large for a number"),
        ("steps in (1, 2)", "compare with < <= > >= == != only"),
        ("abs(1, 2) > 1", "abs takes one number"),
        ("min(steps) > 1", "min takes at least two numbers"),
        ("max(*(1, 2)) > 1", "max takes plain arguments only"),
        ("metric(steps).last > 1", 'metric takes one text in quotes, as in metric("…")'),
        ('metric("a", "b").last > 1', "metric takes one text in quotes"),
        ('has("")', "has takes one text in quotes"),
        ('config("a.*.b") > 1', 'config takes one dotted path without "*"'),
        ('log_matches("(")', "is not a usable regular expression: "),
        ('log_matches("[z-a]")', "is not a usable regular expression: "),
        ('log_matches("\\d")', 'write a pattern raw, as in r"\\d"'),
        ('log_matches("\\bword")', "contains a control character; write it raw"),
        ('log_matches("(?=a)b")', "look-around"),
        ('log_matches(r"(a)\\1")', "back-references"),
        ('log_matches("(a{100}){100}")', "repeats beyond 1000"),
        ('has("\\ud800")', "half a surrogate pair"),
        ("steps > 1 and " * 100 + "steps > 1", "longer than 1000 characters"),
        ("-" * 300 + "1 > 0", "nested too deeply"),
        ("(" * 300 + "steps > 1" + ")" * 300, "cannot read the condition: too many nested parentheses"),
    ],
)
def test_a_slip_is_refused_when_the_condition_is_read(text: str, message: str) -> None:
    assert message in refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "().__class__",
        "().__class__.__bases__[0] == 1",
        "metric.__globals__",
        'metric("a").__class__ == 1',
        'metric("a").last.real > 1',
        "ot_pi_sum.__class__ == 1",
        "ot_pi_sum.last.__class__ == 1",
        "steps.real > 1",
        "abs.__self__ == 1",
        "(lambda: True)()",
        "(lambda: True)",
        "[x for x in (1,)] == 1",
        "{x for x in (1,)} == 1",
        "any(x > 1 for x in (1,))",
        'f"{steps}" == "1"',
        "(y := 3) > 1",
        "2 ** 9 ** 9 > 1",
        '"a" * 10 == "a"',
        '"a" + "b" == "ab"',
        '"%s" % steps == "1"',
        "steps % 2 == 1",
        "steps // 2 == 1",
        "~1 == 1",
        "1 if steps else 2",
        "[1][0] == 1",
        '{"a": 1}["a"] == 1',
        "(1, 2) == 1",
        "b'a' == 1",
        "1j == 1",
        "... == 1",
        "__import__('os')",
        "eval('1')",
        "getattr(steps, 'real') > 1",
        "metric('a').last()",
        "await steps",
        "yield",
        "x = 1",
        "import os",
        'config(path="a") > 1',
        'config(**{"a": 1}) > 1',
        "metric > 1",
    ],
)
def test_nothing_of_python_but_the_little_language_gets_through(text: str) -> None:
    refused(text)


@pytest.mark.parametrize(
    "pattern",
    ["Sinkhorn (did not|can not) converge", "nan|inf", "a[+*()|]+b", r"loss:\s*nan", "(a+)+$", "[]+]+x", ".*.*.*.*x"],
)
def test_ordinary_log_patterns_are_accepted(pattern: str) -> None:
    compile_expression(f"log_matches(r'{pattern}')")


def test_a_projects_own_metric_names_may_be_used() -> None:
    mine = default_book().extended(parse_metric_book('[[metric]]\nname = "train/success"\nshort = ["success"]', "mine"))
    run = view({"train/success": metric(last=0.9)}, book=mine)
    assert evaluate("success.last > 0.5", run).holds
    assert 'did you mean "success"?' in refused_by("sucess.last > 0.5", mine)


WORDS = """
    ot_pi_sum .last .pct .nan steps metric( config( has( log_matches( abs( min( max( "ot_loss" "ot.lambda_ot" "x/y"
    r"(a+)+" "a*b*c" ' " ( ) [ ] { } , . : lambda: := ** < <= == != + - * / % ~ 1 0 1e308 1e-3 999999999999999999999
    nan None True # \\ é __class__ f'{ }' () @ ; =
"""
SPACED = [" and ", " or ", " not ", " in ", " is ", " if ", " else ", " for x in ", " ", "\n", "\x00", "\ud800"]
FRAGMENTS = st.sampled_from(WORDS.split() + SPACED)


@given(st.one_of(st.lists(FRAGMENTS, max_size=25).map("".join), st.text(max_size=80)))
def test_no_text_raises_anything_but_a_sentence(text: str) -> None:
    run = view(config=CONFIG, log=["a" * 60, "abc" * 30])
    try:
        verdict = evaluate(text, run)
    except UserError as error:
        sentence = str(error)
    else:
        assert isinstance(verdict.holds, bool)
        return
    assert "\n" not in sentence


NUMBERS = st.recursive(
    st.sampled_from(["steps", "ot_pi_sum.last", "l1_loss.pct", "kld_loss.last", "0", "1e300", 'config("batch_size")']),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
    max_leaves=6,
)
TRUTHS = st.recursive(
    st.builds("{} {} {}".format, NUMBERS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), NUMBERS),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner) | inner.map("(not {})".format)
    ),
    max_leaves=5,
)


class Record:
    def __init__(self, summary: MetricSummary) -> None:
        self.last, self.pct = summary.last, summary.pct


@given(TRUTHS)
def test_conditions_mean_what_python_means_by_them(text: str) -> None:
    run = view(config=CONFIG)
    names = {"steps": 2000, "config": {"batch_size": 8}.__getitem__}
    names |= {short: Record(run.metric(short)[1]) for short in ("ot_pi_sum", "l1_loss")}  # type: ignore[arg-type]
    verdict = evaluate(text, run)
    try:
        expected = eval(text, {"__builtins__": {}}, names)  # generated by the strategies above, so safe
    except (ZeroDivisionError, NameError, OverflowError):
        assert not verdict.holds
        assert verdict.notes
    else:
        if verdict.notes:  # an intermediate overflow to infinity
            assert "finite" in verdict.notes[0]
            assert not verdict.holds
        else:
            assert verdict.holds is expected


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("val/loss.last < 2", True),
        ("val/loss.last > 2", False),
        ("1 < val/loss.last < 2", True),
        ("(val/loss.last < 2)", True),
        ("eval/run_1/acc.max >= 0.5 and val/loss.n == 20", True),
        ("val/loss.last / loss.last == 3", True),  # a division, with spaces
        ("val/loss.last/loss.last == 3", True),  # and without, after a statistic
        ("loss.last/0.5 == 1 and 3/loss.last == 6", True),
        ("steps/200 == 10", True),
        ("steps/val/loss.last > 1000", True),
        ("diverged(val/loss) or diverged(val/nan)", True),
        ("has(val/loss) and not has(val/los)", True),
        ("metric(val/loss).last == metric('val/loss').last", True),
        ("log_matches('a/b.last')", True),  # strings are unchanged
        ("l.last < 2", True),  # a name of one letter
        ("\nval/loss.last\n  < 2", True),
    ],
)
def test_names_of_any_trainer_are_written_as_tables_show_them(text: str, holds: bool) -> None:
    found = {
        "val/loss": metric(last=1.5, n=20),
        "train/loss": metric(last=0.5),
        "eval/run_1/acc": metric(last=0.5, max=0.5),
        "l": metric(last=1.0),
    }
    summary = Summary(metrics=found, steps=2000, not_finite=["val/nan"])
    run = RunView(summary, {}, ["see a/b.last"], default_book(()))
    assert evaluate(text, run).holds is holds
    assert not evaluate(text, run).notes


def test_evidence_and_notes_name_a_metric_as_it_was_written() -> None:
    run = RunView(Summary(metrics={"val/loss": metric(last=1.5)}), {}, [], default_book(()))
    (seen,) = evaluate("val/loss.last < 2", run).observations
    assert (seen.name, seen.metric) == ("val/loss.last", "val/loss")
    missing = evaluate("val/los.last < 2", run)
    assert missing.missing == ["val/los"]
    assert 'did you mean "val/loss"?' in missing.notes[0]


def test_the_best_of_a_metric_without_a_known_direction_is_undecided_and_says_why() -> None:
    quality = metric(last=1.0, best=None, best_step=None)
    verdict = evaluate("quality.best > 0", RunView(Summary(metrics={"quality": quality}), {}, [], default_book(())))
    assert not verdict.holds
    assert verdict.notes == ["quality.best is unknown, because the better direction of quality is unknown"]


def test_a_condition_looks_at_the_use_of_the_gpu() -> None:
    use = GpuUse(gpus=1, seconds=60.0, utilisation=30.0, idle_share=0.4)
    seen = RunView(Summary(gpu=use))
    verdict = evaluate("gpu.idle_share >= 0.4 and gpu.utilisation < 50", seen)
    assert verdict.holds
    assert [(each.name, each.value) for each in verdict.observations] == [("gpu.idle_share", 0.4), ("gpu.utilisation", 30.0)]
    unknown = evaluate("gpu.power > 0", seen)
    assert (unknown.holds, unknown.notes) == (False, ["gpu.power is unknown: the GPU does not report it"])
    none = evaluate("gpu.idle_share > 0", RunView(Summary()))
    assert (none.holds, none.missing, none.notes) == (False, [], ["gpu.idle_share is unknown: no GPU was sampled"])
    assert "there is no gpu.idle; use one of gpu.gpus, gpu.seconds, gpu.utilisation, gpu.idle_share" in refused(
        "gpu.idle > 0.4"
    )
    assert evaluate("gpu.last > 1", RunView(Summary(metrics={"gpu": metric(1.0, 2.0)}))).holds
