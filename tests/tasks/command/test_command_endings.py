"""Programs that go wrong in every way there is: each run gets the right state and a clear line, and no other run suffers."""

import itertools
import json
import os
import threading
import time
from pathlib import Path
from textwrap import dedent

import pytest
from programs import LOSS, WALK, experiment, log_of, planned, trained

from harness import run
from harness.store.records import read_rows

pytestmark = pytest.mark.slow


def the_end(store, tmp_path, script, **fields):
    """How the one run of a script ended."""
    return trained(store, planned(tmp_path, script, **{"command": "{python} train.py", **fields}))[0]


def test_an_ordinary_script_completes_with_its_rows(store, tmp_path):
    plan = planned(tmp_path, WALK, knobs={"rate": 0.1, "epochs": 3}, seeds=2)
    first, second = trained(store, plan)
    rows = read_rows(store.paths.run(first.id).metrics)
    assert (first.state, second.state) == ("completed", "completed")
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 1), (2, 2), (3, 3)]
    assert first.metrics["loss"] == rows[-1]["loss"] != second.metrics["loss"]
    assert "epoch 3: loss" in log_of(store, plan)
    assert not store.paths.run(first.id).files.exists()


def test_a_code_other_than_zero_is_a_failure_that_quotes_the_last_line(store, tmp_path):
    end = the_end(store, tmp_path, "print('epoch 1: loss 2.0'); raise SystemExit('no such optimizer')")
    assert (end.state, end.reason, end.error) == ("failed", "exit", "exit code 1; it last printed: no such optimizer")
    assert end.epoch == 1


def test_a_failure_leaves_the_other_runs_alone(store, tmp_path):
    script = "import sys\nif '--rate=0.2' in sys.argv: sys.exit(3)\n" + WALK
    plan = planned(tmp_path, script, knobs={"rate": 0.1}, factors={"rate": [0.1, 0.2]}, seeds=2)
    assert [end.state for end in trained(store, plan)] == ["completed", "failed", "completed", "failed"]


def test_three_failures_at_the_same_place_spare_the_rest_whatever_their_numbers(store, tmp_path):
    script = "import sys\nraise ValueError(f'broke with {sys.argv[1]}')"
    plan = planned(tmp_path, script, seeds=5, command="{python} train.py --seed={seed}")
    assert [end.state for end in trained(store, plan)] == ["failed"] * 3 + ["pending"] * 2


def test_failures_at_different_places_are_not_taken_for_one(store, tmp_path):
    script = "import sys\nif sys.argv[1] == '--seed=1': raise KeyError('x')\n\nraise ValueError('y')"
    plan = planned(tmp_path, script, seeds=4, command="{python} train.py --seed={seed}")
    assert [end.state for end in trained(store, plan)] == ["failed"] * 4


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory.", "oom"),
        ("OSError: [Errno 28] No space left on device", "disk"),
    ],
)
def test_a_machine_that_is_too_small_is_told_from_a_bug(store, tmp_path, last, reason):
    assert the_end(store, tmp_path, f"raise SystemExit({last!r})").reason == reason


