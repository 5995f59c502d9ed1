"""Verdicts read as a person would say them: after the verdict's word, as a sentence, as notes."""

from __future__ import annotations

from math import nan
from typing import Any

import pytest
from examples import ACCURACY, comparison
from pydantic import TypeAdapter

from harness.analysis.verdicts import Estimate, Verdict, model
from harness.analysis.verdicts.model import CaseFacts
from harness.experiment.claims import Claim
from harness.reporting import phrases
from harness.tasks.protocol import Metric

METRICS = {**ACCURACY, "parameters": Metric("", "minimize", exact=True)}
CLAIMS: TypeAdapter[Claim] = TypeAdapter(Claim)


def row(**fields: Any) -> Estimate:
    """An estimate of leaky_relu over base, supported unless `fields` say otherwise."""
    known: dict[str, Any] = {
        "subject": "leaky_relu",
        "over": "base",
        "verdict": "supported",
        "notes": (),
        "n": 5,
        "mean": 0.328,
        "sd": 0.095,
        "interval": (0.2101, 0.4459),
        "level": 0.05,
        "p": 0.0015,
        "p_adjusted": 0.003,
        "p_equivalence": 1.0,
        "p_contrary": nan,
        "rho": 0.77,
        "seeds_needed": None,
    }
    return Estimate(**{**known, **fields})


def verdict(claim: dict[str, Any], *rows: Estimate, **fields: Any) -> Verdict:
    """A verdict of one row, or of several."""
    rows = rows or (row(),)
    known: dict[str, Any] = {"registration": None, "verdict": rows[0].verdict, "notes": (), "decided_at": 5, "open": False}
    return Verdict(claim=CLAIMS.validate_python(claim), rows=rows, run_ids=(), **{**known, **fields})


