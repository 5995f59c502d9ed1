"""What is said of a program before it is trained."""

import pytest

from harness.tasks.command.inputs.found import Detected
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
    (told,) = remarks(Program(command="x", metrics=metrics), ["x 0123"], Detected())
    assert told == r"the pattern of loss does not match nan or 9.8e-05; (?P<value>\S+) matches every number"
