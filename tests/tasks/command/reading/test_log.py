"""The log of a run -> what its program printed, without what the harness wrote."""

from harness.tasks.command.reading.log import is_complete, is_log, parts

START = "--- 2026-01-02T03:04:05+00:00 lease {}, host, process 1\n"
FIRST = START.format(1) + "$ python train.py   (in /tmp)\nstep 1: loss 3\n"
ENDING = "failed: exit code 1; it last printed: step 1: loss 3"


def outputs(log, ending=""):
    return [part.output.decode() for part in parts(log.encode(), ending)]


def test_the_command_and_the_lines_of_the_harness_are_no_output():
    log = FIRST + "--- 2 processes that the program left running were killed\n--- the program exited with code 0\ncompleted\n"
    assert outputs(log, "completed") == ["step 1: loss 3\n"]
    assert is_log(log.encode())
    assert is_complete(log.encode())


def test_a_command_may_have_several_lines():
    log = START.format(1) + "$ bash -c 'echo loss 7\npython train.py'   (in /tmp)\nloss 3\n"
    assert outputs(log) == ["loss 3\n"]


def test_the_results_of_all_starts_are_no_output():
    again = START.format(2) + "resumed after 1 epochs\n$ python train.py   (in /tmp)\nstep 2: loss 2\n"
    log = f"{FIRST}{ENDING}\n{again}{ENDING}\n"
    assert outputs(log, ENDING) == ["step 1: loss 3\n", "step 2: loss 2\n"]
    assert [part.resumed for part in parts(log.encode(), ENDING)] == [False, True]
    assert not is_complete(log.encode())


def test_a_start_without_a_program_has_no_part():
    assert outputs(START.format(1) + "failed: the program is missing\n" + FIRST) == ["step 1: loss 3\n"]
