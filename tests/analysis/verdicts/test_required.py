"""What --require asks of verdicts."""

from __future__ import annotations

from typing import Any

import pytest
from examples import changed
from simulated import comparison, frame, plan_of

from harness.analysis.verdicts import Judgement, judgement
from harness.analysis.verdicts.required import answer, check
from harness.errors import InputError
from harness.experiment.claims import Claim
from harness.experiment.plan import Plan, Registration
from harness.reporting import phrases

WRITTEN = "2026-01-01T00:00:00+00:00"
BETTER = [0.9, 1.1, 1.0, 1.2, 0.8]
SAME = [0.3, -0.3, 0.2, -0.2, 0.0]
WORSE = [-value for value in BETTER]


def planned(*claims: Claim, **fields: Any) -> Plan:
    made = plan_of(("base", "b"), claims or [comparison("improves", "b", margin=0.1)], (5,))
    return changed(made, **{"created": WRITTEN, "known": (), **fields})


def judged(values: list[float], plan: Plan | None = None) -> Judgement:
    plan = plan or planned()
    return judgement(plan, frame(plan, {"base": [0.0] * len(values), "b": values}, ended=WRITTEN))


@pytest.mark.parametrize(
    ("values", "supported", "not_refuted"),
    [
        (BETTER, None, None),
        (SAME, "verdict", None),
        (WORSE, "verdict", "verdict"),
        (BETTER[:3], "unfinished", "unfinished"),
    ],
)
def test_a_verdict_meets_what_it_says(values: list[float], supported: str | None, not_refuted: str | None) -> None:
    found = judged(values)
    assert answer(found, "supported").lacks == (supported,)
    assert answer(found, "not-refuted").lacks == (not_refuted,)


def test_every_claim_must_meet_it_and_without_claims_nothing_is_met() -> None:
    plan = planned(comparison("improves", "b", margin=0.1), comparison("worsens", "b", margin=0.1))
    found = answer(judged(BETTER, plan), "supported")
    assert (found.lacks, found.met) == ((None, "verdict"), False)
    assert not answer(judged(BETTER, changed(planned(), claims=())), "supported").met


def known(plan: Plan, *variants: str) -> Plan:
    return changed(plan, known=tuple(run.id for run in plan.runs if run.variant in variants))


def test_a_claim_whose_results_were_known_is_no_evidence_unless_they_are_those_of_its_baseline() -> None:
    plan = planned()
    assert answer(judged(BETTER, known(plan, "base")), "supported").met
    for variants in (("b",), ("base", "b")):
        after = judged(BETTER, known(plan, *variants))
        assert answer(after, "supported").lacks == ("retrospective",)
        assert answer(after, "not-refuted").met
        assert answer(after, "supported", registered=False).met


def test_a_claim_that_was_added_later_is_no_evidence() -> None:
    plan = planned()
    fields = {name: getattr(plan, name) for name in Registration.model_fields if name != "at"}
    added = Registration(
        **{**fields, "claims": (comparison("no_loss", "b", margin=0.1),), "claims_digest": "other", "at": WRITTEN}
    )
    found = judged(BETTER, changed(plan, amended=added))
    assert [verdict.verdict for verdict in found.verdicts] == ["supported", "supported"]
    assert answer(found, "supported").lacks == (None, "added")


def test_the_line_says_which_claim_is_what() -> None:
    found = judged(WORSE)
    line = phrases.unmet(answer(found, "supported"), found.verdicts)
    assert line == "--require supported is not met: claim 1 (b improves on base): refuted"
    assert not phrases.unmet(answer(judged(BETTER), "supported"), judged(BETTER).verdicts)


def test_what_cannot_be_met_is_refused() -> None:
    check(None, "x", (), rehearsal=True)
    check("supported", "x", planned().claims, rehearsal=False)
    with pytest.raises(InputError, match="x has no claims; add claims, or remove --require"):
        check("supported", "x", (), rehearsal=False)
    with pytest.raises(InputError, match="a rehearsal is not evidence"):
        check("not-refuted", "x", planned().claims, rehearsal=True)


def test_files_that_contradict_each_other_meet_nothing() -> None:
    found = answer(judged(BETTER), "supported", consistent=False)
    assert (found.lacks, found.met) == ((None,), False)
    assert phrases.unmet(found, judged(BETTER).verdicts) == "--require supported is not met: the files are not consistent"
