"""Metrics as they come in -> rows."""

import pytest

from harness.tasks.command.measure import Measure
from harness.tasks.command.reading.lines import Lines
from harness.tasks.command.reading.output import Output
from harness.tasks.protocol import TrainingFailed

BOTH = {
    "train": Measure(goal="minimize", pattern=r"iter (?P<step>\d+): loss (?P<value>\S+)"),
    "validation": Measure(goal="minimize", pattern=r"step (?P<step>\d+): val loss (?P<value>\S+)"),
}
PLAIN = {
    "loss": Measure(goal="minimize", pattern=r"loss (?P<value>\S+)"),
    "final": Measure(goal="maximize", pattern=r"final (?P<value>\S+)"),
}


def rows_of(rows):
    found = []
    while (row := rows.take()) is not None:
        found.append(tuple(row[name] for name in ("epoch", "step", *rows.metrics)))
    return found


def read(metrics, *lines, known=()):
    rows = Output(metrics, known)
    for line in lines:
        rows.line(line)
    rows.end()
    return rows_of(rows)


def test_metrics_of_one_step_are_one_row_and_what_a_row_lacks_is_none():
    lines = ("step 0: val loss 4.0", "iter 0: loss 3.9", "iter 10: loss 3.0", "iter 20: loss 2.5", "step 20: val loss 2.6")
    assert read(BOTH, *lines) == [(1, 0, 3.9, 4.0), (2, 10, 3.0, None), (3, 20, 2.5, 2.6)]


def test_the_last_row_has_the_last_value_of_each_metric():
    assert read(BOTH, "step 0: val loss 4.0", "iter 10: loss 3.0") == [(1, 0, None, 4.0), (2, 10, 3.0, 4.0)]


def test_without_steps_a_row_ends_when_a_metric_comes_again():
    assert read(PLAIN, "loss 3", "loss 2", "loss 1", "final 90") == [(1, 1, 3.0, None), (2, 2, 2.0, None), (3, 3, 1.0, 90.0)]


def test_rows_that_are_known_are_not_doubled():
    known = [{"epoch": n, "step": 10 * n, "train": 4.0 - n, "validation": None} for n in (1, 2, 3)]
    again = ("iter 20: loss 9", "iter 30: loss 9", "iter 40: loss 0.5", "iter 10: loss 0.1")
    assert read(BOTH, *again, known=known) == [(3, 30, 1.0, None), (4, 40, 0.5, None), (5, 10, 0.1, None)]


KNOWN = [
    {"epoch": 1, "step": 10, "train": 3.0, "validation": 0.2, "seconds": 1.0},
    {"epoch": 2, "step": 20, "train": 2.0, "validation": None, "seconds": 1.0},
]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["step 20: val loss 0.1"], [(2, 20, 2.0, 0.1)]),
        (["iter 20: loss 2.0", "step 20: val loss 0.1", "iter 30: loss 1.0"], [(2, 20, 2.0, 0.1), (3, 30, 1.0, 0.1)]),
        (["iter 30: loss 1.0", "step 30: val loss 0.1"], [(2, 20, 2.0, None), (3, 30, 1.0, 0.1)]),
        ([], [(2, 20, 2.0, 0.2)]),
    ],
    ids=["its rest is told", "it is told again", "it was all there was of it", "the program had ended"],
)
def test_a_known_row_that_lacks_a_metric_is_given_again(lines, expected):
    rows = Output(BOTH, KNOWN)
    assert rows.count == 1
    for line in lines:
        rows.line(line)
    rows.end()
    assert rows_of(rows) == expected


def test_a_row_that_a_stop_cuts_is_given_as_it_is_and_so_is_one_that_was_held():
    rows = Output(BOTH, KNOWN)
    rows.cut()
    assert rows_of(rows) == [(2, 20, 2.0, None)]
    rows = Output(BOTH, KNOWN)
    rows.line("iter 30: loss 1.0")
    rows.cut()
    assert rows_of(rows) == [(2, 20, 2.0, None), (3, 30, 1.0, None)]


