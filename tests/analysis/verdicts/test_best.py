"""Which variant claims show to be better than every other, if any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from examples import changed
from simulated import BASE, comparison, frame, plan_of

from harness.analysis.verdicts import judgement, table
from harness.analysis.verdicts.best import best_shown
from harness.experiment.claims import Claim
from harness.tasks.protocol import Metric

ACCURACY, LOSS = Metric("%", "maximize"), Metric("nats", "minimize")


def shifted(by: float) -> list[float]:
    """Values that differ from those of the baseline by about `by`, a little more for each seed."""
    return [value + by + 0.01 * seed for seed, value in enumerate(BASE)]


VALUES = {"base": BASE, "b": shifted(1.0), "c": shifted(-1.0)}


def best(
    values: Mapping[str, Sequence[float | str]], *claims: Claim, metric: Metric = ACCURACY, late: bool = False
) -> str | None:
    """The best variant of a plan with these claims; `late`: they were written after the results."""
    plan = plan_of(tuple(values), claims)
    plan = changed(plan, known=[run.id for run in plan.runs] if late else [])
    runs = frame(plan, values)
    return best_shown(judgement(plan, runs).verdicts, table(plan, runs, "test_accuracy"), metric)


def test_without_claims_none_is_shown_to_be_the_best() -> None:
    assert best(VALUES) is None


def test_a_claim_about_one_of_the_others_is_not_enough() -> None:
    assert best(VALUES, comparison("improves", "b")) is None
    assert best({name: VALUES[name] for name in ("base", "b")}, comparison("improves", "b")) == "b"


def test_what_follows_from_two_claims_counts() -> None:
    assert best(VALUES, comparison("improves", "b"), comparison("worsens", "c")) == "b"


def test_a_refuted_claim_says_that_the_other_is_better() -> None:
    assert best({name: VALUES[name] for name in ("base", "c")}, comparison("improves", "c")) == "base"


def test_a_baseline_that_every_other_worsens_is_the_best() -> None:
    values = {"base": BASE, "b": shifted(-0.8), "c": shifted(-1.0)}
    assert best(values, comparison("worsens", "b", "c")) == "base"


def test_a_difference_within_the_margin_does_not_count() -> None:
    values = {"base": BASE, "b": shifted(0.1)}
    assert best(values, comparison("improves", "b")) is None
    assert best(values, comparison("equivalent", "b")) is None


def test_claims_that_were_written_after_their_results_do_not_count() -> None:
    assert best({name: VALUES[name] for name in ("base", "b")}, comparison("improves", "b"), late=True) is None


def test_the_best_loss_is_the_smallest() -> None:
    plan = plan_of(("base", "c"), [comparison("improves", "c", metric="train_loss", margin=0.1)])
    runs = frame(plan, {"base": BASE, "c": shifted(-1.0)}, "train_loss", test_accuracy=1.0)
    assert best_shown(judgement(plan, runs).verdicts, table(plan, runs, "train_loss"), LOSS) == "c"


def test_a_variant_without_a_value_leaves_the_best_unknown() -> None:
    values = {"base": BASE, "b": shifted(1.0), "c": ["failed"] * 5}
    assert best(values, comparison("improves", "b"), comparison("worsens", "c")) is None


def test_equal_means_have_no_best() -> None:
    assert best({"base": BASE, "b": BASE}, comparison("improves", "b")) is None
