"""The table of predictions: which cases it shows, in which order, with which images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PlanMaker

from harness.experiment.plan import Plan
from harness.tasks.protocol import Examples
from harness.tracking import prediction_table as module
from harness.tracking.prediction_table import PredictionTable, prediction_table


def stored(folder: Path, **arrays: Any) -> Path:
    path = folder / "predictions.npz"
    np.savez_compressed(path, **arrays)
    return path


def found(path: Path, plan: Plan | None = None) -> PredictionTable:
    table = prediction_table(path, plan.runs[0].id if plan else "0" * 12, [plan] if plan else [])
    assert isinstance(table, PredictionTable), table
    return table


@pytest.fixture
def classified(tmp_path: Path) -> Path:
    """Case 0 is right, 1 wrong with confidence, 2 wrong by little, 3 right by little."""
    probabilities = np.array([[0.9, 0.1], [0.95, 0.05], [0.55, 0.45], [0.4, 0.6]], dtype=np.float16)
    return stored(tmp_path, probabilities=probabilities, labels=np.array([0, 1, 1, 1]))


def test_the_most_confident_mistakes_come_first(classified: Path) -> None:
    table = found(classified)
    assert table.columns == ("case", "class", "predicted", "correct", "confidence", "probability of class")
    assert [(row[0], row[1], row[2], row[3]) for row in table.rows] == [
        (1, "1", "0", False),
        (2, "1", "0", False),
        (3, "1", "1", True),
        (0, "0", "0", True),
    ]
    assert table.rows[0][4:] == pytest.approx((0.95, 0.05), abs=1e-3)


def test_values_that_are_not_finite_are_mistakes(tmp_path: Path) -> None:
    table = found(stored(tmp_path, probabilities=np.array([[np.nan, np.nan], [1.0, 0.0]]), labels=np.array([0, 0])))
    assert [row[3] for row in table.rows] == [False, True]
    assert table.rows[0][4:] == (0.0, 0.0)


def test_the_first_rows_have_the_images_of_their_cases_and_names_of_classes(
    classified: Path, toy_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def examples(_task: object, _config: object, cases: list[int]) -> Examples:
        return Examples(("cat", "dog"), np.stack([np.full((2, 2, 3), case, dtype=np.uint8) for case in cases]))

    plan = toy_plan()
    monkeypatch.setattr(module, "MOST_IMAGES", 2)
    monkeypatch.setattr("toy_task.Toy.examples", examples)
    table = found(classified, plan)
    assert [image[0, 0, 0] for image in table.images] == [1, 2]
    assert (table.rows[0][1:3], table.notes) == (("dog", "cat"), ())


@pytest.mark.parametrize("what", ["raises", "missing", "changed"])
def test_a_table_without_images_says_why(
    classified: Path, toy_plan: PlanMaker, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def examples(*_: object) -> Examples:
        if what == "raises":
            raise ValueError("the disk is gone")
        return Examples(("cat", "dog"))

    plan = toy_plan()
    monkeypatch.setattr("toy_task.Toy.examples", examples)
    if what == "changed":
        monkeypatch.setattr("toy_task.Toy.fingerprint", lambda *_: "toys:2")
    table = found(classified, plan)
    why = {"raises": "the disk is gone", "missing": "is not on this machine", "changed": "the data has changed"}[what]
    assert (len(table.rows), table.images) == (4, ())
    assert why in table.notes[0]


def test_cases_of_a_program_are_shown_with_their_groups_and_metrics(tmp_path: Path) -> None:
    table = found(stored(tmp_path, cases=np.array(["b", "a"]), groups=np.array(["x", "y"]), exact=np.array([1.0, 0.0])))
    assert (table.columns, table.rows) == (("case", "group", "exact"), (("a", "y", 0.0), ("b", "x", 1.0)))


def test_a_table_has_no_more_rows_than_wandb_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    for arrays in ({"cases": np.arange(5)}, {"probabilities": np.eye(5), "labels": np.arange(5)}):
        table = found(stored(tmp_path, **arrays))
        assert (len(table.rows), table.notes) == (3, ("the table of predictions has 3 of 5 cases",))


@pytest.mark.parametrize(
    "arrays",
    [
        {"values": np.zeros(3)},
        {"probabilities": np.array([["a", "b"]]), "labels": np.array([0])},
        {"probabilities": np.eye(2), "labels": np.array([0, 2])},
        {"probabilities": np.eye(2)},
    ],
)
def test_other_arrays_have_no_table(tmp_path: Path, arrays: dict[str, Any]) -> None:
    table = prediction_table(stored(tmp_path, **arrays), "0" * 12, [])
    assert table == "no table of predictions: predictions.npz has neither probabilities and labels nor cases (no cases)"


def test_a_damaged_file_has_no_table(tmp_path: Path) -> None:
    (tmp_path / "predictions.npz").write_bytes(b"torn")
    table = prediction_table(tmp_path / "predictions.npz", "0" * 12, [])
    assert isinstance(table, str)
    assert table.startswith(f"no table of predictions: {tmp_path / 'predictions.npz'} cannot be read")
