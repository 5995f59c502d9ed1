"""Programs that measure by cases: what is read and stored, and what fails with its place."""

import json
import signal
import time

import numpy as np
import pytest
from programs import planned, trained

from harness.errors import EXIT_INTERRUPTED, InputError
from harness.store.check.run import check_run, load_arrays
from harness.store.records import read_rows
from harness.tasks.command.cases import CaseFile, collect, read_files
from harness.tasks.command.measure import Measure

ACCURACY = {"goal": "maximize", "unit": "%"}
LOSS = {"goal": "minimize", "unit": "nats"}


def writing(*lines, to="$HARNESS_CASES"):
    """A program that writes these lines, JSON objects or text, to a file."""
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    return f"import os\nopen(os.path.expandvars({to!r}), 'a').write({text!r})\n"


def ended(store, folder, script, **fields):
    """How its one run ended."""
    own = {"command": "{python} train.py", "metrics": {"accuracy": ACCURACY}}
    return trained(store, planned(folder, script, **{**own, **fields}))[0]


def arrays_of(store, end):
    return load_arrays(store.paths.run(end.id).predictions)


def test_the_value_is_the_mean_over_cases_and_the_outcomes_are_kept(store, tmp_path):
    lines = [
        {"case": 10, "accuracy": 1, "group": "b", "text": "ignored"},
        {"case": "9", "accuracy": False, "group": "a"},
        {"case": "x", "accuracy": True, "group": "b"},
        {"case": "y", "accuracy": 0.5, "group": "b"},
    ]
    end = ended(store, tmp_path, writing(*lines))
    assert (end.state, end.metrics["accuracy"]) == ("completed", 62.5)
    arrays = arrays_of(store, end)
    assert arrays["cases"].tolist() == ["10", "9", "x", "y"]
    assert arrays["groups"].tolist() == ["b", "a", "b", "b"]
    assert arrays["accuracy"].dtype == np.float64
    assert arrays["accuracy"].tolist() == [1.0, 0.0, 1.0, 0.5]


def test_without_per_cent_the_mean_is_that_of_the_numbers(store, tmp_path):
    end = ended(store, tmp_path, writing({"case": 1, "loss": 2.5}, {"case": 2, "loss": -1}), metrics={"loss": LOSS})
    assert end.metrics["loss"] == 0.75


def test_a_metric_of_the_training_and_one_of_cases_share_the_last_row(store, tmp_path):
    loss = {**LOSS, "pattern": r"epoch (?P<step>\d+) loss (?P<value>\S+)"}
    script = "print('epoch 1 loss 3.0')\nprint('epoch 2 loss 2.0', flush=True)\n" + writing({"case": 1, "accuracy": 1})
    end = ended(store, tmp_path, script, metrics={"loss": loss, "accuracy": ACCURACY})
    rows = read_rows(store.paths.run(end.id).metrics)
    assert [(row["step"], row["loss"], row["accuracy"]) for row in rows] == [(1, 3.0, None), (2, 2.0, 100.0)]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            [{"case": 1, "accuracy": 1}, {"case": "1", "accuracy": 1}],
            "$HARNESS_CASES line 2: the case '1' again, after $HARNESS_CASES line 1",
        ),
        ([{"accuracy": 1}], "line 1: no case: expected the id of the case"),
        ([{"case": 1.5, "accuracy": 1}], "line 1: the case is '1.5'; expected a string or an integer"),
        ([{"case": 1, "accuracy": "yes"}], "line 1: the accuracy is '\"yes\"'; expected a finite number, true or false"),
        (['{"case": 1, "accuracy": NaN}'], "line 1: the accuracy is nan; expected a finite number"),
        (
            [{"case": 1, "accuracy": 87}],
            "line 1: the accuracy of the case '1' is 87; outcomes of a metric in % are 0, 1 or between",
        ),
        ([{"case": 1, "acc": 1}], "line 1: no metric of metrics: (accuracy); the line has 'case', 'acc'"),
        ([{"case": 1, "accuracy": 1}, "{torn"], "line 2: not JSON"),
        ([[1, 2]], "line 1: not a JSON object"),
        (
            [{"case": 1, "accuracy": 1, "group": "a"}, {"case": 2, "accuracy": 1}],
            "line 2: the case '2' has no group, which others have",
        ),
    ],
)
def test_a_line_that_is_no_case_fails_the_run_with_its_place(store, tmp_path, lines, message):
    end = ended(store, tmp_path, writing(*lines))
    assert (end.state, end.reason) == ("failed", "output")
    assert message in end.error


