"""Rows from the log and the files of a run that has ended."""

from harness.tasks.command.measure import Measure
from harness.tasks.command.reading.replay import rows_of_log

METRICS = {
    "accuracy": Measure(goal="maximize", file="log.csv", take="best"),
    "loss": Measure(goal="minimize", text="step {step}: loss {value}"),
}
START = "--- 2026-01-02T03:04:05+00:00 lease {}, host, process 1\n"
COMMAND = "$ python train.py   (in /tmp)\n"


def test_a_run_that_was_resumed_has_the_values_of_all_starts(tmp_path):
    first = START.format(1) + COMMAND + "step 1: loss 3\nstep 2: loss 2\nfailed: exit code 1; it last printed: step 2: loss 2\n"
    second = START.format(2) + "resumed after 2 epochs\n" + COMMAND + "step 2: loss 2\nstep 3: loss 1\ncompleted\n"
    (tmp_path / "log.csv").write_text("step,accuracy\n1,90\n2,60\n3,70\n")
    rows = rows_of_log(METRICS, (first + second).encode(), "completed", tmp_path, resumes=True)
    assert [(row["step"], row["accuracy"], row["loss"]) for row in rows] == [(1, 90, 3), (2, 60, 2), (3, 70, 1)]


def test_a_run_that_was_restarted_has_the_values_of_its_last_start(tmp_path):
    first = START.format(1) + COMMAND + "step 1: loss 9\nfailed: exit code 1; it printed nothing\n"
    second = START.format(2) + COMMAND + "step 1: loss 3\nstep 2: loss 2\ncompleted\n"
    (tmp_path / "log.csv").write_text("step,accuracy\n1,90\n2,60\n")
    rows = rows_of_log(METRICS, (first + second).encode(), "completed", tmp_path, resumes=True)
    assert [(row["step"], row["accuracy"], row["loss"]) for row in rows] == [(1, 90, 3), (2, 60, 2)]
