"""Why a verdict is what it is: the rule of each kind of claim, what it met, and at which look."""

from __future__ import annotations

import pytest
from simulated import ACTIVATIONS, BASE, LEAKY, comparison, frame, plan_of

from harness.analysis.verdicts import judge
from harness.experiment.claims import Claim, ContrastClaim, ThresholdClaim
from harness.experiment.plan import Plan
from harness.reporting.pages.explanations import reasons
from harness.tasks.protocol import result_metrics
from harness.tasks.registry import find_task

METRICS = result_metrics(find_task("cifar_resnet"))
PAIR = {"base": BASE, "leaky_relu": LEAKY}


def why(plan: Plan, values: dict[str, list[float]]) -> tuple[str, ...]:
    return reasons(judge(plan, frame(plan, values))[0], plan, METRICS)


@pytest.mark.parametrize(
    ("claim", "rule"),
    [
        (comparison("improves", "leaky_relu"), "Equivalent when a difference of 0.25 pp or more is ruled out at 0.05;"),
        (comparison("equivalent", "leaky_relu"), "Supported when a difference of 0.25 pp or more is ruled out at 0.05;"),
        (comparison("no_gain", "leaky_relu"), "Supported when a gain of 0.25 pp is ruled out at 0.05 for every variant;"),
        (comparison("no_loss", "leaky_relu"), "Supported when a loss of 0.25 pp is ruled out at 0.05 for every variant;"),
        (
            ContrastClaim(metric="test_accuracy", weights={"leaky_relu": 1, "base": -1}, sign="negligible", margin=0.25),
            "Supported when a difference of 0.25 pp or more is ruled out",
        ),
        (
            ThresholdClaim(kind="at_least", metric="test_accuracy", variant="base", value=90.0),
            "Supported when the mean is on the claimed side of the number with p below 0.05",
        ),
        (
            comparison("improves", "leaky_relu", metric="parameters", margin=1.0),
            "The values of parameters do not vary with the seed",
        ),
    ],
)
def test_the_rule_of_its_kind_comes_first(claim: Claim, rule: str) -> None:
    plan = plan_of(tuple(PAIR), [claim])
    runs = frame(plan, PAIR, parameters=4903082.0)
    assert reasons(judge(plan, runs)[0], plan, METRICS)[0].startswith(rule)


def test_the_p_values_it_met_follow_with_what_they_were_before_correction() -> None:
    plan = plan_of(tuple(ACTIVATIONS), [comparison("improves", label) for label in ("leaky_relu", "gelu", "no_batchnorm")])
    met = why(plan, ACTIVATIONS)[1]
    # The reference table: p .0015; times 2.5, as no_batchnorm's half of its slot is rejected first.
    wording = "difference p .004; .002 before the correction for all hypotheses of the plan"
    assert met == f"Here: equivalence p 1; {wording}; alpha 0.05."


@pytest.mark.parametrize(("kind", "value"), [("at_most", 92.0), ("at_least", 94.0)])
def test_what_refuted_a_claim_about_a_number_has_its_p_value(kind: str, value: float) -> None:
    claim = ThresholdClaim(kind=kind, metric="test_accuracy", variant="base", value=value)  # type: ignore[arg-type]
    assert why(plan_of(("base",), [claim]), {"base": BASE})[1] == "Here: p 1; p of the opposite claim <.001; alpha 0.05."


def test_a_list_is_shown_to_be_judged_as_a_whole() -> None:
    plan = plan_of(tuple(ACTIVATIONS), [comparison("improves", "leaky_relu", "gelu")])
    whole = "A list is supported when all of it is, and refuted when any of it is."
    assert why(plan, ACTIVATIONS)[0].endswith(whole)
    bound = plan_of(tuple(ACTIVATIONS), [comparison("no_gain", "leaky_relu", "gelu")])
    each = "That all of it is has one test; beside it each variant has its own."
    assert why(bound, ACTIVATIONS)[0].endswith(f"{whole} {each}")


def test_a_verdict_before_the_last_look_says_at_which() -> None:
    plan = plan_of(tuple(PAIR), [comparison("improves", "leaky_relu")], looks=(3, 5, 8, 12, 20))
    shown = why(plan, PAIR)
    assert shown[-2].startswith("Decided; looks were planned at 3, 5, 8, 12, 20 seeds")
    assert shown[-1] == "Decided at 5 seeds, before the last look: effects at an early stop are inflated."


def test_before_the_first_look_nothing_is_compared() -> None:
    plan = plan_of(tuple(PAIR), [comparison("improves", "leaky_relu")], looks=(3, 5, 8, 12, 20))
    shown = why(plan, {label: values[:2] for label, values in PAIR.items()})
    assert shown == ("The first look is at 3 seeds of every variant; before it nothing is compared.",)
