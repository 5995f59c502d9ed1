"""Looks: when training stops, what freezes, and what a failure or a divergence does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from examples import amended, changed
from simulated import comparison, frame, plan_of

from harness.analysis.verdicts import Judgement, Verdict, judgement, table
from harness.experiment.claims import Claim
from harness.reporting import phrases

SCHEDULE = (3, 5, 8, 12, 20)
X = [0.31, 0.12, 0.44, 0.25, 0.38, 0.05, 0.29, 0.41]
ZEROS = [0.0] * 20


def looked(
    values: Sequence[float | str], *, looks: Sequence[int] = SCHEDULE, plan: Mapping[str, Any] | None = None, **fields: object
) -> Judgement:
    """The judgement on `values` as the differences of b from base."""
    made = plan_of(("base", "b"), [comparison("improves", "b", **fields)], looks, **(plan or {}))
    return judgement(made, frame(made, {"base": ZEROS[: len(values)], "b": values}))


def test_the_reference_looks_come_out_to_four_decimals() -> None:
    third, fifth = (looked(X[:n]) for n in (3, 5))
    assert (third.look, third.horizon, third.finished, third.verdicts[0].verdict) == (3, 5, False, "inconclusive")
    assert third.verdicts[0].open
    row = third.verdicts[0].rows[0]
    assert (row.p, row.level, *row.interval) == pytest.approx((0.6833, 0.0039, -1.1858, 1.7658), abs=5e-5)
    row = fifth.verdicts[0].rows[0]
    assert (row.p, row.level, *row.interval) == pytest.approx((0.0429, 0.0066, 0.0135, 0.5865), abs=5e-5)
    assert (fifth.look, fifth.horizon, fifth.finished) == (5, 5, True)
    assert (fifth.verdicts[0].verdict, fifth.verdicts[0].decided_at, fifth.verdicts[0].notes) == ("supported", 5, ("early stop",))


def test_a_verdict_freezes_at_its_first_decided_look_and_only_its_p_may_fall() -> None:
    # Another plan had the later seeds trained; they say otherwise.
    later = looked([*X, -5.0, 4.0, -3.0, -6.0])
    assert (later.look, later.horizon) == (12, 5)
    frozen, row = later.verdicts[0], later.verdicts[0].rows[0]
    assert (frozen.verdict, frozen.decided_at, row.n) == ("supported", 5, 5)
    assert (row.mean, *row.interval) == pytest.approx((0.30, 0.0135, 0.5865), abs=5e-5)
    assert row.p_adjusted == pytest.approx(0.0037, abs=5e-5)


def test_p_never_lies_above_what_it_is_after_correction() -> None:
    plan = plan_of(("base", "b", "c"), [comparison("improves", "b"), comparison("improves", "c")], SCHEDULE)
    noise = np.random.default_rng(1).normal(0.0, 0.01, (2, 12))
    found = judgement(plan, frame(plan, {"base": ZEROS[:12], "b": 0.4 + noise[0], "c": 0.1 * (-1.0) ** np.arange(12) + noise[1]}))
    row = found.verdicts[0].rows[0]
    assert (row.n, found.look) == (3, 12)
    assert row.p <= row.p_adjusted < 1e-6


def test_without_an_answer_it_goes_to_the_last_look() -> None:
    values = list(np.random.default_rng(4).normal(0.12, 0.35, 20))
    horizons = [looked(values[:n]).horizon for n in (0, 2, 3, 5, 8, 12, 20)]
    assert horizons == [3, 3, 5, 8, 12, 20, 20]
    end = looked(values)
    assert (end.finished, end.verdicts[0].verdict, end.verdicts[0].open, end.verdicts[0].decided_at) == (
        True,
        "inconclusive",
        False,
        None,
    )
    # At the level of the last look: one look would need a few seeds less.
    assert end.verdicts[0].rows[0].seeds_needed == (28, 37)


def test_equivalence_stops_early_too() -> None:
    values = [0.02, -0.03, 0.01, 0.0, -0.02]
    early = looked(values, margin=0.25)
    assert (early.finished, early.look, early.verdicts[0].verdict) == (True, 5, "equivalent")


def test_training_continues_while_any_claim_is_open() -> None:
    plan = plan_of(("base", "b", "c"), [comparison("improves", "b"), comparison("improves", "c")], SCHEDULE)
    c = [0.9, -0.8, 0.7, -0.9, 0.8]
    found = judgement(plan, frame(plan, {"base": ZEROS[:5], "b": [1.0, 1.1, 0.9, 1.05, 0.95], "c": c}))
    assert [verdict.verdict for verdict in found.verdicts] == ["supported", "inconclusive"]
    assert (found.verdicts[0].decided_at, found.finished, found.horizon) == (5, False, 8)


def test_a_failed_run_holds_its_look_and_all_that_come_after() -> None:
    held = looked([*X[:4], "failed"])
    assert (held.look, held.horizon, held.finished, held.holding) == (3, 5, False, (("b", 4),))
    assert looked([*X[:4], "failed"], failed_counts_as=0.25).holding == ()
    first = looked([X[0], "failed", X[2]])
    assert (first.look, first.verdicts[0].verdict, first.holding) == (0, "waiting", (("b", 1),))


def test_a_failed_run_holds_the_last_look_too() -> None:
    values = [*np.random.default_rng(4).normal(0.12, 0.35, 19), "failed"]
    held = looked(values)
    assert (held.look, held.horizon, held.finished, held.holding) == (12, 20, False, (("b", 19),))


def test_a_failed_run_holds_no_fixed_number_of_seeds() -> None:
    found = looked(["failed", *X[1:3]], looks=(3,))
    assert (found.look, found.finished, found.holding, found.verdicts[0].verdict) == (3, True, (), "inconclusive")


def test_a_claim_that_a_divergence_makes_undecidable_stops_nothing_else() -> None:
    diverged = looked([X[0], "diverged", X[2]])
    assert (diverged.finished, diverged.horizon, diverged.verdicts[0].verdict) == (True, 3, "inconclusive")
    assert (diverged.verdicts[0].open, diverged.verdicts[0].decided_at) == (False, None)
    plan = plan_of(("base", "b", "c"), [comparison("improves", "b"), comparison("improves", "c")], SCHEDULE)
    values: dict[str, Sequence[float | str]] = {"base": ZEROS[:3], "b": [0.1, "diverged", 0.2], "c": [0.9, -0.8, 0.7]}
    found = judgement(plan, frame(plan, values))
    assert (found.finished, found.horizon) == (False, 5)


def test_a_metric_that_no_run_measured_asks_for_no_further_look() -> None:
    found = looked(X[:3], metric="peak_memory_bytes")
    assert (found.finished, found.horizon, found.verdicts[0].verdict) == (True, 3, "inconclusive")
    assert found.verdicts[0].notes[0] == "not measured: b seed 0"


def test_a_list_under_a_bound_goes_on_while_one_that_did_not_diverge_may_refute_it() -> None:
    plan = plan_of(("base", "b", "c"), [comparison("no_gain", "b", "c")], SCHEDULE)
    gained = [0.5, 0.45, 0.55, 0.4, 0.6]
    values: dict[str, Sequence[float | str]] = {"base": ZEROS[:5], "b": ["diverged"] * 5, "c": gained}
    found = [judgement(plan, frame(plan, {label: own[:n] for label, own in values.items()})) for n in (3, 5)]
    assert [(each.finished, each.verdicts[0].verdict) for each in found] == [(False, "inconclusive"), (True, "refuted")]
    values["c"] = [-1.0, -1.02, -0.99]
    third = judgement(plan, frame(plan, {label: own[:3] for label, own in values.items()}))
    assert (third.finished, third.verdicts[0].verdict) == (True, "inconclusive")


def test_an_earlier_look_decides_nothing_that_the_current_seeds_contradict() -> None:
    plan = plan_of(("base", "b", "c"), [comparison("improves", label) for label in "bc"], SCHEDULE)
    # At 3 seeds b is nearly shown to be better; when c is decided at 12 its correction eases, but by then b is worse.
    b = [0.50, 0.54, 0.46, -0.1, -0.4, -0.9, -1.5, -1.2, -1.0, -1.3, 0.5, -0.7]
    c = [0.9, -0.2, 0.7, -0.3, 0.8, 0.9, 1.1, 1.0, 0.95, 1.05, 1.0, 1.0]
    found = judgement(plan, frame(plan, {"base": ZEROS[:12], "b": b, "c": c}))
    row = found.verdicts[0].rows[0]
    assert (found.verdicts[1].verdict, row.p_adjusted < 0.05, row.mean < 0) == ("supported", True, True)
    assert (found.verdicts[0].verdict, found.verdicts[0].open) == ("inconclusive", True)


def test_a_number_without_spread_is_not_inflated_by_stopping_early() -> None:
    plan = plan_of(("base", "b"), [comparison("worsens", "b", metric="parameters")], SCHEDULE)
    (verdict,) = judgement(plan, frame(plan, {"base": [5.0] * 3, "b": [7.0] * 3}, "parameters")).verdicts
    assert (verdict.verdict, verdict.decided_at, verdict.notes) == ("supported", 3, ())


def test_no_further_look_is_promised_to_a_claim_made_later_once_training_has_stopped() -> None:
    plan = plan_of(("base", "b"), [comparison("improves", "b")], (3, 5, 10))
    now = amended(plan, claims=[comparison("improves", "b", margin=0.01)])
    found = judgement(now, frame(plan, {"base": ZEROS[:3], "b": [0.02, -0.018, 0.003]}))
    assert [(verdict.verdict, verdict.open) for verdict in found.verdicts] == [("equivalent", False), ("inconclusive", False)]
    assert found.finished


def extended(values: Sequence[float | str], claims: Sequence[Claim] | None = None) -> Verdict:
    """The verdict on a plan of 5 seeds that was extended to as many as there are values."""
    plan = plan_of(("base", "b"), claims or [comparison("improves", "b")], (5,), seeds=len(values))
    return judgement(plan, frame(plan, {"base": ZEROS[: len(values)], "b": values})).verdicts[0]


def test_later_seeds_change_no_verdict_but_may_contradict_it() -> None:
    first = [0.52, 0.55, 0.50, 0.53, 0.51]
    noise = np.random.default_rng(0).normal(0.0, 0.2, 15)
    against = extended([*first, *(-1.5 + noise)])
    assert (against.verdict, against.rows[0].n, against.contradicted) == ("supported", 5, True)
    assert (against.later.n, against.later.favours, against.later.e_needed) == (20, "opposite", pytest.approx(20))
    assert against.later.e_value > 20
    agreeing = extended([*first, *(0.5 + noise)])
    assert (agreeing.later.favours, agreeing.contradicted) == ("verdict", False)
    assert agreeing.later.e_value > 20
    assert extended(first).later is None


def test_a_verdict_is_contradicted_where_the_intervals_do_not_overlap() -> None:
    first = [1.0, 1.01, 0.99, 1.0, 1.005]
    fading = extended([*first, *np.full(15, 0.3)])
    assert (fading.later.favours, fading.contradicted) == ("verdict", True)


def test_equivalence_is_contradicted_by_a_mean_beyond_the_margin() -> None:
    first = [0.01, -0.02, 0.0, 0.02, -0.01]
    noise = np.random.default_rng(0).normal(0.0, 0.02, 15)
    assert extended([*first, *(1.0 + noise)], [comparison("equivalent", "b")]).contradicted
    assert not extended([*first, *noise], [comparison("equivalent", "b")]).contradicted
    assert extended([*first, *(1.0 + noise)], [comparison("no_gain", "b")]).contradicted


def test_what_later_seeds_must_show_is_corrected_for_the_other_claims() -> None:
    claims = [comparison("improves", "b"), *(comparison("improves", "b", margin=margin) for margin in (0.1, 0.5, 0.6))]
    verdict = extended([*np.random.default_rng(4).normal(1.0, 0.1, 5), 1.0], claims)
    assert (verdict.verdict, verdict.later.e_needed > 20) == ("supported", True)


def test_a_run_that_diverges_after_the_deciding_look_is_named() -> None:
    verdict = extended([0.52, 0.55, 0.50, 0.53, 0.51, 0.5, "diverged", 0.5])
    assert (verdict.verdict, verdict.notes[-1]) == ("supported", "diverged after the deciding look: b seed 6")


def test_a_supported_claim_says_which_failure_rate_its_seeds_do_not_exclude() -> None:
    assert looked(X[:5]).verdicts[0].failure_limit == pytest.approx(1 - 0.05 ** (1 / 5))
    assert looked(X[:3]).verdicts[0].failure_limit is None


def test_a_variant_whose_claims_are_decided_gets_no_further_seeds() -> None:
    plan = plan_of(
        ("base", "b", "c", "d"), [comparison("improves", "b"), comparison("improves", "c")], SCHEDULE, drops_decided=True
    )
    b, c = [1.0, 1.1, 0.9, 1.05, 0.95], [0.9, -0.8, 0.7, -0.9, 0.8, 0.1, -0.3, 0.2]
    values: dict[str, Sequence[float | str]] = {"base": ZEROS[:5], "b": b, "c": c[:5], "d": ZEROS[:3]}
    found = judgement(plan, frame(plan, values))
    # No claim is about d: it has the seeds of the first look.
    assert (found.look, found.horizons) == (5, {"base": 8, "b": 5, "c": 8, "d": 3})
    later = judgement(plan, frame(plan, {**values, "base": ZEROS[:8], "c": c}))
    assert (later.look, later.horizons) == (8, {"base": 12, "b": 5, "c": 12, "d": 3})
    assert later.verdicts[0].rows[0].n == 5
    rows = table(plan, frame(plan, {**values, "base": ZEROS[:8], "c": c})).rows
    assert [(row.variant, row.pairs) for row in rows] == [("base", 0), ("b", 5), ("c", 8), ("d", 3)]
    assert rows[1].level < rows[2].level
    # Older plans train all variants while a claim is open.
    older = judgement(changed(plan, drops_decided=False), frame(plan, {**values, "d": ZEROS[:5]}))
    assert older.horizons == dict.fromkeys(plan.variants, 8)


def test_a_dropped_variant_keeps_its_place_in_the_correction() -> None:
    plan = plan_of(("base", "b", "c"), [comparison("no_gain", "b"), comparison("no_gain", "c")], SCHEDULE, drops_decided=True)
    b, c = [-1.0, -1.02, -0.99], [0.9, -0.8, 0.7, -0.9, 0.8]
    found = judgement(plan, frame(plan, {"base": ZEROS[:5], "b": b, "c": c}))
    alone = judgement(plan_of(("base", "c"), [comparison("no_gain", "c")], SCHEDULE), frame(plan, {"base": ZEROS[:5], "c": c}))
    assert found.horizons["b"] == 3
    assert found.verdicts[1].rows[0].p_equivalence > alone.verdicts[0].rows[0].p_equivalence


def test_a_failed_run_of_a_dropped_variant_holds_nothing() -> None:
    plan = plan_of(("base", "b", "c"), [comparison("improves", "b"), comparison("improves", "c")], SCHEDULE, drops_decided=True)
    b, c = [1.0, 1.1, 0.9, 1.05, 0.95, "failed"], [0.9, -0.8, 0.7, -0.9, 0.8, 0.1, -0.3, 0.2]
    found = judgement(plan, frame(plan, {"base": ZEROS[:8], "b": b, "c": c}))
    assert (found.look, found.holding) == (8, ())


def test_results_of_a_dropped_variant_that_come_from_elsewhere_change_nothing() -> None:
    generator = np.random.default_rng(205)
    base = generator.normal(0.0, 0.1, 20)
    b, c = base + generator.normal(0.14, 0.08, 20), base + generator.normal(0.2, 0.3, 20)
    plan = plan_of(("base", "b", "c"), [comparison("improves", "b"), comparison("improves", "c")], SCHEDULE, drops_decided=True)
    asked = judgement(plan, frame(plan, {"base": base, "b": b[:8], "c": c}))
    more = judgement(plan, frame(plan, {"base": base, "b": b, "c": c}))
    assert asked.horizons == more.horizons == {"base": 20, "b": 8, "c": 20}
    # With more seeds of b its equivalence would free more of alpha for c.
    assert [(one.verdict, one.decided_at) for one in asked.verdicts] == [("equivalent", 8), ("inconclusive", None)]
    assert [(one.verdict, one.decided_at) for one in more.verdicts] == [("equivalent", 8), ("inconclusive", None)]


def test_the_step_of_a_metric_does_not_depend_on_results_that_no_look_asked_for() -> None:
    plan = plan_of(("base", "b", "c"), [comparison("improves", "b"), comparison("improves", "c")], SCHEDULE, drops_decided=True)
    # Every difference of c is the same: it is tested against the step, 0.1 so far.
    base = [0.0, 0.1, 0.2, 0.3, 0.1, 0.2, 0.0, 0.3]
    values: dict[str, Sequence[float | str]] = {"base": base[:5], "b": [1.0, 1.1, 1.2], "c": [one + 0.1 for one in base[:5]]}
    asked = judgement(plan, frame(plan, values))
    more = judgement(plan, frame(plan, {**values, "b": [1.0, 1.1, 1.2, 1.001, 1.002]}))
    assert asked.horizons["b"] == 3
    assert repr(asked.verdicts[1]) == repr(more.verdicts[1])  # repr: since Python 3.13 nan makes dataclasses unequal


def test_a_row_of_a_list_that_is_unlikely_to_be_decided_stays_closed() -> None:
    generator = np.random.default_rng(0)
    b, c = generator.normal(0.15, 0.35, 20), generator.normal(0.02, 0.35, 20)
    plan = plan_of(("base", "b", "c"), [comparison("improves", "b", "c", margin=0.01)], SCHEDULE, futility=0.1)
    for n in SCHEDULE:
        found = judgement(plan, frame(plan, {"base": 0.001 * np.arange(n), "b": b[:n], "c": c[:n]}))
        for row in found.verdicts[0].rows:
            assert sum(note.startswith("unlikely") for note in row.notes) <= 1
    assert [row.n for row in found.verdicts[0].rows] == [20, 8]


def test_a_claim_that_is_unlikely_to_be_decided_is_closed() -> None:
    noise = [0.9, -0.8, 0.7, -0.9, 0.8, -0.7, 0.6, -0.9, 0.8, -0.8, 0.7, -0.6]
    endless, stopped = looked(noise), looked(noise, plan={"futility": 0.1})
    assert (endless.finished, endless.horizon) == (False, 20)
    assert (stopped.finished, stopped.verdicts[0].verdict, stopped.verdicts[0].open) == (True, "inconclusive", False)
    assert stopped.horizon < 20
    assert stopped.verdicts[0].decided_at is None
    assert stopped.verdicts[0].notes[0].startswith("unlikely to be decided by 20 seeds (")
    likely = looked(list(np.random.default_rng(4).normal(0.3, 0.35, 5)), plan={"futility": 0.1})
    assert (likely.finished, likely.horizon) == (False, 8)


def test_a_claimed_difference_stays_claimed_when_seeds_are_added_beyond_the_last_look() -> None:
    plan = plan_of(("base", "b", "c"), [comparison("improves", "b")], (3, 5), seeds=8)
    found = table(plan, frame(plan, {"base": ZEROS[:8], "b": X, "c": X[::-1]}))
    assert (found.seeds, found.rows[1].pairs) == (8, 8)
    assert [row.claimed for row in found.rows] == [False, True, False]
    assert np.isnan(found.rows[1].p)
    assert phrases.table_note(plan, found, "%") == (
        "3 seeds added after the last look; the intervals do not account for that; verdicts and their p values use the first 5;"
        " paired by seed; ± is sd over seeds; each interval is for its row alone; margin 0.25 pp, the smallest that matters;"
        " exploratory: c"
    )


def test_claims_of_an_amended_file_are_judged_and_marked_and_stop_nothing() -> None:
    registered = [comparison("improves", "b")]
    plan = plan_of(("base", "b"), registered, SCHEDULE)
    now = amended(plan, claims=[*registered, comparison("improves", "b", margin=9.0)])
    found = judgement(now, frame(plan, {"base": ZEROS[:5], "b": X[:5]}))
    assert [(verdict.registered, verdict.verdict) for verdict in found.verdicts] == [(True, "supported"), (False, "equivalent")]
    # repr: since Python 3.13 nan makes dataclasses unequal
    assert repr(found.verdicts[0]) == repr(judgement(plan, frame(plan, {"base": ZEROS[:5], "b": X[:5]})).verdicts[0])
    assert found.finished


def test_the_table_goes_by_the_look_in_force() -> None:
    plan = plan_of(("base", "b"), [comparison("improves", "b")], SCHEDULE)
    found = table(plan, frame(plan, {"base": ZEROS[:7], "b": X[:7]}))
    assert (found.seeds, found.rows[1].pairs) == (5, 5)
    assert (found.level, *found.rows[1].interval) == pytest.approx((0.0066, 0.0135, 0.5865), abs=5e-5)
