"""Results that exist already: arranged by variant and seed, judged, with everything that was left out named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harness.analysis import statistics
from harness.errors import InputError
from harness.existing.columns import ColumnOptions
from harness.existing.results import ExistingResults, Statement, judge_existing
from harness.existing.results_table import table_of_frame
from harness.reporting.phrases import to_claim

# The reference numbers of the statistics, by seed.
BASE = [93.12, 92.87, 93.25, 93.01, 92.95]
LEAKY = [93.41, 93.30, 93.49, 93.44, 93.20]
NOBN = [91.80, 91.20, 92.10, 91.05, 91.66]
ACCURACY = ("accuracy:maximize:%",)


def long(**variants: list[float]) -> pd.DataFrame:
    rows = [(label, seed, value) for label, values in variants.items() for seed, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["model", "seed", "accuracy"])


def judged(frame: pd.DataFrame, *claims: Any, options: ColumnOptions | None = None, **statement: Any) -> ExistingResults:
    return judge_existing(table_of_frame(frame), options or ColumnOptions(metrics=ACCURACY), Statement(claims, **statement))


def refusal(frame: pd.DataFrame, *claims: Any, options: ColumnOptions | None = None, **statement: Any) -> str:
    with pytest.raises(InputError) as refused:
        judged(frame, *claims, options=options, **statement)
    return str(refused.value)


def test_the_reference_numbers_get_the_reference_verdicts() -> None:
    found = judged(long(base=BASE, leaky=LEAKY, nobn=NOBN), "improves: leaky", "improves: nobn", margin=0.25)
    supported, refuted = found.judgement.verdicts
    assert (supported.verdict, refuted.verdict) == ("supported", "refuted")
    (row,) = supported.rows
    assert row.mean == pytest.approx(0.328)
    assert row.interval == pytest.approx((0.2101, 0.4459), abs=5e-5)
    assert row.p == pytest.approx(0.0015, abs=5e-5)


def test_every_verdict_is_retrospective() -> None:
    (verdict,) = judged(long(base=BASE, leaky=LEAKY), "improves: leaky", margin=0.25).judgement.verdicts
    assert verdict.retrospective
    assert not verdict.registered
    assert verdict.registration is not None
    assert (verdict.registration.results_known, verdict.registration.results_used) == (10, 10)


def test_variants_are_compared_on_the_seeds_that_both_have() -> None:
    frame = long(base=BASE, leaky=LEAKY)
    frame = frame[~((frame["model"] == "leaky") & (frame["seed"] == 1)) & ~((frame["model"] == "base") & (frame["seed"] == 4))]
    (verdict,) = judged(frame, "improves: leaky", margin=0.25).judgement.verdicts
    both = [0, 2, 3]
    differences = np.array(LEAKY)[both] - np.array(BASE)[both]
    assert verdict.rows[0].n == 3
    assert verdict.rows[0].mean == pytest.approx(differences.mean())
    assert verdict.rows[0].p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)


def test_unpaired_results_are_tested_by_welch() -> None:
    frame = long(base=BASE, leaky=LEAKY[:4]).drop(columns="seed")
    options = ColumnOptions(metrics=ACCURACY, unpaired=True)
    (verdict,) = judged(frame, "improves: leaky", options=options, margin=0.25).judgement.verdicts
    assert verdict.rows[0].p == pytest.approx(stats.ttest_ind(LEAKY[:4], BASE, equal_var=False).pvalue)


def test_the_last_row_of_a_run_counts_whatever_the_order_of_rows() -> None:
    final = long(base=BASE, leaky=LEAKY)
    rows = pd.concat([final.assign(epoch=10), final.assign(epoch=9, accuracy=10.0)])
    found = judged(rows.sample(frac=1, random_state=0), "improves: leaky", margin=0.25)
    assert found.judgement.verdicts[0].rows[0].mean == pytest.approx(0.328)
    assert len(found.epochs) == 20


def test_a_wide_table_gives_the_same_verdict_as_a_long_one() -> None:
    wide = pd.DataFrame({"seed": range(5), "base": BASE, "leaky": LEAKY})
    one = judged(wide, "improves: leaky", margin=0.25).judgement.verdicts[0]
    other = judged(long(base=BASE, leaky=LEAKY), "improves: leaky", margin=0.25).judgement.verdicts[0]
    assert repr((one.verdict, one.rows)) == repr((other.verdict, other.rows))  # since Python 3.13 nan makes dataclasses unequal


def test_an_empty_cell_is_left_out_and_named_and_an_infinite_value_is_not() -> None:
    frame = long(base=BASE, leaky=LEAKY)
    frame.loc[7, "accuracy"] = np.nan
    found = judged(frame, "improves: leaky", margin=0.25)
    assert found.arranged.notes == ("row 7 was left out: no value of accuracy",)
    assert found.judgement.verdicts[0].rows[0].n == 4
    frame.loc[7, "accuracy"] = np.inf
    (verdict,) = judged(frame, "improves: leaky", margin=0.25).judgement.verdicts
    assert (verdict.verdict, verdict.notes) == ("inconclusive", ("diverged: leaky seed 2",))


def test_factors_are_read_off_their_columns() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"config.lr": lr, "width": width, "seed": seed, "loss": abs(np.log10(lr) + 1) + 1 / width + rng.normal(0, 0.01)}
        for lr in (0.1, 0.01, 1.0)
        for width in (64, 32)
        for seed in range(4)
    ]
    options = ColumnOptions(metrics=("loss",), factors=("config.lr", "width"))
    claims = ({"best_in_range": [0.05, 0.5], "factor": "lr", "margin": 0.1}, "improves: lr=0.1")
    found = judged(pd.DataFrame(rows), *claims, options=options, margin=0.1, baseline="lr=1, width=32")
    assert found.arranged.labels == (
        "lr=0.01, width=32",
        "lr=0.01, width=64",
        "lr=0.1, width=32",
        "lr=0.1, width=64",
        "lr=1, width=32",
        "lr=1, width=64",
    )
    assert found.plan.factors["lr"] == {"0.01": 0.01, "0.1": 0.1, "1": 1.0}
    assert [verdict.verdict for verdict in found.judgement.verdicts] == ["supported", "supported"]


def test_cases_are_what_claims_are_tested_over() -> None:
    rng = np.random.default_rng(1)
    base = rng.random(400) < 0.6
    new = base | (rng.random(400) < 0.3)
    frame = pd.DataFrame({"prompt": ["base"] * 400 + ["new"] * 400, "doc_id": [*range(400)] * 2, "correct": np.r_[base, new]})
    options = ColumnOptions(metrics=("correct:maximize:%",), case="doc_id")
    (verdict,) = judged(frame, "improves: new", options=options, margin=1.0).judgement.verdicts
    assert verdict.verdict == "supported"
    assert verdict.rows[0].cases is not None
    assert verdict.rows[0].n == 400
    assert verdict.rows[0].mean == pytest.approx(100 * (new.mean() - base.mean()))


def test_without_a_claim_everything_is_exploratory() -> None:
    found = judged(long(base=BASE, leaky=LEAKY, nobn=NOBN))
    assert found.judgement.verdicts == ()
    assert [row.claimed for row in found.table.rows] == [False, False, False]
    assert found.table.rows[1].difference == pytest.approx(0.328)


def test_rows_of_one_run_are_refused_with_both_places() -> None:
    frame = pd.concat([long(base=BASE, leaky=LEAKY), long(leaky=[93.0])], ignore_index=True)
    refused = refusal(frame, "improves: leaky", margin=0.25)
    assert refused.startswith("the frame, row 10: variant leaky, seed 0 again, first in row 5; remove one, or choose rows with")
    assert "give --step COLUMN" in refused


def test_text_where_numbers_are_expected_is_named_with_its_row_and_column() -> None:
    frame = long(base=BASE, leaky=LEAKY).astype({"accuracy": object})
    frame.loc[3, "accuracy"] = "n/a"
    assert refusal(frame).startswith("the frame, row 3, column accuracy: 'n/a' is not a number")
    seeds = long(base=BASE, leaky=LEAKY).astype({"seed": object})
    seeds.loc[6, "seed"] = "one"
    assert refusal(seeds).startswith("the frame, row 6, column seed: 'one' is not a whole number")
    halves = long(base=BASE, leaky=LEAKY).astype({"seed": float})
    halves.loc[6, "seed"] = 1.5
    assert refusal(halves).startswith("the frame, row 6, column seed: '1.5' is not a whole number")


def test_one_seed_says_nothing_about_a_difference() -> None:
    assert "the variants have one seed (0): how much the result varies" in refusal(long(base=[93.0], leaky=[93.5]))


def test_the_baseline_is_guessed_by_its_name_only() -> None:
    assert judged(long(leaky=LEAKY, baseline=BASE)).plan.baseline == "baseline"
    refused = refusal(long(relu=BASE, leaky=LEAKY))
    assert refused == "the frame: no baseline; give the variant to compare with: --baseline LABEL; choose from: relu, leaky"
    assert "--baseline rleu: the frame has no such variant; did you mean relu?" in refusal(
        long(relu=BASE, leaky=LEAKY), baseline="rleu"
    )


def test_a_claim_about_something_else_is_refused() -> None:
    refused = refusal(long(base=BASE, leaky=LEAKY), "improves: laeky", margin=0.25)
    assert refused.startswith("--claim 'improves: laeky': improves: no variant 'laeky'; did you mean leaky?")
    assert "needs a margin for accuracy" in refusal(long(base=BASE, leaky=LEAKY), "improves: leaky")


def test_an_outcome_below_zero_is_no_fraction() -> None:
    frame = pd.DataFrame({"model": ["base", "new"] * 2, "case": [0, 0, 1, 1], "score": [1, 0, -0.5, 1]})
    options = ColumnOptions(metrics=("score:maximize:%",), case="case")
    assert "row 2, column score: with the unit % an outcome is a fraction between 0 and 1, not -0.5" in refusal(
        frame, options=options
    )


def test_percentages_are_not_taken_for_outcomes_of_cases() -> None:
    frame = pd.DataFrame({"model": ["base", "new"] * 6, "case": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5], "score": [93.0] * 12})
    options = ColumnOptions(metrics=("score:maximize:%",), case="case")
    assert "with the unit % an outcome is a fraction between 0 and 1, not 93; remove the unit" in refusal(frame, options=options)


def test_a_single_variant_is_compared_with_a_number() -> None:
    (verdict,) = judged(long(leaky=LEAKY), {"at_least": {"leaky": 93}}).judgement.verdicts
    assert verdict.verdict == "supported"


@pytest.mark.parametrize("margin", [0.0, -0.5, float("nan"), float("inf")])
def test_a_margin_that_is_no_size_is_refused(margin: float) -> None:
    refused = refusal(long(base=BASE, leaky=LEAKY), "improves: leaky", margin=margin)
    assert refused == f"--margin {margin:g}: must be a finite number greater than 0, in the metric's unit"


@pytest.mark.parametrize("alpha", [0.0, 0.6, float("nan")])
def test_a_level_that_is_none_is_refused(alpha: float) -> None:
    assert f"--alpha {alpha:g}: must be greater than 0" in refusal(long(base=BASE, leaky=LEAKY), alpha=alpha)


def test_variants_without_a_common_seed_are_not_compared_silently() -> None:
    frame = long(base=BASE, leaky=LEAKY, nobn=NOBN)
    frame.loc[frame["model"] == "leaky", "seed"] += 5
    advice = "if equal seeds of two variants have nothing in common, use --unpaired"
    assert judged(frame).reading[-1] == (
        f"leaky has no seed in common with base (seeds 5 to 9 and seeds 0 to 4), so they are not compared; {advice}"
    )
    refused = refusal(frame[frame["model"] != "nobn"])
    assert f"no two variants have a seed in common (base has seeds 0 to 4; leaky has seeds 5 to 9); {advice}" in refused


def test_a_repeated_seed_is_explained_by_the_column_that_tells_its_rows_apart() -> None:
    frame = pd.concat([long(base=BASE, leaky=LEAKY).assign(data=data) for data in ("cifar 10", "mnist")], ignore_index=True)
    refused = refusal(frame)
    assert "they differ in data: choose one, as --where 'data=cifar 10', or compare all: --variant model --factor data" in refused
    options = ColumnOptions(metrics=ACCURACY, variant="model", factors=("data",))
    assert len(judged(frame, options=options, baseline="model=base, data=mnist").table.rows) == 4


def test_a_seed_that_never_changes_is_no_seed() -> None:
    refused = refusal(long(base=BASE, leaky=LEAKY).assign(seed=42))
    assert "all rows have the seed 42; if each is a run of its own, use --unpaired" in refused


def test_a_mean_with_its_spread_is_not_a_run() -> None:
    frame = pd.DataFrame({"model": ["base", "new"], "seed": [0, 0], "accuracy": ["93.1 ± 0.2", "93.5 (0.1)"]})
    refused = refusal(frame)
    assert refused == (
        "the frame, row 0, column accuracy: '93.1 ± 0.2' is not a number; a mean with its spread does not say what each seed"
        " gave; give a row per run"
    )


def test_runs_that_end_early_are_named() -> None:
    rows = [(label, seed, epoch, 90.0 + epoch + seed) for label in ("base", "new") for seed in range(3) for epoch in (1, 2, 3)]
    frame = pd.DataFrame(rows, columns=["model", "seed", "epoch", "accuracy"])
    assert len(judged(frame).reading) == 1
    assert judged(frame[:-1]).reading[-1] == (
        "runs end at different steps, from 2 (variant new, seed 2) to 3 (variant new, seed 1): 1 of 6 early; the last row of"
        " each counts"
    )


def test_results_with_equal_labels_of_rows_stay_apart() -> None:
    """As pandas.concat leaves them: the outcomes of one variant must not be taken for those of the other."""
    outcomes = {"base": [0, 0, 1, 0, 1, 0], "new": [1, 1, 1, 0, 1, 1]}
    parts = [pd.DataFrame({"model": label, "case": range(6), "correct": own}) for label, own in outcomes.items()]
    options = ColumnOptions(metrics=("correct:maximize:%",), case="case")
    one, other = (
        judged(pd.concat(parts, ignore_index=each), "improves: new", options=options, margin=5) for each in (True, False)
    )
    assert repr(one.table.rows) == repr(other.table.rows)
    assert len({run.id for run in other.plan.runs}) == 2
    wide = pd.DataFrame({"case": range(6), "a b": outcomes["base"], "a-b": outcomes["new"]})
    options = ColumnOptions(metrics=("correct:maximize:%",), case="case", wide=("a b", "a-b"))
    found = judged(wide, "improves: a-b", options=options, margin=5, baseline="a b")
    assert found.table.rows[1].interval == one.table.rows[1].interval


def test_a_table_of_results_does_not_say_that_no_run_failed() -> None:
    (verdict,) = judged(long(base=BASE, leaky=LEAKY), "improves: leaky", margin=0.25).judgement.verdicts
    assert (verdict.verdict, verdict.failure_limit) == ("supported", None)


def test_unpaired_results_need_as_many_runs_as_unpaired_tests_do() -> None:
    found = judged(long(base=BASE, leaky=LEAKY), options=ColumnOptions(metrics=ACCURACY, unpaired=True), margin=0.25)
    sd = np.sqrt(np.var(BASE, ddof=1) + np.var(LEAKY, ddof=1))
    advice = to_claim(found)[0]
    assert f"the differences vary by {sd:.2g} pp (sd, leaky minus base)" in advice
    test = statistics.unpaired([LEAKY, BASE], [1, -1], 0.25)
    low, high = statistics.runs_needed(test, 0.25, 0.05)
    assert f"{low} to {high} fresh runs of each decide a claim with the margin 0.25 pp" in advice


def test_claims_of_a_notebook_are_checked_like_those_of_a_command() -> None:
    assert refusal(long(base=BASE, leaky=LEAKY), 3, margin=1).startswith("claims[0]: 3 is not a claim")
    assert "nothing was started" not in refusal(long(base=BASE, leaky=LEAKY), "improves: [leaky", "improves: laeky", margin=1)
    assert refusal(long(base=BASE, leaky=LEAKY), margin="0.3") == "--margin '0.3': not a number"
