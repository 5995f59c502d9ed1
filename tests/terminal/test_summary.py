"""The results of a plan: the golden screen, each kind of verdict, looks, failures and changed claims.

After a wanted change: REGENERATE=1 python -m pytest tests/terminal, then look at the difference in tests/golden.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import simulated
from examples import ACTIVATIONS, REHEARSAL, activations_plan, amended, comparison, golden, image_records, images_plan
from rich.console import Console

from harness.analysis.verdicts import judgement, table
from harness.experiment.plan import Plan
from harness.store.frames import runs_frame
from harness.tasks.protocol import result_metrics
from harness.tasks.registry import find_task
from harness.terminal import json_output
from harness.terminal.summary import claims, correlation, expected, plan_results

REPORT = "results/reports/activations/index.html"
LOOKS = (3, 5, 8, 12, 20)
# The differences of eight seeds whose verdict comes at the look of five.
BASE = (93.0, 93.1, 92.9, 93.2, 93.05, 92.95, 93.0, 93.1)
EFFECTS = (0.31, 0.12, 0.44, 0.25, 0.38, 0.05, 0.29, 0.41)
EIGHT = {"base": BASE, "leaky_relu": [base + effect for base, effect in zip(BASE, EFFECTS, strict=True)]}

Values = Mapping[str, Sequence[float | str]]


def first(seeds: int) -> Values:
    return {label: values[:seeds] for label, values in EIGHT.items()}


def shown(plan: Plan, values: Values, width: int = 100, metric: str = "test_accuracy") -> str:
    """What a terminal of `width` shows at the end."""
    metrics, records = result_metrics(find_task(plan.task)), image_records(plan, values, metric)
    runs = runs_frame(plan, records)
    out = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    judged, rows = judgement(plan, runs), table(plan, runs, metric)
    out.print(plan_results(plan, records, rows, judged, metrics, report=REPORT), soft_wrap=True)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def line(text: str, start: str) -> str:
    """The line that begins so, its columns set apart by one space."""
    (found,) = [" ".join(each.split()) for each in text.splitlines() if each.split()[:1] == [start]]
    return found


def looking(seeds: int = 20, **fields: Any) -> Plan:
    return activations_plan(("base", "leaky_relu"), seeds, looks=LOOKS, **fields)


def test_the_results_are_golden() -> None:
    text = shown(activations_plan(), ACTIVATIONS)
    assert text == golden("plan_results.txt", text)


def test_a_narrow_terminal_wraps_sentences_and_keeps_every_verdict() -> None:
    text = shown(activations_plan(), ACTIVATIONS, width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert [word for word in ("SUPPORTED", "EQUIVALENT", "REFUTED") if word in text] == ["SUPPORTED", "EQUIVALENT", "REFUTED"]


def test_a_very_narrow_terminal_puts_the_verdict_below_its_claim() -> None:
    lines = shown(activations_plan(), ACTIVATIONS, width=44).splitlines()
    (place,) = [place for place, text in enumerate(lines) if text == "  1  leaky_relu improves on base"]
    assert lines[place + 1 : place + 4] == [
        "     SUPPORTED",
        "       better by 0.33 pp [+0.21, +0.45],",
        "       n 5, p .004",
    ]


def test_an_inconclusive_claim_shows_the_seeds_needed() -> None:
    text = shown(activations_plan(("base", "leaky_relu"), 3), first(3), width=140)
    assert line(text, "1") == (
        "1 leaky_relu improves on base INCONCLUSIVE +0.29 pp [-0.11, +0.69], n 3, p .089; 6 to 17 fresh seeds would settle it"
    )


def test_before_the_first_look_progress_but_no_difference_is_shown() -> None:
    text = shown(looking(), first(2))
    assert line(text, "1") == "1 leaky_relu improves on base WAITING first look at 3 seeds: 4 of 6 runs finished"
    assert "difference" not in text.splitlines()[0]
    assert "judged at 5 seeds: 4 of 10 runs finished" in shown(activations_plan(("base", "leaky_relu")), first(2))


def test_between_looks_the_result_so_far_and_the_next_look_are_shown() -> None:
    text = shown(looking(), first(4), width=120)
    assert line(text, "1").endswith("INCONCLUSIVE so far +0.29 pp [-1.19, +1.77], n 3, p .683; next look at 5 seeds")
    assert "the first 3 of 20 seeds; " in text
    assert "99.61 % interval" in text
    assert "each interval holds at every look, 95 % over the looks" in " ".join(text.split())


def test_an_early_stop_warns_of_inflated_effects() -> None:
    text = shown(looking(), first(5), width=120)
    assert line(text, "1").endswith("SUPPORTED better by 0.30 pp [+0.01, +0.59], n 5, p .043")
    assert "stopped at 5 of 20 seeds; effects at an early stop are inflated" in text


def test_a_claim_keeps_the_verdict_of_its_deciding_look() -> None:
    text = shown(looking(), first(8), width=120)
    assert line(text, "1").endswith("SUPPORTED better by 0.30 pp [+0.01, +0.59], n 5, p .004, decided at 5 seeds")


def test_a_failed_run_that_holds_a_look_is_shown_with_advice() -> None:
    text = shown(looking(), {"base": BASE[:5], "leaky_relu": [*EIGHT["leaky_relu"][:4], "failed"]})
    assert "held by failed runs: leaky_relu seed 4; after fixing the cause: --retry failed" in text


def test_a_claim_made_after_runs_is_flagged_on_its_line() -> None:
    plan = amended(activations_plan(), claims=(*activations_plan().claims, comparison("gelu", kind="no_gain")))
    text = shown(plan, ACTIVATIONS, width=200)
    assert line(text, "4").endswith("RETROSPECTIVE")
    assert (
        "RETROSPECTIVE: claim 4: 10 of 10 results were known when this claim was added to the file; judge it on fresh seeds with"
        " seeds: {n: 5, first: 5}"
    ) in text
    assert text.count("RETROSPECTIVE") == 2


def test_rows_without_a_claim_are_exploratory_and_have_no_p() -> None:
    text = shown(activations_plan(claims=(comparison("leaky_relu"),)), ACTIVATIONS)
    assert "exploratory: gelu, no_batchnorm" in " ".join(text.split())
    assert line(text, "gelu").endswith("[-0.10, +0.14]")
    assert line(text, "leaky_relu").endswith(".002")


def test_without_claims_all_rows_are_exploratory() -> None:
    text = " ".join(shown(activations_plan(claims=()), ACTIVATIONS).split())
    assert "exploratory: these differences were not claimed" in text
    assert "SUPPORTED" not in text


def test_a_claim_about_several_variants_has_one_line_per_variant() -> None:
    plan = activations_plan(claims=(comparison(["leaky_relu", "gelu", "no_batchnorm"]),))
    text = shown(plan, ACTIVATIONS, width=140)
    assert line(text, "1").endswith("improve on base REFUTED 1 supported, 1 equivalent, 1 refuted")
    rows = [" ".join(each.split()) for each in text.splitlines() if each.startswith(" " * 7)]
    assert rows == [
        "leaky_relu SUPPORTED better by 0.33 pp [+0.21, +0.45], n 5, p .004",
        "gelu EQUIVALENT within ±0.25 pp (p .009): +0.02 pp [-0.10, +0.14], n 5",
        "no_batchnorm REFUTED worse by 1.48 pp [-1.89, -1.07], n 5, p .002",
    ]


def test_a_loss_is_shown_as_measured_with_the_word_for_its_direction() -> None:
    claim = comparison("leaky_relu", "relu", metric="train_loss", margin=0.01)
    plan = images_plan(seeds=5, profile=None, margin=None, claims=(claim,))
    values = {"relu": [0.512, 0.523, 0.518, 0.531, 0.509], "leaky_relu": [0.492, 0.503, 0.508, 0.511, 0.479]}
    text = shown(plan, values, width=120, metric="train_loss")
    assert line(text, "leaky_relu").endswith("-0.0200 [-0.0288, -0.0112] .003")
    assert (
        line(text, "1")
        == "1 leaky_relu improves on relu (train loss) SUPPORTED better by 0.0200 nats [-0.0288, -0.0112], n 5, p .003"
    )


def test_a_rehearsal_is_marked_in_its_results() -> None:
    text = shown(images_plan(claims=()), {"relu": [41.2, 40.1, 40.9], "leaky_relu": [42.0, 41.5, 41.2]})
    assert REHEARSAL in text


def test_the_effect_of_pairing_is_shown_whether_it_helped_or_not() -> None:
    plan = activations_plan(("base", "leaky_relu"))

    def shown_correlation(values: Values) -> str | None:
        return correlation(table(plan, runs_frame(plan, image_records(plan, values))))

    # By hand: standard deviations .15, .12 and .095, quantiles 2.776 and 2.306, so that 1 - 2.776 * .0950 / (2.306 * .1893) = 40 %.
    assert shown_correlation(ACTIVATIONS) == "seed correlation 0.77: pairing by seed made the interval 40 % narrower"
    opposed = {"base": ACTIVATIONS["base"], "leaky_relu": [186.5 - value for value in ACTIVATIONS["base"]]}
    assert shown_correlation(opposed) == "seed correlation -1.00: pairing by seed made the interval 70 % wider"
    assert shown_correlation({label: values[:2] for label, values in ACTIVATIONS.items()}) is None


def test_verdicts_are_coloured_but_not_user_texts() -> None:
    plan = activations_plan()
    records = image_records(plan, ACTIVATIONS)
    metrics = result_metrics(find_task(plan.task))
    rendered = Console(width=100, color_system="truecolor").render(
        claims(plan, records, judgement(plan, runs_frame(plan, records)), metrics)
    )
    coloured = [(segment.text.strip(), str(segment.style)) for segment in rendered if segment.style]
    assert coloured == [("SUPPORTED", "bold green"), ("EQUIVALENT", "bold cyan"), ("REFUTED", "bold red")]


def test_waiting_claims_are_shown_without_judging() -> None:
    plan = activations_plan(claims=(comparison("gelu"), comparison("gelu", metric="train_loss")))
    out = Console(file=io.StringIO(), width=120)
    out.print(expected(plan, image_records(plan, dict.fromkeys(ACTIVATIONS, ()))))
    assert isinstance(out.file, io.StringIO)
    lines = [" ".join(each.split()) for each in out.file.getvalue().splitlines()]
    assert lines[1] == "2 gelu improves on base (train loss) WAITING judged at 5 seeds: 0 of 20 runs finished"


@pytest.mark.parametrize("values", [ACTIVATIONS, {**ACTIVATIONS, "gelu": ("diverged",) * 5}, dict.fromkeys(ACTIVATIONS, ())])
def test_the_document_of_the_results_is_json_without_nan(values: Values) -> None:
    plan = activations_plan()
    records = image_records(plan, values)
    runs = runs_frame(plan, records)
    metrics = result_metrics(find_task(plan.task))
    document = json_output.summary(plan, records, table(plan, runs), judgement(plan, runs), metrics, None)
    again = json.loads(json.dumps(document, allow_nan=False))
    assert [len(again["verdicts"]), len(again["variants"]), again["variants"][0]["interval"]] == [3, 4, None]
    if values is ACTIVATIONS:
        assert again["compared_seeds"] == 5
        assert math.isclose(again["verdicts"][0]["p_adjusted"], 0.0038, abs_tol=5e-5)
        assert again["verdicts"][0]["run_ids"][0] == "a00000000000"


def test_later_seeds_that_contradict_are_told_below_the_verdict() -> None:
    effects = [0.5 + 0.01 * (seed % 2) if seed < 5 else -1.6 + 0.02 * seed for seed in range(20)]
    base = [93.0 + 0.1 * (seed % 3) for seed in range(20)]
    values = {"base": base, "leaky_relu": [one + effect for one, effect in zip(base, effects, strict=True)]}
    text = shown(activations_plan(("base", "leaky_relu"), 20, looks=(5,)), values, width=80)
    assert max(map(len, text.splitlines())) <= 80
    told = " ".join(text.split())
    assert "SUPPORTED better by 0.50 pp [+0.50, +0.51], n 5, p <.001 CONTRADICTED BY LATER SEEDS" in told
    assert "claim 1: all 20 seeds: -" in told
    assert "for the opposite (evidence from" in told


def test_a_seed_that_stands_apart_is_told_below_the_claims() -> None:
    effects = (0.5, 0.51, 0.5, -2.9, 0.5)
    values = {"base": BASE[:5], "leaky_relu": [base + effect for base, effect in zip(BASE, effects, strict=False)]}
    text = shown(activations_plan(("base", "leaky_relu")), values)
    assert "  claim 1: seed 3 (leaky_relu) stands apart: without it, supported\n" in text


def test_of_several_supported_claims_the_weakest_bound_on_failures_is_told() -> None:
    text = shown(activations_plan(), ACTIVATIONS)
    assert text.count("is not excluded") == 1
    assert "  claim 1: no failure in 5 seeds: a failure rate up to 45 % is not excluded\n" in text


def test_runs_that_were_not_needed_are_told_and_counted() -> None:
    plan, values = looking(), first(5)
    text = shown(plan, values)
    assert "  30 of 40 runs were not needed\n" in text
    records, metrics = image_records(plan, values), result_metrics(find_task(plan.task))
    runs = runs_frame(plan, records)
    document = json_output.summary(plan, records, table(plan, runs), judgement(plan, runs), metrics, None)
    assert document["runs_not_needed"] == 30


def test_rows_over_different_seeds_were_not_decided_earlier() -> None:
    values = {
        "base": [*BASE[:5], "absent"],
        "b": [94.0, 94.2, 93.9, 94.1, "absent", 94.0],
        "c": [94.0, "absent", 94.1, 94.2, 94.0],
    }
    plan = simulated.plan_of(tuple(values), [simulated.comparison("improves", "b", "c")], (6,))
    found, runs = simulated.available(plan, values)
    out = Console(file=io.StringIO(), width=100)
    out.print(claims(plan, {}, judgement(found, runs), result_metrics(find_task(plan.task))))
    assert isinstance(out.file, io.StringIO)
    assert out.file.getvalue().count("SUPPORTED") == 3
    assert "decided at" not in out.file.getvalue()


def test_rows_in_json_say_what_is_unpaired_or_absent_and_nothing_else() -> None:
    values = {"base": [*BASE[:5], "absent"], "b": [94.0, 94.2, 93.9, "absent", "absent", 94.0]}
    plan = simulated.plan_of(tuple(values), [simulated.comparison("improves", "b")], (6,))
    base, b = (json_output.row_values(row) for row in table(*simulated.available(plan, values)).rows)
    assert (b["pairs"], b["absent"]) == (3, 3)
    assert {"runs", "absent"}.isdisjoint(base)
    _, unpaired = (json_output.row_values(row) for row in table(*simulated.available(plan, values, unpaired=True)).rows)
    assert unpaired["runs"] == [4, 5]
    assert "absent" not in unpaired
