"""Metrics that nothing is claimed of: their tables and curves, folded on the page, and numbers that are shown on request."""

from __future__ import annotations

import json
import math

import pytest
from parsed import parsed
from reported import planned
from simulated import ACTIVATIONS, comparison

from harness import report as command
from harness.reporting.pages import gather, markdown, page, pictures
from harness.reporting.pages.pictures import UNDRAWN, Picture, draw, save
from harness.reporting.pages.report_data import ReportData
from harness.store.records import Store
from harness.tasks.results import LARGEST

CLAIM = comparison("improves", "leaky_relu")


@pytest.fixture
def found(store: Store) -> ReportData:
    return gather(store, planned(store, ACTIVATIONS, [CLAIM], parameters=dict.fromkeys(ACTIVATIONS, 10)))


def test_every_declared_metric_that_was_measured_has_a_table(found: ReportData) -> None:
    assert list(found.tables) == ["test_accuracy"]
    assert list(found.exploratory) == ["test_loss", "train_loss", "train_accuracy"]
    assert found.unmeasured == ("validation_accuracy", "validation_loss")
    assert not any(row.claimed or not math.isnan(row.p) for table in found.exploratory.values() for row in table.rows)


def test_a_claimed_metric_is_no_longer_exploratory(store: Store) -> None:
    claim = comparison("improves", "leaky_relu", metric="train_loss", margin=0.1)
    found = gather(store, planned(store, ACTIVATIONS, [CLAIM, claim]))
    assert list(found.tables) == ["test_accuracy", "train_loss"]
    assert "train_loss" not in found.exploratory


def test_the_page_folds_them_below_the_claimed(found: ReportData) -> None:
    variants = parsed(page.render(found, ())).one("section", id="variants")
    assert "details" not in [child.tag for child in variants.all("div", class_="scroll")[0].all()]
    folded = variants.one("details")
    assert folded.one("summary").words == "3 exploratory metrics, not claimed"
    assert folded.all("h3")[0].words == "Test loss by variant, exploratory"
    assert not [head for head in folded.all("th", scope="col") if head.words.split()[0] == "p"]
    assert "Not measured: validation accuracy and validation loss." in variants.words


def test_report_md_has_them_after_the_claims_and_names_metrics_of_claims(found: ReportData) -> None:
    text = markdown.render(found, ())
    assert "### 1. leaky_relu improves on base (test accuracy)" in text
    assert text.index("## Claims") < text.index("## Exploratory metrics") < text.index("## Trust")
    assert "Train accuracy by variant, exploratory:" in text


def test_their_curves_are_figures_of_their_own(found: ReportData) -> None:
    drawn = [picture for picture, _ in draw(found)]
    (more,) = [picture for picture in drawn if picture.section == "more_curves"]
    assert more.caption == "Test loss and train accuracy by epoch, unsmoothed."


@pytest.mark.usefixtures("undrawable")
def test_a_figure_that_cannot_be_drawn_is_its_reason(found: ReportData) -> None:
    def fails() -> None:
        raise OverflowError("cannot convert float infinity to integer")

    (picture,) = save([(Picture("main", "main", "Alt.", "Caption."), fails)], found.folder)  # type: ignore[list-item]
    assert picture.caption == f"{UNDRAWN}: cannot convert float infinity to integer."
    assert picture.alt == picture.caption
    assert (found.folder / "figures" / "main.svg").is_file()


def test_an_error_in_a_figure_fails_the_tests_that_do_not_ask_for_it(found: ReportData) -> None:
    def fails() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        save([(Picture("main", "main", "Alt.", "Caption."), fails)], found.folder)  # type: ignore[list-item]


def test_many_variants_have_a_panel_each(found: ReportData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "FACETED", len(ACTIVATIONS) - 1)
    assert [picture.name for picture, _ in draw(found) if picture.section == "curves"] == ["learning_curves", "learning_curves_2"]


def test_values_beyond_all_limits_leave_a_whole_report_that_says_so(store: Store) -> None:
    values = {"base": (1.7e308, 1e308, 90.0), "leaky_relu": (90.0, 1e308, 91.0)}
    found = gather(store, planned(store, values, [CLAIM], looks=(3,)))
    (verdict,) = found.judgement.verdicts
    assert verdict.verdict == "inconclusive"
    assert "out of range: base seed 0" in verdict.rows[0].notes
    assert any(flag.startswith("The test accuracy of 3 of 6 completed runs is infinite or beyond 1e75") for flag in found.flags)
    saved = save(draw(found), found.folder)
    assert "1.700e+308" in markdown.render(found, saved)
    assert LARGEST < 1e308


def test_any_number_of_the_results_is_shown_on_request(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    plan = planned(store, ACTIVATIONS, [CLAIM])
    where = ["--results", str(store.paths.root)]
    assert command.main([plan.name, "--metric", "train_loss", *where]) == 0
    assert "Train loss by variant, exploratory" in capsys.readouterr().out
    assert command.main([plan.name, "--metric", "train_loss", "--json", *where]) == 0
    (document,) = json.loads(capsys.readouterr().out)["reports"]
    assert [row["variant"] for row in document["metrics"]["train_loss"]] == list(ACTIVATIONS)
    assert command.main([plan.name, "--metric", "train_los", *where]) == 2
    assert "unknown number in the results of activations; did you mean train_loss?" in capsys.readouterr().err
    assert command.main(["--metric", "train_loss", *where]) == 2
    assert "name the plans whose table to show" in capsys.readouterr().err