def test_a_killed_program_is_told(store, tmp_path):
    end = the_end(store, tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert (end.state, end.reason) == ("failed", "killed")
    assert "was killed (SIGKILL: short of memory?)" in end.error


@pytest.mark.parametrize(
    ("end", "error"),
    [
        ("os.kill(os.getpid(), 15)", "the program was killed (SIGTERM)"),
        ("os.kill(os.getpid(), 1)", "the program was killed (SIGHUP)"),
        ("sys.exit(143)", "the program was killed (exit code 143: SIGTERM)"),
        ("sys.exit(137)", "the program was killed (exit code 137: SIGKILL: short of memory?)"),
    ],
)
def test_what_ends_a_program_from_outside_is_no_fault_of_its_own(store, tmp_path, end, error):
    ended = the_end(store, tmp_path, f"import os, sys; {end}")
    assert (ended.state, ended.reason) == ("failed", "killed")
    assert ended.error == f"{error}; it printed nothing"


def test_a_crash_names_its_signal(store, tmp_path):
    end = the_end(store, tmp_path, "import os; os.kill(os.getpid(), 11)")
    assert (end.state, end.reason) == ("failed", "exit")
    assert "was ended by SIGSEGV" in end.error


def test_a_program_that_prints_nothing(store, tmp_path):
    end = the_end(store, tmp_path, "pass")
    assert (end.state, end.reason) == ("failed", "output")
    assert end.error == (
        "the program exited with code 0 but printed nothing, so loss is missing;"
        " if the program writes it to a file, use file:, tensorboard: or wandb: instead"
    )


def test_a_program_that_prints_nothing_but_should_have_written_a_file(store, tmp_path):
    (end,) = trained(store, planned(tmp_path, "", metrics={"loss": {"goal": "minimize", "file": "results.csv"}}))
    assert end.error.startswith("file results.csv was not found in {run_dir}; it is empty")
    assert "printed nothing, so" not in end.error


def test_a_pattern_that_never_matches(store, tmp_path):
    end = the_end(store, tmp_path, "print('epoch 1 - Loss: 2.0')")
    assert (end.state, end.reason) == ("failed", "output")
    assert end.error.startswith(r"the pattern of loss never matched: 'epoch (?P<step>\\d+)")
    assert end.error.endswith("it last printed: epoch 1 - Loss: 2.0")


def test_a_pattern_that_finds_no_number(store, tmp_path):
    end = the_end(store, tmp_path, "print('epoch 1: loss 2.0x')")
    assert (end.state, end.reason) == ("failed", "output")
    assert end.error == "the pattern of loss: '2.0x' is not a number, in: 'epoch 1: loss 2.0x'"


def test_a_pattern_that_never_ends_fails_its_run_and_keeps_nothing_else_waiting(store, tmp_path):
    """Other threads run while a line is searched: the heartbeat of the lease, signals, time limits."""
    metrics = {"loss": {"goal": "minimize", "pattern": "(?P<value>(a|aa)+)$"}}
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.wait(0.05):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    end = the_end(store, tmp_path, "print('a' * 60 + '!')", metrics=metrics)
    stop.set()
    thread.join()
    assert (end.state, end.reason) == ("failed", "output")
    assert end.error.startswith("the pattern of loss: '(?P<value>(a|aa)+)$' took longer than 2 s; use a simpler one")
    assert max(later - earlier for earlier, later in itertools.pairwise(ticks)) < 2.0


def test_nan_is_divergence_and_the_program_is_not_waited_for(store, tmp_path):
    began = time.monotonic()
    end = the_end(
        store, tmp_path, "import time\nprint('epoch 1: loss 1.0')\nprint('epoch 2: loss nan', flush=True)\ntime.sleep(60)"
    )
    assert (end.state, end.error) == ("diverged", "loss is nan at epoch 2")
    assert time.monotonic() - began < 30


def test_a_program_that_never_ends_runs_into_its_timeout(store, tmp_path):
    script = "import time\nprint('waiting for the others', flush=True)\nwhile True: time.sleep(1)"
    end = the_end(store, tmp_path, script, timeout="1s")
    assert (end.state, end.reason) == ("failed", "timeout")
    assert end.error == "ran longer than its timeout of 1s; it last printed: waiting for the others"


def test_a_timeout_in_seconds_is_quoted_with_its_unit(store, tmp_path):
    end = the_end(store, tmp_path, "import time; time.sleep(60)", timeout=1)
    assert end.error == "ran longer than its timeout of 1s; it printed nothing"


def test_a_program_that_closes_its_output_goes_on(store, tmp_path):
    script = """
        import json, os, sys, time
        for descriptor in (1, 2):
            os.close(descriptor)
        for step in range(3):
            time.sleep(0.2)
            with open(os.environ["HARNESS_METRICS"], "a") as file:
                file.write(json.dumps({"step": step, "loss": 1.0 / (step + 1)}) + "\\n")
        os._exit(0 if "--seed=0" in sys.argv else 7)
    """
    metrics = {"loss": {"goal": "minimize"}}
    plan = planned(tmp_path, dedent(script), command="{python} train.py --seed={seed}", metrics=metrics, seeds=2)
    first, second = trained(store, plan)
    assert (first.state, first.epoch) == ("completed", 3)
    assert (second.state, second.reason, second.epoch) == ("failed", "exit", 3)


def test_a_command_that_is_not_there_starts_nothing(store, tmp_path, capsys):
    end = the_end(store, tmp_path, "pass", command="pyhton train.py")
    assert end.state == "pending"
    assert "command: 'pyhton': not found on this machine's PATH; use an installed program" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("pyhton train.py", "command: 'pyhton': not found on this machine's PATH"),
        ("{python} trian.py", "command: trian.py: no such file in "),
        ("{python} train.py", None),
    ],
)
def test_a_dry_run_warns_of_a_program_that_is_not_there(tmp_path, capsys, command, told):
    path = experiment(tmp_path, "pass", command=command)
    assert run.main([str(path), "--dry-run", "--json", "--results", str(tmp_path / "results")]) == 0
    missing = json.loads(capsys.readouterr().out)["missing"]
    assert [line.startswith(told) for line in missing] == ([True] if told else [])
    assert "trian" not in command or missing[0].endswith(f"did you mean {tmp_path}/train.py?")


