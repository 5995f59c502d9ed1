"""Which of a run's values is its result: the last, the best, or the one where another metric is best."""

import json
import re

import pytest
from programs import planned, trained

from harness.store.check.run import check_run
from harness.store.frame_cache import load_tables

pytestmark = pytest.mark.slow

# Validation is best at epoch 2; test is best at epoch 3, and was measured at every epoch.
PROGRAM = """
import sys
rows = [(0.9, 70.0), (0.4, 80.0), (0.5, 90.0), (0.7, 60.0)]
for epoch, (loss, accuracy) in enumerate(rows, 1):
    print(f"epoch {epoch}: val loss {loss} test acc {accuracy}")
"""
VALIDATION = {"goal": "minimize", "split": "validation", "text": "epoch {step}: val loss {value}"}
TEST = {"goal": "maximize", "unit": "%", "split": "test", "text": "epoch {step}: ... test acc {value}"}


def of(store, tmp_path, program=PROGRAM, **choice):
    plan = planned(
        tmp_path, program, command="{python} train.py", metrics={"test_acc": {**TEST, **choice}, "val_loss": VALIDATION}
    )
    return plan, trained(store, plan)[0]


@pytest.mark.parametrize(
    ("choice", "value", "epochs"),
    [({}, 60.0, None), ({"take": "best"}, 90.0, {"test_acc": 3}), ({"at_best": "val_loss"}, 80.0, {"test_acc": 2})],
    ids=["last", "best", "where the validation loss is best"],
)
def test_the_value_that_counts(store, tmp_path, choice, value, epochs):
    _, end = of(store, tmp_path, **choice)
    written = json.loads(store.paths.run(end.id).result.read_text())
    assert (end.state, end.metrics["test_acc"], end.metrics["val_loss"], written.get("taken")) == (
        "completed",
        value,
        0.7,
        epochs,
    )
    assert check_run(store.paths.run(end.id)) == []
    assert load_tables(store, [end.id]).column("problem") == [None]


def test_a_value_of_another_epoch_is_found_by_verify_and_by_reports(store, tmp_path):
    _, end = of(store, tmp_path, at_best="val_loss")
    path = store.paths.run(end.id).result
    written = json.loads(path.read_text())
    del written["seal"], written["provenance_digest"]  # as of a version before seals
    path.write_text(json.dumps({**written, "test_acc": 90.0, "taken": {"test_acc": 3}}))
    wrong = "disagrees with metrics.jsonl: test_acc of epoch 3 instead of 2"
    assert [finding.what for finding in check_run(store.paths.run(end.id))] == [wrong]
    assert load_tables(store, [end.id]).column("problem") == [f"result.json: {wrong}"]


def test_values_that_may_be_of_other_epochs_are_not_chosen(store, tmp_path):
    program = """
for epoch, (loss, accuracy) in enumerate([(0.9, 70.0), (0.4, 80.0), (0.5, 90.0), (0.7, 60.0)], 1):
    print(f"val loss {loss}")
    if epoch % 2 == 0:
        print(f"test acc {accuracy}")
"""
    metrics = {
        "test_acc": {**TEST, "text": "test acc {value}", "at_best": "val_loss"},
        "val_loss": {**VALIDATION, "text": "val loss {value}"},
    }
    unequal = "test_acc and val_loss were not measured equally often, so it is not known which values belong together"

    def end(program):
        return trained(store, planned(tmp_path, program, command="{python} train.py", metrics=metrics))[0]

    assert end(program).error.startswith(unequal)
    assert end(program.replace("if epoch % 2 == 0", "if True")).metrics["test_acc"] == 80
    one_line = program.replace("print(f", "line = (f", 1).replace('print(f"', 'line += (f" ') + "    print(line)\n"
    assert end(one_line).metrics["test_acc"] == 80


def test_a_metric_that_was_not_measured_where_the_other_is_best_has_no_result(store, tmp_path):
    program = PROGRAM.replace(
        "enumerate(rows, 1):", "enumerate(rows, 1):\n    if epoch == 2: print(f'epoch 2: val loss {loss}'); continue"
    )
    _, end = of(store, tmp_path, program, at_best="val_loss")
    assert (end.state, end.reason) == ("failed", "output")
    assert end.error == "test_acc was not measured at epoch 2, where val_loss is best, so it has no result (at_best: val_loss)"


def test_a_value_is_not_carried_into_the_last_row_that_is_chosen(store, tmp_path):
    program = "print('epoch 1: val loss 0.9 test acc 70')\nprint('epoch 2: val loss 0.4')"
    _, end = of(store, tmp_path, program, at_best="val_loss")
    assert end.error == "test_acc was not measured at epoch 2, where val_loss is best, so it has no result (at_best: val_loss)"


@pytest.mark.parametrize(
    ("choice", "optimistic"),
    [
        ({"take": "best"}, "test_acc is the best of all test values of a run"),
        ({"at_best": "other"}, "test_acc is taken where other, a test metric, is best"),
        ({"at_best": "val_loss"}, None),
        ({}, None),
    ],
)
def test_the_best_on_the_test_set_is_called_optimistic_everywhere(store, tmp_path, capsys, choice, optimistic):
    from harness.run import main

    script = PROGRAM.replace("import sys", "import random, sys\ndraw = random.Random(sys.argv[1]).random() + (sys.argv[2] == '--rate=0.2')").replace("{accuracy}", "{accuracy + draw} other {accuracy}")  # fmt: skip
    other = {**TEST, "text": "epoch {step}: ... other {value}"}
    fields = {"knobs": {"rate": 0.1}, "factors": {"rate": [0.1, 0.2]}, "margin": 0.1, "claims": [{"improves": "rate=0.2"}]}
    planned(tmp_path, script, seeds=3, metrics={"test_acc": {**TEST, **choice}, "val_loss": VALIDATION, "other": other}, identical_seeds="allow", **fields)  # fmt: skip
    where = ["--results", str(store.paths.root)]
    assert main([str(tmp_path / "walk.yaml"), "--dry-run", *where]) == 0
    planned_screen = capsys.readouterr().out
    assert main([str(tmp_path / "walk.yaml"), *where]) == 0
    screen = capsys.readouterr().out
    folder = store.paths.root / "reports" / "walk"
    shown = [
        planned_screen,
        screen,
        (store.paths.root / "reports" / "index.html").read_text(),
        *((folder / name).read_text() for name in ("index.html", "report.md", "verdicts.json", "table.tex")),
    ]
    marked = ["optimistic" in re.sub(r"(?s)<style.*?</style>", "", text).lower() for text in shown]
    assert marked == [optimistic is not None] * len(shown)
    if optimistic is not None:
        assert optimistic in " ".join(screen.split())