def test_a_case_without_a_metric_that_others_have_fails_the_run(store, tmp_path):
    lines = [{"case": 1, "accuracy": 1, "loss": 2.0}, {"case": 2, "accuracy": 1}]
    end = ended(store, tmp_path, writing(*lines), metrics={"accuracy": ACCURACY, "loss": LOSS})
    assert "line 2: the case '2' has no loss, which others have" in end.error


@pytest.mark.parametrize(
    ("more", "metric", "other"),
    [
        ("print('accuracy 50')", {**ACCURACY, "pattern": r"accuracy (?P<value>\S+)"}, "pattern"),
        (writing({"accuracy": 50}, to="$HARNESS_METRICS"), ACCURACY, "$HARNESS_METRICS"),
    ],
)
def test_a_second_source_is_an_error_that_names_both(store, tmp_path, more, metric, other):
    end = ended(store, tmp_path, f"{writing({'case': 1, 'accuracy': 1})}{more}\n", metrics={"accuracy": metric})
    assert end.error == f"accuracy has two sources, $HARNESS_CASES and {other}; use one of them"


SAMPLES = [
    {"doc_id": 0, "doc": {"category": "maths"}, "filter": "strict-match", "acc": 1.0},
    {"doc_id": 0, "doc": {"category": "maths"}, "filter": "flexible-extract", "acc": 0.0},
    {"doc_id": 1, "doc": {"category": "law"}, "filter": "strict-match", "acc": 0.0},
]
SOURCE = {"file": "**/samples_*.jsonl", "case": "doc_id", "group": "doc.category", "values": {"accuracy": "acc"}}
IN_RUN_DIR = "os.makedirs(os.environ['HARNESS_RUN_DIR'] + '/model', exist_ok=True)\n"


def test_the_files_of_an_evaluation_harness_are_read_as_they_are(store, tmp_path):
    script = "import os\n" + IN_RUN_DIR + writing(*SAMPLES, to="$HARNESS_RUN_DIR/model/samples_gsm8k_2026.jsonl")
    end = ended(store, tmp_path, script, cases={**SOURCE, "where": {"filter": "strict-match"}})
    assert end.metrics["accuracy"] == 50.0
    assert arrays_of(store, end)["groups"].tolist() == ["maths", "law"]


def test_records_of_two_filters_are_the_same_case_twice(store, tmp_path):
    script = "import os\n" + IN_RUN_DIR + writing(*SAMPLES, to="$HARNESS_RUN_DIR/model/samples_gsm8k_2026.jsonl")
    end = ended(store, tmp_path, script, cases=SOURCE)
    assert "model/samples_gsm8k_2026.jsonl line 2: the case '0' again" in end.error
    assert "where: of cases:" in end.error


METRICS = {"accuracy": Measure(goal="maximize", unit="%")}


def read(folder, **fields):
    records = read_files(CaseFile(**fields), folder, METRICS)
    return collect(records, METRICS).outcomes["accuracy"]


def test_a_table_is_read_by_its_columns(tmp_path):
    (tmp_path / "out.csv").write_text("\ufeffcase,accuracy,model\nq1,True,a\nq2,0,a\nq1,0.25,b\n")
    assert read(tmp_path, file="out.csv", where={"model": "a"}) == {"q1": 1.0, "q2": 0.0}
    (tmp_path / "out.tsv").write_text("id\tright\n7\t1e0\n")
    assert read(tmp_path, file="*.tsv", case="id", values={"accuracy": "right"}) == {"7": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("case,accuracy\na,1_0\n", "out.csv line 2: the accuracy is"),
        ("case,accuracy\na,0,5\n", "out.csv line 2: 3 columns; the first line has 2"),
        ("case,accuracy\na,nan\n", "out.csv line 2: the accuracy is"),
        ("case,accuracy\na,\n", "out.csv line 2: the accuracy is"),
        ("case,acc\na,1\n", "out.csv line 2: no 'accuracy'; it has 'case', 'acc'"),
        ("case,case,accuracy\na,b,1\n", "out.csv line 1: two columns are named 'case'"),
        ("case,accuracy\n", "out.csv: no cases"),
    ],
)
def test_a_table_that_cannot_be_read_names_the_line(tmp_path, text, message):
    (tmp_path / "out.csv").write_text(text)
    with pytest.raises(Exception, match="cases: ") as error:
        read(tmp_path, file="out.csv")
    assert message in str(error.value)