IMPROVES = comparison("leaky_relu")
LOSS = comparison("leaky_relu", metric="train_loss", margin=0.01)
RANGE = {"kind": "best_in_range", "metric": "test_accuracy", "factor": "dropout", "inside": [0.1, 0.3], "margin": 0.25}
DECLINE = {"kind": "declines_beyond", "metric": "test_accuracy", "factor": "dropout", "beyond": 0.5}
GAIN = {"kind": "no_proportional_gain", "metric": "test_accuracy", "factor": "width", "dose": "parameters", "beyond": 32}
LEAST = {"kind": "at_least", "metric": "test_accuracy", "variant": "base", "value": 86.97}
MOST = {"kind": "at_most", "metric": "parameters", "variant": "base", "value": 5e6}
CONTRAST = {
    "kind": "contrast",
    "metric": "test_accuracy",
    "weights": {"a": 1, "b": -1},
    "sign": "positive",
    "margin": 0.25,
}
UNSETTLED = "+0.29 pp [-0.11, +0.69], n 5, {}; 6 to 17 fresh seeds would settle it"
DOSES: dict[str, Any] = {"over": None, "interval": None, "p_equivalence": nan}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (verdict(IMPROVES), "better by 0.33 pp"),
        (verdict(IMPROVES, row(verdict="refuted", mean=-1.478, interval=(-1.89, -1.07))), "worse by 1.48 pp"),
        (verdict(IMPROVES, row(verdict="equivalent", p_equivalence=0.0093)), "within ±0.25 pp (p .009)"),
        (verdict({**IMPROVES, "kind": "equivalent"}, row(p_equivalence=0.0093)), "within ±0.25 pp (p .009)"),
        (
            verdict(IMPROVES, row(verdict="inconclusive", mean=0.29, interval=(-0.11, 0.69), seeds_needed=(6, 17))),
            "+0.29 [-0.11, +0.69]; 6 to 17 fresh seeds would settle it",
        ),
        (
            verdict(IMPROVES, row(verdict="inconclusive", mean=0.29, interval=(-0.11, 0.69), seeds_needed=(8, 8))),
            "+0.29 [-0.11, +0.69]; 8 fresh seeds would settle it",
        ),
        (
            verdict(IMPROVES, row(verdict="inconclusive", mean=0.29, interval=(-0.11, 0.69), seeds_needed=(6, None))),
            "+0.29 [-0.11, +0.69]; 6 to more than 1,000 fresh seeds would settle it",
        ),
        (
            verdict(IMPROVES, row(verdict="inconclusive", mean=0.29, interval=(-0.11, 0.69), seeds_needed=(None, None))),
            "+0.29 [-0.11, +0.69]; more than 1,000 fresh seeds would settle it",
        ),
        (
            verdict(IMPROVES, row(verdict="inconclusive", mean=0.0, interval=(0.0, 0.0), notes=("degenerate",))),
            "+0.00 [+0.00, +0.00]; no test: the seed had no effect",
        ),
        (
            verdict(IMPROVES, row(verdict="inconclusive", mean=nan, interval=None, notes=("diverged: leaky_relu seed 3",))),
            "diverged: leaky_relu seed 3",
        ),
        (
            verdict({**IMPROVES, "kind": "no_gain"}, row(mean=0.02, interval=(-0.1, 0.14))),
            "+0.02 [-0.10, +0.14], no gain of 0.25 pp",
        ),
        (
            verdict({**IMPROVES, "kind": "no_loss"}, row(mean=0.02, interval=(-0.1, 0.14))),
            "+0.02 [-0.10, +0.14], no loss of 0.25 pp",
        ),
        (verdict(LOSS, row(mean=0.02, interval=(0.0112, 0.0288))), "better by 0.0200 nats"),
        (
            verdict(LOSS, row(verdict="inconclusive", mean=0.02, interval=(-0.0112, 0.0512))),
            "-0.0200 [-0.0512, +0.0112] (less is better)",
        ),
        (verdict(CONTRAST, row(over=None)), "+0.33 [+0.21, +0.45]"),
        (verdict({**CONTRAST, "sign": "negligible"}, row(over=None, p_equivalence=0.01)), "within ±0.25 pp (p .010)"),
        (verdict(LEAST, row(mean=87.1, interval=(86.9, 87.3))), "reaches 87.10 %, at least 86.97: [86.90, 87.30]"),
        (
            verdict(LEAST, row(verdict="refuted", mean=86.1, interval=(85.9, 86.3))),
            "reaches 86.10 %, below 86.97: [85.90, 86.30]",
        ),
        (
            verdict(LEAST, row(verdict="inconclusive", mean=87.0, interval=(86.9, 87.1))),
            "reaches 87.00 %, against 86.97: [86.90, 87.10]",
        ),
        (verdict(MOST, row(mean=4_903_082.0, interval=None)), "reaches 4,903,082, at most 5,000,000"),
        (verdict(RANGE, row(**DOSES), optima=("0.1", "0.2", "0.3")), "0.1, 0.2 or 0.3 may be best (p .003)"),
        (verdict(RANGE, row(verdict="refuted", **DOSES), optima=("0.5",)), "0.5 may be best"),
        (
            verdict(RANGE, row(**{**DOSES, "mean": -0.12}), optima=("0.5",)),
            "0.5 may be best, by less than 0.25 pp (p .003)",
        ),
        (
            verdict(RANGE, row(verdict="inconclusive", **{**DOSES, "p_adjusted": nan}, notes=("diverged: x seed 1",))),
            "diverged: x seed 1",
        ),
        (
            verdict(DECLINE, row(verdict="refuted", **{**DOSES, "mean": 4.98}, notes=("improves from 0.5 to 0.6",))),
            "worse by 0.498 pp for each 0.1 of dropout beyond 0.5; improves from 0.5 to 0.6",
        ),
        (
            verdict(
                GAIN,
                row(
                    verdict="inconclusive",
                    **{**DOSES, "mean": nan, "p_adjusted": nan},
                    notes=("parameters does not increase with width",),
                ),
            ),
            "parameters does not increase with width",
        ),
        (verdict(DECLINE, row(**{**DOSES, "mean": 4.98})), "worse by 0.498 pp for each 0.1 of dropout beyond 0.5 (p .003)"),
        (
            verdict(GAIN, row(**{**DOSES, "mean": 3.1e-7})),
            "0.31 pp less for each million parameters beyond 32 than up to it (p .003)",
        ),
        (
            verdict({**GAIN, "metric": "train_loss", "dose": None}, row(**{**DOSES, "mean": 0.7})),
            "0.7 nats more for each 1 of width beyond 32 than up to it (less is better) (p .003)",
        ),
        (
            verdict({**DECLINE, "metric": "train_loss"}, row(**{**DOSES, "mean": 0.3})),
            "worse by 0.03 nats for each 0.1 of dropout beyond 0.5 (p .003)",
        ),
        (
            verdict({**DECLINE, "factor": "lr", "beyond": 2e-5}, row(**{**DOSES, "mean": 4e5})),
            "worse by 4 pp for each 1e-05 of lr beyond 2e-05 (p .003)",
        ),
        (
            verdict({**GAIN, "dose": None, "factor": "dropout", "beyond": 0.1}, row(**{**DOSES, "mean": 56.8})),
            "5.68 pp less for each 0.1 of dropout beyond 0.1 than up to it (p .003)",
        ),
        (
            verdict({**GAIN, "dose": "multiply_adds", "beyond": 0.5}, row(**{**DOSES, "mean": 0.7})),
            "0.7 pp less for each 1 of multiply adds beyond 0.5 than up to it (p .003)",
        ),
        (
            verdict({**RANGE, "metric": "train_loss"}, row(**{**DOSES, "mean": -0.12}), optima=("0.5",)),
            "0.5 may be best, by less than 0.25 nats (p .003)",
        ),
        (
            verdict({**CONTRAST, "metric": "train_loss"}, row(over=None)),
            "-0.328 [-0.446, -0.210] (less is better)",
        ),
        (
            verdict({**LEAST, "metric": "train_loss", "value": 0.5}, row(mean=0.61, interval=(0.52, 0.7))),
            "reaches 0.610 nats, at least 0.5: [0.520, 0.700]",
        ),
    ],
)
def test_what_follows_a_verdicts_word(given: Verdict, words: str) -> None:
    assert phrases.outcome(given, METRICS) == words


