"""Which values of two metrics belong together, if one of them chooses the epoch of the other."""

import pytest

from harness.tasks.command.measure import Measure
from harness.tasks.command.reading.output import Output
from harness.tasks.protocol import TrainingFailed

LOSS = Measure(goal="minimize", text="{step}: loss {value}")
METRICS = {"accuracy": Measure(goal="maximize", text="{step}: accuracy {value}", at_best="loss"), "loss": LOSS}
APPENDED = {"accuracy": Measure(goal="maximize", at_best="loss"), "loss": Measure(goal="minimize")}


def rows(metrics, *lines):
    output = Output(metrics)
    for line in lines:
        (output.record if line.startswith("{") else output.line)(line)
    output.end()
    return [(row["accuracy"], row["loss"]) for row in iter(output.take, None)]


def test_steps_tell_which_values_belong_together():
    lines = ("1: loss 3", "2: loss 1", "2: accuracy 60", "3: loss 2")
    assert rows(METRICS, *lines) == [(None, 3), (60, 1), (None, 2)]
    assert rows(METRICS, "1: accuracy 50", "2: accuracy 60", "2: loss 1") == [(50, None), (60, 1)]


def test_steps_that_are_counted_differently_are_an_error():
    with pytest.raises(TrainingFailed, match="let the program count the steps of both in the same way"):
        rows(METRICS, "0: loss 3", "1: accuracy 50", "1: loss 1", "2: accuracy 60")


def test_json_lines_without_steps_tell_it_by_their_lines():
    assert rows(APPENDED, '{"loss": 3}', '{"loss": 1, "accuracy": 60}', '{"loss": 2}') == [(None, 3), (60, 1), (None, 2)]
    with pytest.raises(TrainingFailed, match="were not measured equally often"):
        rows(APPENDED, '{"loss": 3}', '{"loss": 1}', '{"accuracy": 60}', '{"loss": 2}')