def test_a_script_that_is_not_executable_starts_nothing(store, tmp_path, capsys):
    assert the_end(store, tmp_path, "pass", command="./train.py").state == "pending"
    assert "is not executable; use chmod +x, or name its interpreter" in capsys.readouterr().err


def test_an_interpreter_that_is_not_there_is_a_failure(store, tmp_path):
    plan = planned(tmp_path, "#!/no/such/interpreter\n", command="./train.py")
    (tmp_path / "train.py").chmod(0o755)
    (end,) = trained(store, plan)
    assert (end.state, end.reason) == ("failed", "exit")
    assert end.error == "the program could not be started: No such file or directory"


def test_what_a_program_leaves_behind_is_ended(store, tmp_path):
    script = """
    import os, subprocess, sys
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
    open("child", "w").write(str(child.pid))
    print("epoch 1: loss 1.0")
    """
    plan = planned(tmp_path, script, command="{python} train.py")
    (end,) = trained(store, plan)
    assert end.state == "completed"
    assert "1 processes that the program left running were killed" in log_of(store, plan)
    assert not alive(int((tmp_path / "child").read_text()))


def test_a_program_that_forks_and_dies_gets_its_own_code(store, tmp_path):
    script = """
    import os, sys, time
    if os.fork() == 0:
        time.sleep(300)
    os._exit(4)
    """
    end = the_end(store, tmp_path, script)
    assert (end.state, end.error) == ("failed", "exit code 4; it printed nothing")


def test_a_very_long_line_and_bytes_that_are_no_text_do_no_harm(store, tmp_path):
    script = r"""
    import sys
    out = sys.stdout.buffer
    out.write(b"x" * 3_000_000 + b"\n" + b"\xff\xfe epoch 1: loss 2.5\xc3\n" + b"epoch 2: loss 2.0\n" + b"\x00" * 100_000)
    """
    end = the_end(store, tmp_path, script, metrics={"loss": {**LOSS, "pattern": r"epoch (?P<step>\d+): loss (?P<value>[\d.]+)"}})
    assert (end.state, end.epoch, end.metrics["loss"]) == ("completed", 2, 2.0)