def test_a_run_that_goes_on_has_to_tell_the_step_of_its_first_row():
    known = [{"epoch": 1, "step": 1, "loss": 3.0, "final": 1.0}]
    with pytest.raises(TrainingFailed, match="its first row has no step") as caught:
        read(PLAIN, "loss 2", "final 90", known=known)
    assert caught.value.reason == "output"
    rows = Output({"loss": Measure(goal="minimize")}, known)
    with pytest.raises(TrainingFailed, match="its first row has no step"):
        rows.record('{"loss": 2}')
    rows = Output({"loss": Measure(goal="minimize")}, known)
    rows.record('{"loss": 2, "step": 2}')
    rows.record('{"loss": 1}')
    assert [step for _, step, _ in rows_of(rows)] == [2, 3]


def test_steps_that_begin_anew_in_each_epoch_hold_nothing_back():
    known = [{"epoch": n, "step": step, "train": 1.0, "validation": 1.0} for n, step in enumerate((10, 20, 10, 20), start=1)]
    assert read(BOTH, "iter 10: loss 0.5", known=known) == [(5, 10, 0.5, 1.0)]


def test_a_number_that_is_not_finite_is_told_at_once():
    rows = Output(BOTH)
    rows.line("iter 3: loss nan")
    assert rows.waiting


def test_values_of_one_line_are_one_row_in_any_order_of_the_metrics():
    both = {"final": PLAIN["final"], "loss": PLAIN["loss"]}
    assert read(both, "loss 3", "loss 2 final 5", "loss 1") == [(1, 1, None, 3.0), (2, 2, 5.0, 2.0), (3, 3, 5.0, 1.0)]


def test_lines_are_cut_at_their_ends_wherever_the_bytes_are_cut():
    text = "a\nbc\r\nd\xe9\n\nlast".encode()
    for size in range(1, 8):
        lines = Lines()
        found = [line for start in range(0, len(text), size) for line in lines.add(text[start : start + size])]
        assert [*found, *lines.end()] == ["a", "bc", "d\xe9", "last"]


def test_of_a_line_without_an_end_only_the_beginning_is_kept():
    lines = Lines(longest=10)
    assert [lines.add(b"loss? ? ? " * 100) for _ in range(100)] == [[]] * 100
    assert lines.add(b"\nnext\n") == ["loss? ? ? ", "next"]


def test_half_a_number_at_the_end_of_a_line_that_is_cut_is_not_read():
    lines = Lines(longest=10)
    assert lines.add(b"loss: 123.456\nloss: 1234\nloss: 1.5e-7") == ["loss: ", "loss: 1234"]
    assert lines.end() == ["loss: "]


EVALUATED = {"loss": PLAIN["loss"], "accuracy": Measure(goal="maximize")}


def evaluated(*lines, known=()):
    rows = Output(EVALUATED, known)
    for line in lines:
        rows.line(line)
    rows.add_last({"accuracy": 61.0})
    rows.end()
    return rows_of(rows)


def test_values_of_the_whole_run_are_in_its_last_row():
    assert evaluated("loss 3", "loss 2") == [(1, 1, 3.0, None), (2, 2, 2.0, 61.0)]


def test_without_other_metrics_they_are_the_only_row():
    rows = Output({"accuracy": EVALUATED["accuracy"]})
    rows.add_last({"accuracy": 61.0})
    rows.end()
    assert rows_of(rows) == [(1, 1, 61.0)]
    assert rows.missing == []


def test_a_resumed_program_that_only_evaluates_completes_its_last_row():
    known = [{"epoch": 1, "step": 1, "loss": 3.0, "accuracy": None}, {"epoch": 2, "step": 2, "loss": 2.0, "accuracy": None}]
    assert evaluated(known=known) == [(2, 2, 2.0, 61.0)]