def test_a_group_that_is_null_names_its_line(tmp_path):
    (tmp_path / "out.jsonl").write_text('{"case": 1, "accuracy": 1, "doc": {"category": null}}\n')
    with pytest.raises(Exception, match=r"out.jsonl line 1: doc\.category is null"):
        read(tmp_path, file="out.jsonl", group="doc.category")


def test_no_file_at_all_fails_the_run(store, tmp_path):
    end = ended(store, tmp_path, "print('hello')", cases={"file": "*.jsonl"})
    assert end.error == "cases: no file matches '*.jsonl' in {run_dir}"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cases": {"file": "/etc/x.jsonl"}}, "is not a file in {run_dir}"),
        ({"cases": {"file": "x.parquet"}}, "is neither JSON lines nor a table"),
        ({"cases": {"file": "x.csv", "values": {"acc": "x"}}}, "no metric 'acc'; choose from: accuracy"),
        (
            {
                "cases": {"file": "x.csv", "values": {"accuracy": "x"}},
                "metrics": {"accuracy": {**ACCURACY, "pattern": "(?P<value>.)"}},
            },
            "accuracy is measured by cases, but has pattern: too",
        ),
    ],
)
def test_a_wrong_definition_is_refused(tmp_path, fields, message):
    with pytest.raises(InputError) as error:
        planned(tmp_path, "", **{"command": "{python} train.py", "metrics": {"accuracy": ACCURACY}, **fields})
    assert message in str(error.value)


def test_cases_are_part_of_the_definition_only_if_they_are_given(tmp_path):
    without = planned(tmp_path, "", command="{python} train.py", metrics={"accuracy": ACCURACY}).program
    given = planned(tmp_path, "", command="{python} train.py", metrics={"accuracy": ACCURACY}, cases={"file": "x.csv"}).program
    assert "cases" not in without.definition
    assert given.definition["cases"] == {"file": "x.csv", "percent": ["accuracy"]}


# Answers four cases, and is interrupted after two of them in its first attempt; a resumed attempt begins with the second.
INTERRUPTED = """
import json, os, sys, time
place = os.path.join(os.environ["HARNESS_RUN_DIR"], "place")
first = int(open(place).read()) if "--resume" in sys.argv else 0
with open(os.environ["HARNESS_CASES"], "a") as file:
    for case in range(first, 4):
        print(json.dumps({"case": case, "accuracy": int(first > 0)}), file=file, flush=True)
        open(place, "w").write(str(max(1, case)))
        if first == 0 and case == 1:
            print('{"case": 2, "accu', end="", file=file, flush=True)
            print("waiting", flush=True)
            time.sleep(60)
"""


def test_a_resumed_evaluation_keeps_the_cases_of_the_attempt_before(store, tmp_path, start_worker):
    plan = planned(tmp_path, INTERRUPTED, command="{python} train.py", resume="--resume", metrics={"accuracy": ACCURACY})
    paths = store.paths.run(plan.runs[0].id)
    process = start_worker(store.save_plan(plan))
    deadline = time.monotonic() + 30
    while not (paths.cases.exists() and paths.cases.read_text().endswith('"accu')):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == EXIT_INTERRUPTED
    (end,) = trained(store, plan)
    assert end.error is None
    assert load_arrays(paths.predictions)["accuracy"].tolist() == [0.0, 1.0, 1.0, 1.0]
    assert check_run(paths) == []


def test_what_an_earlier_attempt_wrote_does_not_count_when_the_run_starts_again(store, tmp_path):
    script = writing({"case": 1, "accuracy": 1}) + "import sys\nsys.exit(os.path.exists('broken'))\n"
    (tmp_path / "broken").touch()
    plan = planned(tmp_path, script, command="{python} train.py", resume="--resume", metrics={"accuracy": ACCURACY})
    assert trained(store, plan)[0].state == "failed"
    (tmp_path / "broken").unlink()
    (end,) = trained(store, plan, "--retry", "failed")
    assert (end.state, end.metrics["accuracy"]) == ("completed", 100.0)