SLOPE: dict[str, Any] = {"over": None, "mean": 4.98, "interval": (3.1, 6.9), "p_equivalence": nan}
UNSURE: dict[str, Any] = {"verdict": "inconclusive", "mean": 0.29, "interval": (-0.11, 0.69), "p_adjusted": 0.089}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (verdict(IMPROVES), "better by 0.33 pp [+0.21, +0.45], n 5, p .003"),
        (verdict(IMPROVES, row(absent=1)), "better by 0.33 pp [+0.21, +0.45], n 5 of 6, p .003"),
        (verdict(IMPROVES, row(runs=(5, 6))), "better by 0.33 pp [+0.21, +0.45], n 5 and 6 runs, p .003"),
        (
            verdict(IMPROVES, row(n=1319, cases=CaseFacts(1319, 3, 40, False))),
            "better by 0.33 pp [+0.21, +0.45], over 1,319 cases in 40 groups and 3 seeds, p .003",
        ),
        (
            verdict(IMPROVES, row(verdict="equivalent", p_equivalence=0.0093)),
            "within ±0.25 pp (p .009): +0.33 pp [+0.21, +0.45], n 5",
        ),
        (verdict(IMPROVES, row(**UNSURE, seeds_needed=(6, 17))), UNSETTLED.format("p .089")),
        (
            verdict({**IMPROVES, "kind": "equivalent"}, row(**UNSURE, seeds_needed=(6, 17), p_equivalence=0.4)),
            UNSETTLED.format("p of equivalence .400"),
        ),
        (
            verdict({**IMPROVES, "kind": "no_gain"}, row(**UNSURE, seeds_needed=(6, 17), p_equivalence=0.4)),
            UNSETTLED.format("p of the bound .400"),
        ),
        (
            verdict({**IMPROVES, "kind": "no_gain"}, row(**UNSURE, notes=(model.ALONE,), p_equivalence=0.4)),
            "+0.29 pp [-0.11, +0.69], n 5, p of the bound .400; within the bound by itself",
        ),
        (
            verdict({**IMPROVES, "kind": "equivalent"}, row(verdict="refuted", p_contrary=0.002)),
            "better by 0.33 pp [+0.21, +0.45], n 5, p against .002",
        ),
        (
            verdict({**IMPROVES, "kind": "no_loss"}, row(p_equivalence=0.0004)),
            "+0.33 pp [+0.21, +0.45], no loss of 0.25 pp (p <.001), n 5",
        ),
        (
            verdict(LOSS, row(verdict="inconclusive", mean=0.02, interval=(-0.0112, 0.0512))),
            "-0.0200 nats [-0.0512, +0.0112] (less is better), n 5, p .003",
        ),
        (verdict(CONTRAST, row(over=None)), "+0.33 pp [+0.21, +0.45], n 5, p .003"),
        (
            verdict(LEAST, row(mean=87.1, interval=(86.9, 87.3))),
            "reaches 87.10 %, at least 86.97: [86.90, 87.30], n 5, p .003",
        ),
        (
            verdict(RANGE, row(over=None, p_equivalence=nan), optima=("0.1", "0.2")),
            "0.1 or 0.2 may be best: inside minus outside +0.33 pp [+0.21, +0.45], n 5, p .003",
        ),
        (verdict(DECLINE, row(**SLOPE)), "worse by 0.498 pp [0.31, 0.69] for each 0.1 of dropout beyond 0.5, n 5, p .003"),
        (
            verdict(GAIN, row(**{**SLOPE, "mean": 3.1e-7, "interval": (1e-7, 5e-7)})),
            "0.31 pp less [0.1, 0.5] for each million parameters beyond 32 than up to it, n 5, p .003",
        ),
        (
            verdict(IMPROVES, row(**{**UNSURE, "p_adjusted": nan}, notes=("fewer than 3 seeds",), n=2)),
            "+0.29 pp [-0.11, +0.69], n 2; no test with fewer than 3 seeds",
        ),
        (
            verdict(IMPROVES, row(verdict="inconclusive", mean=nan, interval=None, notes=("diverged: leaky_relu seed 3",))),
            "diverged: leaky_relu seed 3",
        ),
    ],
)
def test_a_line_has_difference_interval_n_and_p(given: Verdict, line: str) -> None:
    assert phrases.outcome(given, METRICS, alpha=0.05) == line


