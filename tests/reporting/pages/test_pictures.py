"""The pictures of a report: which there are for a design, where they lie, and the words that go with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from examples import changed, images_plan, toy_rows, write_run

from harness.experiment.plan import Plan
from harness.reporting.pages.pictures import FOLDER, Picture, draw, save
from harness.reporting.pages.report_data import gather
from harness.store.records import Store

pytestmark = pytest.mark.slow

PlanMaker = Callable[..., Plan]


def finished(store: Store, plan: Plan, scores: Mapping[str, float], parameters: Mapping[str, int] | None = None) -> Plan:
    """A store in which all of the plan's toys have ended; seeds add 0, 1, 4, ... tenths of a point."""
    store.save_plan(plan)
    for run in plan.runs:
        size = (parameters or {}).get(run.variant, 4)
        rows = toy_rows(scores[run.variant] + 0.1 * run.seed**2 * (1 + scores[run.variant] / 100))
        write_run(store, plan, run, rows, state="completed", parameters=size)
    return plan


def pictures(store: Store, plan: Plan) -> list[Picture]:
    """Written; every one of them lies where it should, and nothing else does."""
    findings = gather(store, plan)
    found = save(draw(findings), findings.folder)
    files = {f"{picture.name}.{suffix}" for picture in found for suffix in ("png", "svg")}
    assert {path.name for path in (findings.folder / FOLDER).iterdir()} == files
    assert all(picture.alt.endswith(".") and picture.caption.endswith(".") for picture in found)
    return found


def test_two_variants_have_their_pair_and_curves(store: Store, toy_plan: PlanMaker) -> None:
    plan = finished(store, toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=3), {"base": 50.0, "better": 52.0})
    main, curves, more = pictures(store, plan)
    assert [(each.name, each.section) for each in (main, curves)] == [("main", "main"), ("learning_curves", "curves")]
    assert (more.section, more.caption) == ("more_curves", "Loss by epoch, unsmoothed.")
    # By hand: differences 2, 2.002, 2.008; their mean is 2.0033, and their sd 0.00416 is below that of the rounding error of the
    # values, whose smallest step is 0.15: 4.303 × 0.15 / sqrt(6) / sqrt(3) = 0.15.
    assert main.alt == "Score, better against base: +2.00 points, 95 % interval +1.85 to +2.16."
    assert curves.alt == "Score by epoch, a line for each of 2 variants."


def test_a_figure_of_seeds_that_were_added_after_the_last_look_says_so(store: Store, toy_plan: PlanMaker) -> None:
    plan = changed(toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=5), looks=(3,))
    main = pictures(store, finished(store, plan, {"base": 50.0, "better": 52.0}))[0]
    assert main.caption.endswith(" 2 seeds added after the last look; the intervals do not account for that.")


def test_parameters_that_differ_have_a_picture_of_their_cost(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"a": {}, "b": {"effect": 1.0}, "c": {"effect": 2.0}}, seeds=2)
    finished(store, plan, {"a": 50.0, "b": 51.0, "c": 52.0}, {"a": 4, "b": 8, "c": 16})
    main, *_, cost = pictures(store, plan)
    assert main.alt.startswith("Differences in score of 2 variants, from b against a: +1.0")
    assert (cost.name, cost.section) == ("cost", "cost")
    assert cost.alt == "Score of 3 variants against their number of parameters."


def test_another_metric_that_is_claimed_has_its_own_figure(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=3)
    claim = {"kind": "improves", "metric": "loss", "variants": ["better"], "over": ["base"], "margin": 0.1}
    finished(store, changed(plan, claims=(claim,)), {"base": 50.0, "better": 52.0})
    names = [(each.name, each.section) for each in pictures(store, changed(plan, claims=(claim,)))]
    assert names == [("main", "main"), ("claimed_loss", "claims"), ("learning_curves", "curves")]


def test_a_plan_without_runs_has_pictures_that_say_so(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=2)
    store.save_plan(plan)
    main, _ = pictures(store, plan)
    assert main.alt == "Nothing to draw: no run has completed yet."


def test_before_a_look_no_words_tell_a_difference(store: Store, toy_plan: PlanMaker) -> None:
    plan = changed(toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=3), looks=(3,))
    store.save_plan(plan)
    for run in plan.runs[:4]:
        write_run(store, plan, run, toy_rows(50.0 + run.seed), state="completed")
    main, *_ = pictures(store, plan)
    assert main.alt == "Score by seed of 2 variants."
    assert main.caption == "Score by seed; no difference is shown until 3 seeds of every variant have finished."


def image_rows() -> list[dict[str, float]]:
    measured = {"test_accuracy": 40.0, "train_accuracy": 45.0, "test_loss": 1.5, "train_loss": 1.4, "learning_rate": 0.05}
    return [{"epoch": epoch, "step": epoch, **measured} for epoch in (1, 2)]


@pytest.fixture
def one(store: Store) -> Plan:
    """The image task's network alone."""
    plan = images_plan(("relu",), 2)
    store.save_plan(plan)
    for run in plan.runs:
        write_run(store, plan, run, image_rows(), state="completed")
    return plan


def test_one_network_has_the_sources_four_figures(store: Store, one: Plan) -> None:
    found = pictures(store, one)
    assert [(each.name, each.section) for each in found] == [
        ("main", "main"),
        ("loss", "curves"),
        ("learning_rate", "curves"),
        ("network", "network"),
    ]
    assert found[0].alt == "Test accuracy by epoch, ending at 40.00 ± 0.00 %."


def test_a_network_under_way_has_its_epochs(store: Store) -> None:
    plan = images_plan(("relu",), 2)
    store.save_plan(plan)
    write_run(store, plan, plan.runs[0], image_rows())
    assert pictures(store, plan)[0].alt == "Test accuracy by epoch; no run has completed yet."


def test_without_its_data_the_network_is_words(store: Store, one: Plan, tmp_path: Path) -> None:
    data = {"dataset": "image_folder", "root": str(tmp_path / "gone")}
    plan = changed(one, variants={"relu": {**one.variants["relu"], "data": data}})
    assert [each.name for each in pictures(store, plan)][-1] == "network"


def test_a_configuration_of_another_version_is_no_network(store: Store, one: Plan) -> None:
    plan = changed(one, variants={"relu": {"model": {"layers": 7}}})
    assert [each.name for each in pictures(store, plan)][-1] == "network"


def test_the_same_findings_give_the_same_bits(store: Store, one: Plan) -> None:
    findings = gather(store, one)
    save(draw(findings), findings.folder)
    first = {path: path.read_bytes() for path in (findings.folder / FOLDER).iterdir()}
    save(draw(findings), findings.folder)
    assert {path: path.read_bytes() for path in (findings.folder / FOLDER).iterdir()} == first
