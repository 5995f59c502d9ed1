"""CSV and TSV files of a program -> readings."""

import math

import pytest
from followed import everything, follower, plain

from harness.tasks.protocol import TrainingFailed


def read(folder, text, name="results.csv", **metrics):
    (folder / name).write_bytes(text.encode())
    metrics = metrics or {"accuracy": {"file": name, "column": "acc"}}
    return everything(follower(folder, **metrics))


def error_of(folder, text, **fields):
    with pytest.raises(TrainingFailed) as error:
        read(folder, text, accuracy={"file": "results.csv", "column": "acc", **fields})
    assert error.value.reason == "output"
    assert not any(map(str.isdigit, error.value.place))
    return str(error.value)


ROWS = [(1, {"accuracy": 0.5}), (2, {"accuracy": 0.75})]


@pytest.mark.parametrize(
    "text",
    [
        "epoch,loss,acc\n1,9,0.5\n2,8,0.75\n",
        "epoch,loss,acc\r\n1,9,0.5\r\n2,8,0.75\r\n",
        "\ufeffepoch,loss,acc\n1,9,0.5\n2,8,0.75",
        "  epoch,      loss,      acc\n      1,      9,     0.5\n      2,     8,   0.75\n",
        'epoch,"a, b","acc"\n"1","x, y","0.5"\n2,"says ""no"", twice",0.75\n',
        'epoch,note,acc\n1,"two\nlines",0.5\n2,"three\n\nlines",0.75\n',
        "epoch;loss;acc\n1;9;0.5\n2;8;0.75\n",
        "epoch\tacc\n1\t0.5\n2\t0.75\n",
        "\nepoch,acc\n\n1,0.5\n2,0.75\n\n",
        "epoch,acc\n1,0.5\nepoch,acc\n2,0.75\n",
        "Step ,acc\n1,0.5\n2.0,7.5e-1\n",
        "loss,iteration,acc,epoch_seconds\n0,1,0.5,9\n0,2,.75,9\n",
        "epoch,acc,\n1,0.5,\n2,0.75,\n",
        "epoch,acc,size\n1,0.5,15\" wide\n2,0.75,\"\"\n",
    ],
    ids=["plain", "CRLF", "mark, no last end", "padded", "quoted", "lines in cells", "semicolons", "tabs", "blank lines",
         "header again", "spelled otherwise", "iteration", "commas at the end", "an inch sign"],
)  # fmt: skip
def test_a_table_is_read_whatever_its_dialect(tmp_path, text):
    assert read(tmp_path, text) == ROWS


def test_a_tsv_file_may_have_commas_in_its_header(tmp_path):
    assert read(tmp_path, "epoch\tacc, top 1\n1\t0.5\n", "a.tsv", top={"file": "a.tsv", "column": "acc, top 1"}) == [
        (1, {"top": 0.5})
    ]


def test_without_a_column_the_metric_has_its_name_and_metrics_share_rows(tmp_path):
    found = follower(tmp_path, loss={"file": "r.csv"}, accuracy={"file": "r.csv", "column": "acc"})
    (tmp_path / "r.csv").write_text("epoch,loss,acc\n1,3,\n2,,0.5\n3,nan,-inf\n4,NA,None\n")
    first, second, third = everything(found)
    assert (first, second) == ((1, {"loss": 3.0}), (2, {"accuracy": 0.5}))
    assert third[0] == 3
    assert math.isnan(third[1]["loss"])
    assert third[1]["accuracy"] == -math.inf
    assert found.metrics == ("loss", "accuracy")


def test_metrics_with_different_steps_are_followed_apart(tmp_path):
    from harness.tasks.command.files.followers import followers
    from harness.tasks.command.measure import Measure

    (tmp_path / "r.csv").write_text("epoch,batch,a,b\n1,100,3,4\n")
    one = Measure(goal="minimize", file="r.csv")
    found = followers({"a": one, "b": Measure(goal="minimize", file="r.csv", step="batch")}, tmp_path)
    assert [plain(each.end()) for each in found] == [[(1, {"a": 3.0})], [(100, {"b": 4.0})]]


def test_without_a_step_column_there_are_no_steps(tmp_path):
    found = follower(tmp_path, acc={"file": "r.csv"})
    (tmp_path / "r.csv").write_text("acc\n0.5\n")
    assert everything(found) == [(None, {"acc": 0.5})]


def test_decimal_commas_are_read_if_the_yaml_says_so(tmp_path):
    (tmp_path / "r.csv").write_text("epoch;acc\n1;0,5\n2;0,75\n")
    assert everything(follower(tmp_path, accuracy={"file": "r.csv", "column": "acc", "decimal": ","})) == ROWS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch,acc\n1,0.5\n2,fast\n", ["results.csv, line 3, column 'acc'", "'fast' is not a number"]),
        ("epoch,acc\n1,0.5 s\n", ["line 2, column 'acc'", "'0.5 s'"]),
        ("epoch,acc\n1,0,5\n", ["line 2: has 3 cells, but the header has 2", "decimal comma"]),
        ("epoch,loss,acc\n1,0.5\n2,1,1\n", ["line 2: has 2 cells, but the header has 3"]),
        ("epoch,acc,acc\n1,0.5,0.6\n", ["line 1: has 2 columns 'acc'; rename one"]),
        ("epoch,acc\n1.5,0.5\n", ["line 2: the step 'epoch' is 1.5, which is not an integer", "step:"]),
        ('epoch,acc\n1,"0.5\n2,0.6\n', ["line 2: a quoted cell is not closed"]),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error_that_names_the_place(tmp_path, text, words):
    message = error_of(tmp_path, text)
    assert [word for word in words if word not in message] == []


def test_a_step_column_that_is_missing_is_an_error_at_once(tmp_path):
    assert error_of(tmp_path, "epochs,acc\n1,0.5\n", step="epoch") == (
        "results.csv, line 1: has no column 'epoch' (step); its columns: epochs, acc"
    )


def test_repeated_columns_that_nobody_needs_are_no_error(tmp_path):
    assert read(tmp_path, "epoch,x,x,acc\n1,8,9,0.5\n2,8,9,0.75\n") == ROWS


def test_an_incomplete_last_row_is_not_read(tmp_path):
    assert read(tmp_path, "epoch,acc,loss\n1,0.5,9\n2,0.75,8\n3,0.") == ROWS


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("epoch,accuracy,loss\n1,0.5,1\n", "results.csv has no column 'acc'; its columns: accuracy, epoch, loss"),
        ("epoch,acc\n1,\n", "the column 'acc' of results.csv is empty in all rows"),
        ("", "results.csv has no header, or is empty"),
    ],
)
def test_a_metric_that_is_missing_is_explained(tmp_path, text, why):
    found = follower(tmp_path, accuracy={"file": "results.csv", "column": "acc"})
    (tmp_path / "results.csv").write_text(text)
    assert everything(found) == []
    assert found.why_missing("accuracy") == why
