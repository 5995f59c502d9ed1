"""False discoveries over all plans: the p value of a verdict, q values, and the number of false claims that is stated."""

from __future__ import annotations

import re
from math import isnan, nan
from typing import Any

import numpy as np
import pytest
from simulated import comparison, frame, plan_of

from harness.analysis.verdicts import Estimate, Verdict, judge
from harness.experiment.claims import Claim, ThresholdClaim
from harness.reporting.pages.discoveries import claim_p, expected_false, q_values

IMPROVES, NO_GAIN, EQUIVALENT = (comparison(kind, "b", "c") for kind in ("improves", "no_gain", "equivalent"))
AT_LEAST = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="b", value=90.0)


def row(verdict: str, **numbers: float) -> Estimate:
    own: dict[str, Any] = {"p": 0.2, "p_adjusted": 0.9, "p_equivalence": nan, "p_contrary": nan, **numbers}
    fixed: dict[str, Any] = {"notes": (), "n": 5, "mean": 1.0, "sd": 1.0, "interval": None, "level": 0.05, "rho": 0.0}
    return Estimate(subject="b", over="base", verdict=verdict, seeds_needed=None, **fixed, **own)  # type: ignore[arg-type]  # a word


def verdict(claim: Claim, word: str, *rows: Estimate) -> Verdict:
    return Verdict(claim, None, word, (), rows, None, False, ())  # type: ignore[arg-type]  # a word


@pytest.mark.parametrize(
    ("given", "p"),
    [
        (verdict(IMPROVES, "supported", row("supported", p=0.01), row("supported", p=0.03)), 0.03),
        (verdict(IMPROVES, "refuted", row("refuted", p=0.01), row("supported", p=0.001)), 0.01),
        (verdict(IMPROVES, "inconclusive", row("supported", p=0.01), row("inconclusive", p=0.3)), 0.3),
        (verdict(IMPROVES, "equivalent", row("equivalent", p=0.6, p_equivalence=0.02)), 0.02),
        (verdict(NO_GAIN, "supported", row("supported", p=0.6, p_equivalence=0.02)), 0.02),
        (verdict(EQUIVALENT, "refuted", row("refuted", p=0.004, p_equivalence=1.0)), 0.004),
        (verdict(AT_LEAST, "refuted", row("refuted", p=0.99, p_contrary=0.01)), 0.01),
        (verdict(AT_LEAST, "supported", row("supported", p=0.01, p_contrary=0.99)), 0.01),
        (verdict(IMPROVES, "inconclusive", row("supported", p=0.01), row("inconclusive", p=nan)), nan),
        (verdict(IMPROVES, "waiting"), nan),
    ],
)
def test_the_p_value_is_of_what_the_verdict_says(given: Verdict, p: float) -> None:
    assert claim_p(given, 0.05) == pytest.approx(p, nan_ok=True)


def test_claims_without_a_test_do_not_count() -> None:
    assert q_values([]) == []
    assert q_values([nan]) == pytest.approx([nan], nan_ok=True)
    assert q_values([0.01, nan, 0.04]) == pytest.approx([0.02, nan, 0.04], nan_ok=True)


def test_the_sentence_counts_tests_not_findings() -> None:
    assert expected_false([], 0) == ""
    assert expected_false([0.05] * 26, 12).startswith(
        "12 supported among 26 registered claims that were tested: at most about 1.3 are expected to be false"
    )


@pytest.mark.slow
@pytest.mark.parametrize("true_share", [0.0, 0.1])
def test_no_more_supported_claims_are_false_than_the_page_says(true_share: float) -> None:
    """30 plans at 5 seeds; where a claim is true, the effect is 0.2 and the sd of differences 0.2."""
    draw, boards, plans = np.random.default_rng(7), 20, 30
    plan = plan_of(("base", "b"), [comparison("improves", "b", margin=0.01)], (5,))
    stated = false = false_by_q = found_by_q = 0.0
    for _ in range(boards):
        true = np.arange(plans) < true_share * plans
        verdicts = []
        for effect in np.where(true, 0.2, 0.0):
            base = draw.normal(90.0, 0.3, 5)
            verdicts += judge(plan, frame(plan, {"base": list(base), "b": list(base + draw.normal(effect, 0.2, 5))}))
        words = np.array([one.verdict == "supported" for one in verdicts])
        p = [claim_p(one, 0.05) for one in verdicts]
        assert not any(map(isnan, p))
        low = np.array(q_values(p)) <= 0.05
        number = re.search(r"about ([\d.]+) are", expected_false([0.05] * plans, int(words.sum())))
        assert number is not None
        stated += float(number.group(1))
        false += (words & ~true).sum()
        false_by_q, found_by_q = false_by_q + (words & low & ~true).sum(), found_by_q + (words & low).sum()
    assert false / boards <= stated / boards
    assert false_by_q / boards <= 0.05 * max(found_by_q / boards, 1.0) + 0.1
