"""Claims: every kind parses, refers only to what is there, and says what is allowed where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from harness.common.yaml_nodes import read_text
from harness.experiment.claims import KINDS, Claim, DeclineClaim, Factor, Setting, level_label, read_claim
from harness.tasks.protocol import Metric

METRICS = {
    "test_accuracy": Metric("%", "maximize", cases="test_images"),
    "train_loss": Metric("nats", "minimize"),
    "parameters": Metric("", "minimize", exact=True),
}
LABELS = ("a=0", "a=1", "a=2", "a=3")
SETTING = Setting(
    labels=LABELS,
    over=dict.fromkeys(LABELS, "a=0"),
    factors=(Factor("a", {"0": 0.0, "1": 1.0, "2": 2.0, "3": 3.0}),),
    levels={label: {"a": label.removeprefix("a=")} for label in LABELS},
    metrics=METRICS,
    margin=0.25,
)


def claim(text: str, setting: Setting = SETTING) -> Claim:
    found, problems = read_claim(read_text(text, "x.yaml"), setting)
    assert not problems, problems
    assert found is not None
    return found


def problem(text: str, setting: Setting = SETTING) -> str:
    found, problems = read_claim(read_text(text, "x.yaml"), setting)
    assert found is None
    return "\n".join(map(str, problems))


VALID: Mapping[str, Mapping[str, Any]] = {
    "improves: a=1": {"variants": ("a=1",), "over": ("a=0",), "metric": "test_accuracy", "margin": 0.25},
    "{improves: a=1, across: cases}": {"variants": ("a=1",), "over": ("a=0",), "margin": 0.25, "across": "cases"},
    "{at_least: {a=1: 60}, across: cases}": {"variant": "a=1", "value": 60.0, "across": "cases"},
    "{worsens: [a=1, a=2], over: a=3}": {"variants": ("a=1", "a=2"), "over": ("a=3", "a=3")},
    "{equivalent: all}": {"variants": ("a=1", "a=2", "a=3")},
    "{no_gain: a=1, metric: train_loss, margin: 0.1}": {"metric": "train_loss", "margin": 0.1},
    "{no_loss: a=1, failed_counts_as: 10}": {"failed_counts_as": 10.0},
    "best_in_range: [1, 2]": {"inside": (1.0, 2.0), "factor": "a", "margin": 0.25},
    "{best_in_range: [1, 2], margin: 0}": {"margin": 0.0},
    "declines_beyond: 2": {"beyond": 2.0, "factor": "a"},
    "{no_proportional_gain: 1, dose: parameters}": {"beyond": 1.0, "dose": "parameters"},
    "{at_least: {a=1: 90.5}}": {"variant": "a=1", "value": 90.5},
    "{at_most: {a=1: 5000000}, metric: parameters}": {"variant": "a=1", "value": 5e6, "metric": "parameters"},
    "{contrast: {a=1: 1, a=2: -0.5, a=3: -0.5}, is: positive}": {
        "weights": {"a=1": 1.0, "a=2": -0.5, "a=3": -0.5},
        "sign": "positive",
        "margin": 0.25,
    },
    "{at_least: {a=1: 90}, where: {a: 1}}": {"where": {"a": "1"}},
}


@pytest.mark.parametrize(("text", "fields"), VALID.items())
def test_every_kind_is_read_with_its_defaults_written_out(text: str, fields: Mapping[str, Any]) -> None:
    found = claim(text)
    assert {name: getattr(found, name) for name in fields} == dict(fields)


def test_every_kind_is_among_the_valid_examples() -> None:
    assert {claim(text).kind for text in VALID} == set(KINDS)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("improvs: a=1", "no kind of claim; did you mean improves?"),
        ("{improves: a=1, worsens: a=2}", "two kinds, improves and worsens"),
        ("just text", "not a claim; expected a mapping with one of improves"),
        ("improves: a=9", "x.yaml:1:11: improves: no variant 'a=9'; did you mean a="),
        ("improves: [a=1, a=9]", "improves[1]: no variant 'a=9'"),
        ("improves: [a=1, a=1]", "names a variant twice"),
        ("improves: []", "invalid value"),
        ("improves: a=0", "'a=0' compared with itself"),
        ("{improves: a=1, over: b}", "over: no variant 'b'"),
        ("{improves: a=1, over: cases}", "over: no variant 'cases'; to test over the cases, use across: cases"),
        ("{improves: a=1, across: case}", "across: "),
        ("{improves: a=1, metric: parameters, margin: 1, across: cases}", "across: parameters has no cases"),
        ("{improves: a=1, across: cases, failed_counts_as: 0}", "failed_counts_as: is not possible with across: cases"),
        ("{improves: a=1, metric: tset_accuracy}", "no metric 'tset_accuracy'; did you mean test_accuracy?"),
        (
            "{improves: a=1, metric: train_loss}",
            "needs a margin for train_loss; add margin: the smallest difference that matters, in nats",
        ),
        ("{improves: a=1, margin: 0}", "margin: 0 is out of range; expected a number above 0"),
        ("{improves: a=1, overr: a=2}", "overr: unknown key; did you mean over?"),
        ("{improves: a=1, where: {b: 1}}", "where.b: no factor 'b'"),
        ("{improves: a=1, where: {a: 0}}", "'a=1' is not among the variants where a is 0; use one of these"),
        ("{improves: a=1, where: {a: 1}}", "the baseline 'a=0' is outside where:; set over: to a variant inside it"),
        ("{improves: all, where: {a: 0}}", "no other variant to compare among those where a is 0"),
        ("{declines_beyond: 1, where: {a: 1}}", "where.a: a is the factor of the claim; use other factors"),
        ("{improves: a=1, where: {a: 9}}", "where.a: a has no level '9'; choose from: 0, 1, 2, 3"),
        ("best_in_range: [2, 1]", "is out of order"),
        ("best_in_range: [7, 9]", "no level is in the range"),
        ("best_in_range: [0, 9]", "every level is in the range"),
        ("declines_beyond: 3", "fewer than two levels from 3 on"),
        ("no_proportional_gain: 1.5", "1.5 is not a level; choose from: 0, 1, 2, 3"),
        ("no_proportional_gain: 3", "needs two levels up to 3 and two from there on"),
        ("{no_proportional_gain: 1, dose: weight}", "no metric 'weight'"),
        ("{declines_beyond: 1, factor: b}", "no factor 'b'"),
        ("{contrast: {a=1: 1, a=2: 1}, is: positive}", "the weights sum to 2"),
        ("{contrast: {a=1: 1, a=2: -1}}", "is: missing; choose from: positive, negative, negligible"),
        ("{contrast: {a=1: 1, b: -1}, is: positive}", "contrast.b: no variant 'b'"),
        ("{at_least: {a=1: .nan}}", "is out of range"),
        ("{at_least: {}}", "invalid value"),
    ],
)
def test_a_wrong_claim_says_where_and_what_is_allowed(text: str, what: str) -> None:
    assert what in problem(text)


def test_doses_need_one_factor_of_numbers() -> None:
    assert "needs a factor; use factors:" in problem("declines_beyond: 1", replace(SETTING, factors=()))
    words = replace(SETTING, factors=(Factor("a", {"x": None, "1": 1.0}),))
    assert "needs a numeric factor" in problem("declines_beyond: 1", words)
    two = replace(SETTING, factors=(*SETTING.factors, Factor("b", {"1": 1.0, "2": 2.0})))
    assert "needs factor:, because there are 2; choose from: a, b" in problem("declines_beyond: 1", two)


def test_without_the_files_margin_a_claim_states_its_own() -> None:
    bare = replace(SETTING, margin=None)
    assert "needs a margin for test_accuracy" in problem("improves: a=1", bare)
    assert isinstance(claim("declines_beyond: 1", bare), DeclineClaim)


@pytest.mark.parametrize("baseline", ["", "z"])
def test_a_baseline_that_is_wrong_is_told_once_and_not_by_every_claim(baseline: str) -> None:
    lost = replace(SETTING, over=dict.fromkeys(LABELS, baseline))
    for text in ("improves: a=1", "improves: all"):
        assert read_claim(read_text(text, "x.yaml"), lost)[1] == []


def test_levels_read_as_people_write_them() -> None:
    assert [level_label(value) for value in (0.0, 0.1, 1e-5, 32, True, None, "cosine")] == [
        "0",
        "0.1",
        "1e-05",
        "32",
        "true",
        "null",
        "cosine",
    ]


def test_a_claim_across_cases_is_judged_once() -> None:
    found = problem("{improves: a=1, across: cases}", replace(SETTING, looks=(3, 5)))
    assert "across: claims across cases are judged once; use a number of seeds instead of looks" in found


def test_a_metric_with_another_source_has_no_cases() -> None:
    found = problem("{improves: a=1, across: cases}", replace(SETTING, by_cases=("train_loss",)))
    assert "across: test_accuracy is not measured by cases: it has another source; choose from: train_loss" in found


def test_a_variant_may_be_called_cases() -> None:
    labels = ("a", "cases")
    setting = replace(SETTING, labels=labels, over=dict.fromkeys(labels, "a"), factors=(), levels={label: {} for label in labels})
    assert claim("{worsens: a, over: cases}", setting).over == ("cases",)  # type: ignore[union-attr]
