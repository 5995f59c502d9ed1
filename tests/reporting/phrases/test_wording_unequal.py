"""Words for comparisons over the seeds that both variants have, and for unpaired ones."""

from __future__ import annotations

import pytest
from simulated import BASE, LEAKY, available, comparison, plan_of

from harness.analysis.verdicts import Verdict, judge, table
from harness.experiment.plan import Plan, task_of
from harness.reporting import phrases
from harness.reporting.pages.explanations import reasons
from harness.tasks.protocol import result_metrics

ABSENT = "absent"
VALUES = {"base": [*BASE, ABSENT], "b": [LEAKY[0], ABSENT, *LEAKY[2:], 93.6]}
PLAN = plan_of(tuple(VALUES), [comparison("improves", "b")], (6,))
METRICS = result_metrics(task_of(PLAN))


def judged(values: dict, plan: Plan = PLAN, *, unpaired: bool = False) -> Verdict:
    return judge(*available(plan, values, unpaired=unpaired))[0]


def test_a_headline_says_how_many_of_the_seeds_are_shared() -> None:
    assert phrases.headline(judged(VALUES), METRICS) == "Better by 0.30 pp, 95 % interval 0.16 to 0.44, 4 paired seeds of 6."
    assert reasons(judged(VALUES), PLAN, METRICS)[1] == "2 seeds are left out: not every variant has a run with them."
    one = {"base": BASE, "b": [*LEAKY[:4], ABSENT]}
    assert phrases.left_out(judged(one).rows[0]) == "1 seed is left out: not every variant has a run with it."
    assert phrases.left_out(judged({"base": BASE, "b": LEAKY}).rows[0]) == ""


def test_a_headline_counts_the_runs_of_an_unpaired_comparison() -> None:
    found = judged({**VALUES, "base": [*BASE, 93.0]}, unpaired=True)
    assert phrases.headline(found, METRICS) == "Better by 0.39 pp, 95 % interval 0.20 to 0.59, unpaired, 5 and 6 runs."
    assert "Tested unpaired, over 5 and 6 runs: Welch's t test." in reasons(found, PLAN, METRICS)


def test_an_undecided_unpaired_comparison_needs_runs() -> None:
    found = judged({"base": [1.0, 2.0, 3.0, 2.0, 1.0], "b": [2.0, 1.0, 3.0, 2.0, 2.0]}, unpaired=True)
    low, high = found.rows[0].seeds_needed or (0, 0)
    assert phrases.outcome(found, METRICS).endswith(f"; {low} to {high} fresh runs of each variant would settle it")


@pytest.mark.parametrize(
    ("values", "unpaired", "short", "sentence"),
    [
        (
            {"base": [1.0, 2.0, 3.0], "b": [ABSENT] * 3 + [1.0, 2.0, 4.0]},
            False,
            "no test: no seed in common",
            "The variants have no seed in common, so that nothing can be compared seed by seed.",
        ),
        (
            {"base": [1.0, 2.0, 3.0], "b": [1.0, 2.0]},
            True,
            "no test with fewer than 3 runs of a variant",
            "Fewer than 3 runs of a variant: no test is possible.",
        ),
    ],
)
def test_why_there_is_no_test(values: dict, unpaired: bool, short: str, sentence: str) -> None:
    found = judged(values, unpaired=unpaired)
    assert phrases.outcome(found, METRICS).endswith(short)
    assert phrases.notes(found, METRICS) == (sentence,)


def test_few_runs_are_said_to_be_tested_roughly() -> None:
    found = judged({"base": BASE, "b": LEAKY[:4]}, unpaired=True)
    (note,) = phrases.notes(found, METRICS)
    assert note == "Fewer than 5 runs of a variant: unpaired, the test errs somewhat more often than alpha says."


def test_the_note_of_the_table_says_what_is_compared() -> None:
    shared = phrases.table_note(PLAN, table(*available(PLAN, VALUES)), "%")
    assert "paired by seed; ± is sd over seeds" in shared
    assert "over the seeds that both variants have: b 4" in shared
    assert "failed" not in shared
    welch = phrases.table_note(PLAN, table(*available(PLAN, VALUES, unpaired=True)), "%")
    assert "unpaired (Welch's t test); ± is sd over runs" in welch
    assert "pairs" not in welch
    failed = phrases.table_note(
        PLAN, table(*available(PLAN, {**VALUES, "b": [*VALUES["b"][:5], "failed"], "base": [*BASE, 93.0]})), "%"
    )
    assert "fewer pairs, as runs failed or diverged: b 4" in failed