def test_while_a_look_is_to_come_it_takes_the_place_of_fresh_seeds() -> None:
    unsure = row(verdict="inconclusive", mean=0.29, interval=(-0.11, 0.69), seeds_needed=(8, 20))
    given = verdict(IMPROVES, unsure, open=True, decided_at=None)
    assert phrases.outcome(given, METRICS, next_look=8) == "+0.29 [-0.11, +0.69]; next look at 8 seeds"


def test_before_the_first_look_there_is_nothing_to_say() -> None:
    given = Verdict(CLAIMS.validate_python(IMPROVES), True, "waiting", (), (), None, True, ())
    assert phrases.outcome(given, METRICS) == "no look yet"
    assert phrases.headline(given, METRICS).startswith("Not judged yet")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (verdict(IMPROVES), "Better by 0.33 pp, 95 % interval 0.21 to 0.45, 5 paired seeds."),
        (
            verdict(IMPROVES, row(verdict="inconclusive", mean=0.29, interval=(-0.11, 0.69), n=3, seeds_needed=(6, 17))),
            "+0.29 pp, 95 % interval -0.11 to 0.69, 3 paired seeds; 6 to 17 fresh seeds would settle it.",
        ),
        (  # another look will come, with more seeds of this plan
            verdict(IMPROVES, row(verdict="inconclusive", mean=0.29, interval=(-0.11, 0.69), seeds_needed=(6, 17)), open=True),
            "+0.29 pp, 95 % interval -0.11 to 0.69, 5 paired seeds.",
        ),
        (
            verdict(comparison(["a", "b"]), row(subject="a"), row(**UNSURE, subject="b", seeds_needed=(6, 17)), open=True),
            "a supported, better by 0.33 pp; b inconclusive, +0.29 [-0.11, +0.69].",
        ),
        (verdict(IMPROVES, row(level=0.0066)), "Better by 0.33 pp, 99.34 % interval 0.21 to 0.45, 5 paired seeds."),
        (
            verdict(LEAST, row(mean=87.1, interval=(86.9, 87.3))),
            "Reaches 87.10 %, at least 86.97, 95 % interval 86.90 to 87.30, 5 seeds.",
        ),
        (verdict(RANGE, row(**DOSES), optima=("0.1", "0.2")), "0.1 or 0.2 may be best (p .003), 5 seeds."),
        (
            verdict(comparison(["a", "b"]), row(subject="a"), row(subject="b", verdict="refuted", mean=-0.5)),
            "a supported, better by 0.33 pp; b refuted, worse by 0.50 pp.",
        ),
    ],
)
def test_a_headline_is_a_whole_sentence(given: Verdict, sentence: str) -> None:
    assert phrases.headline(given, METRICS) == sentence


def test_a_slope_and_its_interval_are_for_the_same_dose() -> None:
    claim = {"kind": "no_proportional_gain", "metric": "test_accuracy", "factor": "width", "beyond": 32.0, "dose": "parameters"}
    slope = row(verdict="supported", mean=3.97e-7, interval=(1.2e-7, 6.74e-7), over=None)
    assert phrases.headline(verdict(claim, slope), METRICS) == (
        "0.397 pp less for each million parameters beyond 32 than up to it (p .003), 95 % interval 0.12 to 0.674, 5 seeds."
    )
    small = row(verdict="supported", mean=1.2096e-2, interval=(4.05e-4, 2.3786e-2), over=None)  # a network of thousands
    assert "12.1 pp less for each thousand parameters" in phrases.headline(verdict(claim, small), METRICS)
    assert "95 % interval 0.405 to 23.8, 5 seeds" in phrases.headline(verdict(claim, small), METRICS)


