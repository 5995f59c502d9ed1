"""What is said of a program before it is trained."""

import pytest

from harness.tasks.command.model import Program
from harness.tasks.command.remarks import not_matched, remarks


@pytest.mark.parametrize(
    ("pattern", "unseen"),
    [
        (r"val loss (?P<value>[\d.]+)", ("nan", "9.8e-05")),
        (r"loss (?P<value>\d+\.\d+|nan)", ("9.8e-05",)),
        (r"loss (?P<value>-?(\d+(\.\d+)?([eE][-+]\d+)?))", ("nan",)),
        (r"loss (?P<value>[\d.)]+)", ("nan", "9.8e-05")),
        (r"(?i)loss (?P<value>[-+.0-9A-Z]+)", ()),
        (r"loss \((?P<value>\S+)\)", ()),
        (r"loss (?P<value>[-+.\w]+)%", ()),
        (r"(?P<step>\d+) (?P<value>(?P=step)|\d+)", ()),
        (r"loss (?P<value>high|low)", ()),
    ],
)
def test_a_pattern_that_would_pass_over_nan_or_cut_an_exponent_is_told(pattern, unseen):
    assert not_matched(pattern) == unseen


def test_remarks_name_the_metric_and_what_its_pattern_does_not_take():
    metrics = {"loss": {"goal": "minimize", "pattern": r"loss (?P<value>[\d.]+)"}, "other": {"goal": "minimize"}}
    (told,) = remarks(Program(command="x", metrics=metrics), ["x 0123"], [{}])
    assert told == r"the pattern of loss does not match nan or 9.8e-05; (?P<value>\S+) matches every number"


CSV = {"accuracy": {"goal": "maximize", "file": "results.csv"}}


def test_a_program_that_does_not_know_its_folder_is_told():
    (told,) = remarks(Program(command="x", metrics=CSV), ["x 0123"], [{}])
    assert told == "accuracy is read from a file in {run_dir}, which is not in the command; add it, or use $HARNESS_RUN_DIR"
    assert list(remarks(Program(command="x -o {run_dir}", metrics=CSV), ["x 0123"], [{}])) == []
    assert list(remarks(Program(command="x", metrics={"a": {"goal": "minimize", "wandb": "a"}}), ["x 0123"], [{}])) == []


def test_files_of_metrics_are_no_checkpoints():
    known = {"command": "x {run_dir}", "metrics": CSV, "resume": "-r"}
    (told,) = remarks(Program(**known), ["x 0123"], [{}])
    assert told == "the files that metrics are read from count as an earlier attempt, too; add checkpoint: what resuming needs"
    assert list(remarks(Program(**known, checkpoint="*.pt"), ["x 0123"], [{}])) == []
