"""What claims mean: labels that name some levels of a grid, slices, and the digest of what was claimed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from harness.common.yaml_nodes import read_text
from harness.experiment import designs
from harness.experiment.claims import (
    Claim,
    ComparisonClaim,
    ContrastClaim,
    DeclineClaim,
    Factor,
    Setting,
    ThresholdClaim,
    as_dict,
    digest,
    is_grid,
    members,
    read_claim,
)
from harness.experiment.claims.model import DoseClaim, ProportionClaim, RangeClaim, level_names
from harness.experiment.designs import FactorDraft, Level
from harness.tasks.protocol import Metric

Levels = Mapping[str, Sequence[str]]
RATES: Levels = {"lr": ("0.1", "0.2", "0.4"), "schedule": ("cosine", "linear")}
CUBE: Levels = {**RATES, "dropout": ("0", "0.5")}


def drafted(factors: Levels, combine: Callable[[Sequence[FactorDraft]], list[designs.Draft]] = designs.grid) -> Setting:
    """The setting of a design; the first variant, which one_at_a_time varies, is the baseline."""
    nowhere = read_text("{}", "x.yaml")
    drafts = combine(
        [
            FactorDraft(name, tuple(Level(own, (), None, own == levels[0]) for own in levels), nowhere)
            for name, levels in factors.items()
        ]
    )
    labels = [draft.label for draft in drafts]
    return Setting(
        labels=labels,
        over=dict.fromkeys(labels, labels[0]),
        factors=[Factor(name, {own: number(own) for own in levels}) for name, levels in factors.items()],
        levels={draft.label: draft.levels for draft in drafts},
        metrics={"accuracy": Metric("%", "maximize")},
        margin=0.25,
    )


def number(text: str) -> float | None:
    return float(text) if text.replace(".", "").isdigit() else None


GRID, THREE = drafted(RATES), drafted(CUBE)
ARMS = drafted(RATES, designs.one_at_a_time)
LISTS = drafted({"layers": ("64", "128-64"), "lr": ("0.1", "0.2")})
PAIRS = drafted({"lr": ("0.1", "0.2"), "schedule": ("cosine", "linear")}, designs.zipped)


def claimed(text: str, setting: Setting = GRID) -> Claim:
    found, problems = read_claim(read_text(text, "x.yaml"), setting)
    assert not problems, problems
    assert found is not None
    return found


def refused(text: str, setting: Setting = GRID) -> str:
    found, problems = read_claim(read_text(text, "x.yaml"), setting)
    assert found is None
    assert len(problems) == 1, problems
    return str(problems[0])


def compared(text: str, setting: Setting = GRID) -> list[tuple[str, str]]:
    claim = claimed(text, setting)
    assert isinstance(claim, ComparisonClaim)
    return list(zip(claim.variants, claim.over, strict=True))


# Labels


@given(st.data())
def test_a_label_means_the_variants_that_have_the_levels_it_names(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=2, max_size=3))
    setting = drafted({f"f{place}": [str(level) for level in range(size)] for place, size in enumerate(sizes)})
    named = {
        factor.name: data.draw(st.sampled_from(list(factor.levels)))
        for factor in data.draw(st.permutations(list(setting.factors)))[: data.draw(st.integers(1, len(sizes)))]
    }
    having = [label for label, own in setting.levels.items() if named.items() <= own.items()]
    assert list(members(level_names(named), setting.levels, {})) == having
    assert having


@pytest.mark.parametrize(
    "label",
    [
        "lr",
        "lr=",
        "=0.1",
        "lr=0.3",
        "lr=0.1,schedule=cosine",
        "lr=0.1, ",
        ", lr=0.1",
        "lr=0.1, lr=0.1",
        "lr=0.1, lr=0.2",
        "LR=0.1",
    ],
)
def test_what_names_no_level_means_no_variant(label: str) -> None:
    assert members(label, GRID.levels, {}) == ()


def test_levels_may_hold_the_signs_that_labels_are_made_with() -> None:
    odd = drafted({"width": ("a, b", "c=d", "a"), "lr=x": ("1", "2")}).levels
    assert members("width=a, b", odd, {}) == ("width=a, b, lr=x=1", "width=a, b, lr=x=2")
    assert members("width=c=d", odd, {}) == ("width=c=d, lr=x=1", "width=c=d, lr=x=2")
    assert members("lr=x=2", odd, {}) == ("width=a, b, lr=x=2", "width=c=d, lr=x=2", "width=a, lr=x=2")
    assert members("lr=x=2, width=a, b", odd, {}) == ("width=a, b, lr=x=2",)


def test_a_label_that_reads_in_two_ways_is_not_guessed_at() -> None:
    twofold = drafted({"a": ("1", "1, b=1"), "b": ("1", "2"), "c": ("1", "2")})
    assert members("a=1, b=1", twofold.levels, {}) == ()
    assert "no variant 'a=1, b=1'" in refused("{at_least: {'a=1, b=1': 90}}", twofold)


def test_only_all_combinations_of_two_factors_or_more_are_a_grid() -> None:
    assert is_grid(GRID.levels)
    assert is_grid(THREE.levels)
    for other in (ARMS.levels, PAIRS.levels, drafted({"lr": ("0.1", "0.2")}).levels, {"base": {}}, {}):
        assert not is_grid(other)


# Comparisons of means


@pytest.mark.parametrize(
    ("text", "setting", "pairs"),
    [
        ("improves: schedule=linear", GRID, [("schedule=linear", "schedule=cosine")]),
        ("improves: lr=2e-1", THREE, [("lr=0.2", "lr=0.1")]),
        ("improves: 'layers=[128, 64], lr=0.10'", LISTS, [("layers=128-64, lr=0.1", "layers=64, lr=0.1")]),
        ("{improves: lr=0.40, over: 'schedule=linear, lr=2.0e-1'}", GRID, [("lr=0.4", "lr=0.2, schedule=linear")]),
        ("improves: lr=0.2", THREE, [("lr=0.2", "lr=0.1")]),
        ("improves: 'lr=0.2, dropout=0.5'", THREE, [("lr=0.2, dropout=0.5", "lr=0.1, dropout=0")]),
        ("improves: 'dropout=0.5, lr=0.2'", THREE, [("lr=0.2, dropout=0.5", "lr=0.1, dropout=0")]),
        ("improves: 'schedule=linear, lr=0.2'", GRID, [("lr=0.2, schedule=linear", "lr=0.1, schedule=cosine")]),
        ("improves: [lr=0.2, lr=0.4]", GRID, [("lr=0.2", "lr=0.1"), ("lr=0.4", "lr=0.1")]),
        ("{improves: lr=0.4, over: lr=0.2}", GRID, [("lr=0.4", "lr=0.2")]),
        ("{improves: lr=0.4, where: {schedule: linear}}", GRID, [("lr=0.4", "lr=0.1")]),
        ("{improves: lr=0.4, over: 'schedule=linear, lr=0.2'}", GRID, [("lr=0.4", "lr=0.2, schedule=linear")]),
        (
            "{improves: all, where: {schedule: cosine}}",
            GRID,
            [(f"lr={rate}, schedule=cosine", "lr=0.1, schedule=cosine") for rate in ("0.2", "0.4")],
        ),
        (
            "{improves: all, over: schedule=cosine}",
            GRID,
            [(f"lr={rate}, schedule=linear", "schedule=cosine") for rate in ("0.1", "0.2", "0.4")],
        ),
    ],
)
def test_a_mean_is_compared_with_the_baselines_levels_or_with_what_is_named(
    text: str, setting: Setting, pairs: Sequence[tuple[str, str]]
) -> None:
    assert compared(text, setting) == pairs


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("improves: schedule=cosine", "'schedule=cosine' compared with itself"),
        ("{improves: 'schedule=linear, lr=0.2', over: 'lr=0.2, schedule=linear'}", "compared with itself"),
        (
            "{improves: lr=0.2, over: schedule=linear, where: {lr: 0.2, schedule: linear}}",
            "'lr=0.2' compared with 'schedule=linear', which is the same here",
        ),
        ("improves: [lr=0.2, lr=0.2]", "names a variant twice"),
        ("improves: ['schedule=linear, lr=0.2', 'lr=0.2, schedule=linear']", "names a variant twice"),
        ("{contrast: {'schedule=linear, lr=0.2': 1, 'lr=0.2, schedule=linear': -1}, is: positive}", "names a variant twice"),
        (
            "{contrast: {lr=0.2: 1, schedule=linear: -1}, is: positive, where: {lr: 0.2, schedule: linear}}",
            "names a variant twice",
        ),
        ("improves: schedul=linear", "no variant 'schedul=linear'; did you mean schedule=linear?"),
        ("improves: lr=0.3", "no variant 'lr=0.3'; did you mean lr="),
        ("{improves: lr=0.2, over: lr=0.4, where: {lr: 0.4}}", "'lr=0.2' is not among the variants where lr is 0.4"),
        ("{improves: lr=0.2, where: {lr: 0.2}}", "the baseline 'lr=0.1' is outside where:; set over:"),
        ("{improves: all, where: {schedule: linear}}", "the baseline 'lr=0.1, schedule=cosine' is outside where:"),
        ("{improves: lr=0.2, over: lr=0.4, where: {lr: 0.2}}", "over: 'lr=0.4' is not among the variants where lr is 0.2"),
        (
            "{improves: lr=0.2, where: {schedule: quadratic}}",
            "where.schedule: schedule has no level 'quadratic'; choose from: cosine, linear",
        ),
        ("{at_least: {lr=0.2: 90}, where: {lr: 0.4}}", "at_least.lr=0.2: 'lr=0.2' is not among"),
        ("{contrast: {lr=0.2: 1, lr=0.4: -1}, is: positive, where: {lr: 0.2}}", "contrast.lr=0.4: 'lr=0.4' is not among"),
        ("{declines_beyond: 0.1, factor: lr, where: {lr: 0.2}}", "where.lr: lr is the factor of the claim"),
    ],
)
def test_a_mean_of_nothing_or_of_the_same_is_refused(text: str, what: str) -> None:
    assert what in refused(text)


@pytest.mark.parametrize("baseline", ["", "lr=9"])
def test_a_mean_over_a_baseline_that_is_none_is_no_problem_of_the_claim(baseline: str) -> None:
    lost = replace(GRID, over=dict.fromkeys(GRID.labels, baseline))
    for text in ("improves: lr=0.2", "{improves: lr=0.2, where: {schedule: linear}}", "{improves: all, where: {lr: 0.2}}"):
        assert read_claim(read_text(text, "x.yaml"), lost)[1] == []


def test_contrasts_and_thresholds_take_means_too() -> None:
    contrast = claimed("{contrast: {schedule=linear: 1, 'schedule=cosine, lr=0.2': -1}, is: negligible}")
    assert isinstance(contrast, ContrastClaim)
    assert contrast.weights == {"schedule=linear": 1.0, "lr=0.2, schedule=cosine": -1.0}
    threshold = claimed("{at_least: {schedule=linear: 90}, where: {lr: 0.20}}")
    assert isinstance(threshold, ThresholdClaim)
    assert (threshold.variant, threshold.where) == ("schedule=linear", {"lr": "0.2"})


# Designs that are no grid


def test_outside_a_grid_a_label_of_some_factors_means_the_one_variant_that_has_them() -> None:
    assert compared("improves: schedule=linear", ARMS) == [("lr=0.1, schedule=linear", "lr=0.1, schedule=cosine")]
    assert compared("improves: schedule=linear", PAIRS) == [("lr=0.2, schedule=linear", "lr=0.1, schedule=cosine")]
    assert compared("{improves: lr=0.2, over: schedule=linear}", ARMS) == [("lr=0.2, schedule=cosine", "lr=0.1, schedule=linear")]
    threshold = claimed("{at_least: {schedule=linear: 90}}", ARMS)
    assert isinstance(threshold, ThresholdClaim)
    assert threshold.variant == "lr=0.1, schedule=linear"


def test_outside_a_grid_an_ambiguous_label_is_told_the_variants_that_it_may_mean() -> None:
    told = refused("improves: lr=0.1", ARMS)
    words = "'lr=0.1' is ambiguous: 2 variants have it, and this is not a grid; choose from: "
    assert told.endswith(f"{words}'lr=0.1, schedule=cosine', 'lr=0.1, schedule=linear'")
    assert "names a variant twice" in refused("improves: [schedule=linear, 'lr=0.1, schedule=linear']", ARMS)


def test_a_combination_that_a_design_leaves_out_is_no_variant() -> None:
    assert "no variant 'lr=0.2, schedule=linear'; did you mean" in refused("improves: 'lr=0.2, schedule=linear'", ARMS)
    assert "no variant 'lr=0.1, schedule=linear'; did you mean" in refused("improves: 'lr=0.1, schedule=linear'", PAIRS)


def test_a_slice_leaves_out_the_levels_that_it_has_no_variant_of() -> None:
    assert isinstance(claimed("{declines_beyond: 0.2, factor: lr, where: {schedule: cosine}}", ARMS), DeclineClaim)
    told = refused("{declines_beyond: 0.2, factor: lr, where: {schedule: linear}}", ARMS)
    assert told.endswith("fewer than two levels from 0.2 on; the levels are 0.1 where schedule is linear")
    assert "no level is in the range" in refused("{best_in_range: [0.2, 0.3], factor: lr, where: {schedule: linear}}", ARMS)
    assert "is not a level" in refused("{no_proportional_gain: 0.2, factor: lr, where: {schedule: linear}}", ARMS)


def test_an_empty_slice_is_refused() -> None:
    text = "{declines_beyond: 0.1, factor: dropout, where: {lr: 0.2, schedule: linear}}"
    assert "the levels are none where lr is 0.2, schedule is linear" in refused(text, drafted(CUBE, designs.one_at_a_time))


# What is kept

KINDS_OF_CLAIM: Iterable[Claim] = (
    ComparisonClaim(metric="m", kind="no_gain", variants=("a", "b"), over=("c", "c"), margin=0.1),
    ContrastClaim(metric="m", weights={"a": 1.0, "b": -0.5, "c": -0.5}, sign="negligible", margin=0.1, failed_counts_as=0.0),
    RangeClaim(metric="m", factor="lr", inside=(0.1, 0.2), margin=0.0, where={"schedule": "cosine"}),
    DeclineClaim(metric="m", factor="lr", beyond=0.2),
    ProportionClaim(metric="m", factor="lr", beyond=0.2, dose="parameters"),
    ThresholdClaim(metric="m", kind="at_most", variant="a", value=-1e-300),
)
ADAPTER: TypeAdapter[Claim] = TypeAdapter(Claim)


def test_every_shape_is_among_the_examples() -> None:
    assert {type(claim) for claim in KINDS_OF_CLAIM} == set(get_args(get_args(Claim)[0]))
    assert {RangeClaim, DeclineClaim, ProportionClaim} == set(get_args(DoseClaim))


@pytest.mark.parametrize("claim", KINDS_OF_CLAIM, ids=lambda claim: claim.kind)
def test_a_claim_comes_back_from_json_as_it_was(claim: Claim) -> None:
    assert ADAPTER.validate_json(ADAPTER.dump_json(claim)) == claim
    assert ADAPTER.validate_python(as_dict(claim)) == claim


@pytest.mark.parametrize("claim", KINDS_OF_CLAIM, ids=lambda claim: claim.kind)
def test_a_claim_with_a_field_that_is_not_its_own_is_refused(claim: Claim) -> None:
    with pytest.raises(ValidationError, match="surprise"):
        ADAPTER.validate_python({**as_dict(claim), "surprise": 1})


def test_what_is_at_its_default_is_not_in_the_digest() -> None:
    assert as_dict(DeclineClaim(metric="m", factor="lr", beyond=0.0, failed_counts_as=0.0)) == {
        "kind": "declines_beyond",
        "metric": "m",
        "factor": "lr",
        "beyond": 0.0,
        "failed_counts_as": 0.0,
    }


def test_the_digest_is_golden() -> None:
    # Plans on disk hold it: should it change, every registered claim would look amended.
    assert digest(tuple(KINDS_OF_CLAIM), {"looks": (3, 5), "margin": 0.25, "alpha": 0.05, "baseline": "ä"}) == "af2dd8141470"


def test_the_digest_changes_with_a_claim_its_place_and_with_what_was_registered_beside_it() -> None:
    one, other = claimed("improves: lr=0.2"), claimed("worsens: lr=0.2")
    registered = {"looks": (3,), "margin": 0.25}
    changed = [
        digest([one], registered),
        digest([other], registered),
        digest([one, other], registered),
        digest([other, one], registered),
        digest([one], {**registered, "margin": 0.5}),
        digest([type(one)(**{**dict(one), "failed_counts_as": 0.0})], registered),
        digest([type(one)(**{**dict(one), "where": {"schedule": "cosine"}})], registered),
    ]
    assert len(set(changed)) == len(changed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{improves: lr=0.4, where: {schedule: linear}}", "{where: {schedule: linear}, over: lr=0.1, improves: lr=0.4}"),
        ("improves: 'lr=0.2, schedule=linear'", "improves: 'schedule=linear, lr=0.2'"),
        ("{at_least: {lr=0.2: 90}, metric: accuracy}", "{at_least: {lr=0.2: 90.0}}"),
        ("{declines_beyond: 0.2, factor: lr}", "{declines_beyond: 2e-1, factor: lr, failed_counts_as: null}"),
        (
            "{contrast: {lr=0.1: 1, lr=0.2: -1}, is: positive}",
            "{contrast: {lr=0.2: -1, lr=0.1: 1.0}, is: positive, margin: 0.25}",
        ),
    ],
)
def test_the_same_claim_in_other_words_has_the_same_digest(one: str, other: str) -> None:
    assert claimed(one) == claimed(other)
    assert digest([claimed(one)], {}) == digest([claimed(other)], {})