def test_a_flood_of_output_is_kept_up_to_its_limit_and_at_its_end(store, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.tasks.command.training.LOG_LIMIT", 1 << 20)
    script = "for i in range(200_000): print('progress', i)\nprint('epoch 1: loss 1.0')"
    plan = planned(tmp_path, script, command="{python} train.py")
    (end,) = trained(store, plan)
    log = log_of(store, plan)
    assert end.state == "completed"
    assert len(log) < (1 << 20) + 10_000
    assert "more than 1 MiB of output: the rest is omitted, except its end" in log
    assert log.rstrip().endswith("epoch 1: loss 1.0\ncompleted")


def test_a_line_in_two_writes_is_one_line(store, tmp_path):
    script = "import sys, time\nsys.stdout.write('epoch 1: lo'); sys.stdout.flush(); time.sleep(0.3); print('ss 1.25')"
    assert the_end(store, tmp_path, script).metrics["loss"] == 1.25


def test_a_progress_bar_that_overwrites_its_line_is_read(store, tmp_path):
    assert the_end(store, tmp_path, r"print('50%\repoch 1: loss 1.5\r100%')").metrics["loss"] == 1.5


JSON = {"loss": {"goal": "minimize"}, "accuracy": {"goal": "maximize", "unit": "%"}}


def appending(*lines):
    return f"import os\nwith open(os.environ['HARNESS_METRICS'], 'a') as file:\n    for line in {lines!r}:\n        file.write(line); file.flush()\n"


def test_json_lines_are_rows_with_what_else_they_hold(store, tmp_path):
    lines = (
        '{"step": 10, "loss": 2, "accuracy": 50.0, "lr": 0.1}\n',
        '{"step": 20, "loss": 1.5, "accu',
        'racy": 60.0, "note": "x"}\n',
    )
    plan = planned(tmp_path, appending(*lines), command="{python} train.py", metrics=JSON)
    (end,) = trained(store, plan)
    rows = [
        {name: value for name, value in row.items() if name != "seconds"} for row in read_rows(store.paths.run(end.id).metrics)
    ]
    assert rows == [
        {"epoch": 1, "step": 10, "loss": 2.0, "accuracy": 50.0, "lr": 0.1},
        {"epoch": 2, "step": 20, "loss": 1.5, "accuracy": 60.0},
    ]


def test_a_json_line_takes_the_place_of_nothing_that_is_planned(store, tmp_path):
    plan = planned(
        tmp_path, appending('{"loss": 1.0, "seed": 42, "variant": 7, "lr": 0.1}\n'), metrics={"loss": {"goal": "minimize"}}
    )
    (end,) = trained(store, plan)
    assert "lr" in end.metrics
    assert not {"seed", "variant"} & set(end.metrics)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"loss": 1.0, ', "$HARNESS_METRICS has a line that is not JSON"),
        ("[" * 50_000 + "\n", "$HARNESS_METRICS has a line that is not JSON"),
        ("[1, 2]\n", "$HARNESS_METRICS has a line that is not a JSON object: '[1, 2]'"),
        ('{"loss": "low"}\n', '$HARNESS_METRICS has "low" for loss, which is not a number'),
        ('{"step": 1.5, "loss": 1}\n', "$HARNESS_METRICS has the step 1.5, which is not an integer"),
        ('{"accuracy": 1.0}\n', "no line of $HARNESS_METRICS had loss (metrics without a source are read from there)"),
    ],
)
def test_bad_json_is_told_with_its_line(store, tmp_path, line, error):
    end = the_end(store, tmp_path, appending(line), metrics=JSON)
    assert (end.state, end.reason) == ("failed", "output")
    assert end.error.startswith(error)


def test_nan_in_a_json_line_is_divergence(store, tmp_path):
    assert the_end(store, tmp_path, appending('{"loss": NaN, "accuracy": 1}\n'), metrics=JSON).state == "diverged"


def test_an_environment_of_its_own(store, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    script = """
    import os
    e = os.environ
    print("epoch 1: loss", float(e["HARNESS_SEED"]) + float(e["LEVEL"]))
    print([e["HARNESS_DEVICE"], e["CUDA_VISIBLE_DEVICES"], os.path.basename(e["HARNESS_RUN_DIR"]), os.getpgrp() == os.getpid()])
    """
    plan = planned(tmp_path, script, command="{python} train.py", environment={"LEVEL": 0.5})
    (end,) = trained(store, plan)
    assert end.metrics["loss"] == 0.5
    assert "['cpu', '', 'files', True]" in log_of(store, plan)
    assert "LEVEL" not in os.environ


def alive(pid):
    return Path(f"/proc/{pid}").exists()