def test_the_p_value_of_a_list_is_that_of_its_joint_bound() -> None:
    bound = {"verdict": "inconclusive", "p_equivalence": 0.4}
    given = verdict({**comparison(["a", "b"]), "kind": "no_gain"}, row(**bound, subject="a"), row(**bound, subject="b"))
    assert phrases.part(given, given.rows[0], METRICS, alpha=0.05).endswith("n 5, p of the joint bound .400")


def test_every_note_is_a_sentence() -> None:
    unsure = row(verdict="inconclusive", notes=("no practical gain", "failed: b seed 3"))
    given = verdict(IMPROVES, unsure, notes=("no practical gain", "early stop"))
    assert phrases.notes(given, METRICS) == (
        "A gain as large as the margin can be ruled out.",
        "Decided at 5 seeds, before the last look: effects at an early stop are inflated.",
        "Failed: b seed 3.",
    )


def test_notes_name_the_variants_that_do_not_leave_a_list_open() -> None:
    claim = {**comparison(["a", "b", "c"]), "kind": "no_gain"}
    rows = [row(verdict="inconclusive", subject=subject, notes=(model.ALONE,)) for subject in ("a", "b")]
    assert phrases.notes(verdict(claim, *rows, row(subject="c")), METRICS) == ("a and b: each within the bound by itself.",)
    assert phrases.notes(verdict(claim, rows[0], row(subject="c")), METRICS) == ("a: within the bound by itself.",)


def test_lost_runs_of_a_variant_are_shown_together() -> None:
    lost = tuple(f"failed: base seed {seed}" for seed in (0, 2)) + ("diverged: big seed 1",)
    given = verdict(IMPROVES, row(verdict="inconclusive", mean=nan, interval=None, notes=lost), notes=lost)
    assert phrases.outcome(given, METRICS) == "failed: base seeds 0, 2; diverged: big seed 1"
    assert phrases.notes(given, METRICS) == ("Failed: base seeds 0, 2.", "Diverged: big seed 1.")


def test_runs_lost_after_the_deciding_look_are_part_of_the_result() -> None:
    given = verdict(IMPROVES, notes=tuple(f"diverged after the deciding look: b seed {seed}" for seed in (7, 9)))
    assert phrases.outcome(given, METRICS) == "better by 0.33 pp; diverged after the deciding look: b seeds 7, 9"
    assert phrases.headline(given, METRICS).endswith("5 paired seeds; diverged after the deciding look: b seeds 7, 9.")


def test_a_claim_that_is_unlikely_to_be_decided_says_so_and_not_how_many_seeds_would_settle_it() -> None:
    notes = ("unlikely to be decided by 20 seeds (4 %)",)
    unsure = row(verdict="inconclusive", mean=0.29, interval=(-0.11, 0.69), seeds_needed=(51, 83), notes=notes)
    assert phrases.outcome(verdict(IMPROVES, unsure), METRICS) == (
        "+0.29 [-0.11, +0.69]; unlikely to be decided by 20 seeds (4 %)"
    )
    assert phrases.headline(verdict(IMPROVES, unsure), METRICS) == (
        "+0.29 pp, 95 % interval -0.11 to 0.69, 5 paired seeds; unlikely to be decided by 20 seeds (4 %)."
    )


def test_the_result_says_that_variants_are_as_tuned() -> None:
    assert phrases.outcome(verdict(IMPROVES), METRICS, chosen="variants as tuned") == "better by 0.33 pp; variants as tuned"
    assert phrases.headline(verdict(IMPROVES), METRICS, "variants as tuned").endswith("5 paired seeds; variants as tuned.")


def test_differences_below_the_resolution_say_what_they_were_tested_against() -> None:
    given = verdict(IMPROVES, row(notes=("the differences vary less than the metric's smallest known step of 0.01",)))
    assert phrases.notes(given, METRICS) == (
        "The differences vary less than the metric's smallest known step of 0.01 pp, and were tested against its rounding error.",
    )


@pytest.mark.parametrize(
    ("p", "words"),
    [(0.00301, ".003"), (0.0004, "<.001"), (0.67, ".670"), (0.9996, "1"), (1.0, "1"), (0.9994, ".999"), (nan, "")],
)
def test_p_values_have_three_decimals_and_no_zero_in_front(p: float, words: str) -> None:
    assert phrases.p_value(p) == words


def test_no_difference_is_neither_plus_nor_minus_nothing() -> None:
    assert phrases.signed(-0.001, 2) == "+0.00"
    assert phrases.outcome(verdict(IMPROVES, row(mean=0.0)), METRICS) == "no difference"
