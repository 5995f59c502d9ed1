"""The guard that a process starts for its programs: one for all of them, which ends what they start, whoever is killed."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from programs import planned, trained

from harness.store import git_state
from harness.store.records import Store
from harness.tasks.command import guard, guards, survey
from harness.tasks.command.guards import Guard, Start
from harness.tasks.command.program import Exit, RunningProgram
from harness.tasks.protocol import TrainingFailed

PARENT = {"loss": {"goal": "minimize", "text": "loss {value}"}}


def start(folder, *words, **variables):
    return RunningProgram(words, folder, {**os.environ, **variables}, grace_s=0.5)


def finished(program):
    """The output and the exit of a program."""
    output = bytearray()
    try:
        while (data := program.read(0.1)) is not None:
            output += data
        return bytes(output), program.wait(10.0)
    finally:
        program.end(lambda *_: None)


def parent_of(folder):
    return int(finished(start(folder, "sh", "-c", "echo $PPID"))[0])


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition):
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_further_run_starts_its_program_and_no_other_process(store, tmp_path, monkeypatch):
    """Neither Python nor git, also for a program whose code is in a repository."""
    started = []

    class Recording(subprocess.Popen):
        def __init__(self, arguments, *others, **options):
            started.append(Path(arguments[0]).name)
            super().__init__(arguments, *others, **options)

    monkeypatch.setattr(subprocess, "Popen", Recording)
    monkeypatch.setattr(git_state, "SETTLED_NS", 0)
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    plan = planned(tmp_path, 'echo "loss $PPID.$1"', command="sh train.py {seed}", metrics=PARENT, seeds=4)
    (tmp_path / "model.py").write_text("x = 1\n")
    for words in (["init", "-q"], ["add", "train.py", "model.py"], [*identity, "commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    takes, take = [], Store.take
    monkeypatch.setattr(Store, "take", lambda *arguments: takes.append(len(started)) or take(*arguments))
    records = trained(store, plan, "--track", "none")
    assert [record.state for record in records] == ["completed"] * 4
    assert len({int(record.metrics["loss"]) for record in records}) == 1, "all have one parent"
    assert "git" in started[takes[0] :], "the first run asks"
    assert started[takes[1] :] == []


def test_a_guard_that_was_killed_since_the_last_program_is_replaced(tmp_path):
    before = parent_of(tmp_path)
    assert parent_of(tmp_path) == before
    os.kill(before, signal.SIGKILL)
    until(lambda: not alive(before))
    assert parent_of(tmp_path) != before


def test_a_process_that_outlives_a_killed_guard_does_not_keep_its_run_waiting(tmp_path):
    """It has the program's output open."""
    program = start(tmp_path, "sh", "-c", "setsid sleep 300 & echo $PPID $!; wait")
    guard, descendant = map(int, program.read(20.0).split())
    os.kill(guard, signal.SIGKILL)
    try:
        until(lambda: program.read(0.1) is None)
        with pytest.raises(TrainingFailed, match="the guard process of the program was killed"):
            program.wait(10.0)
        program.end(lambda *_: None)
    finally:
        os.kill(descendant, signal.SIGKILL)


def test_two_programs_at_once_have_two_guards(tmp_path):
    first, second = (start(tmp_path, "sh", "-c", "echo $PPID; sleep 0.2") for _ in range(2))
    assert int(finished(first)[0]) != int(finished(second)[0])


def test_arguments_and_variables_arrive_byte_by_byte(tmp_path):
    odd = ["", "a\nb", "=", "\udcff", "ü", "x" * 100_000]
    output, end = finished(
        start(tmp_path, "sh", "-c", 'printf "%s|" "$@" "$ODD" "$EMPTY"', "sh", *odd, ODD="1=2\n\udcfe", EMPTY="")
    )
    assert output == b"".join(os.fsencode(word) + b"|" for word in (*odd, "1=2\n\udcfe", ""))
    assert end.code == 0


@pytest.mark.parametrize(
    ("words", "folder", "error"),
    [
        (["true", "x" * 3_000_000], ".", "the program could not be started: Argument list too long"),
        (["true"], "missing", "the program could not be started: No such file or directory"),
        (["./missing"], ".", "the program could not be started: No such file or directory"),
    ],
)
def test_a_program_that_cannot_be_started_leaves_the_guard_to_the_next(tmp_path, words, folder, error):
    guard = parent_of(tmp_path)
    with pytest.raises(TrainingFailed, match=f"^{error}$"):
        finished(start(tmp_path / folder, *words))
    assert parent_of(tmp_path) == guard


def test_a_nul_is_refused_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ValueError, match="null byte"):
        start(tmp_path, "true", "a\0b")
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_ends_while_it_is_stopped_does_no_harm_to_the_next(tmp_path):
    for number in range(30):
        program = start(tmp_path, "true")
        time.sleep(number * 0.0002)
        program.end(lambda *_: None)
        assert program.exit is not None
        assert program.exit.code in (0, -signal.SIGTERM)
    assert finished(start(tmp_path, "sh", "-c", "exit 7"))[1].code == 7


@pytest.mark.parametrize("trap", ["trap '' TERM; setsid sleep 300 &", "(trap '' TERM; exec setsid sleep 300) &"])
def test_all_that_a_program_started_ends_also_if_its_output_cannot_be_kept(tmp_path, trap):
    """At once, whether the program or only what it started ignores SIGTERM; a guard that is killed would leave the latter."""
    script = f"{trap} echo $!; while :; do echo more; sleep 0.01; done"
    program = RunningProgram(["sh", "-c", script], tmp_path, os.environ, grace_s=600.0)
    descendant = int(program.read(20.0).split()[0])

    def keep(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        program.end(keep)
    assert not alive(descendant)


def test_a_start_that_is_interrupted_leaves_no_program_and_no_folder(tmp_path, monkeypatch):
    used, begin = [], Guard.start

    def interrupted(guard, *arguments):
        used.append(guard)
        begin(guard, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(Guard, "start", interrupted)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path, "sleep", "300")
    assert used[0]._process.returncode is not None, "with it the kernel ends the program"
    assert used[0] not in guards._all
    assert list(tmp_path.iterdir()) == []


def test_orphans_of_a_program_that_have_ended_leave_no_zombies_while_it_runs(tmp_path):
    script = """
    import os, time
    parent = os.getppid()
    for _ in range(5):
        if os.fork() == 0:
            if os.fork() == 0:
                os._exit(0)
            os._exit(0)
        os.wait()
    limit = time.monotonic() + 20
    while (left := open(f"/proc/{parent}/task/{parent}/children").read().split()) != [str(os.getpid())]:
        assert time.monotonic() < limit, left
    """
    assert finished(start(tmp_path, sys.executable, "-c", textwrap.dedent(script))) == (b"", Exit(0, 0))


def test_processes_of_others_that_the_system_hides_are_not_looked_at(monkeypatch):
    def hidden(*_):
        raise PermissionError

    monkeypatch.setattr("builtins.open", hidden)
    assert guard.children() == []


def test_what_a_program_leaves_in_another_session_has_ended_before_the_next_starts(tmp_path):
    guard = parent_of(tmp_path)
    left = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(300)\n    os._exit(0)"
    )
    _, end = finished(start(tmp_path, sys.executable, "-c", left))
    assert (end.code, end.left_behind) == (0, 1)
    assert Path(f"/proc/{guard}/task/{guard}/children").read_text() == ""
    assert parent_of(tmp_path) == guard


# Starts one program, and says which process is its guard and where its scratch folder is.
OWNER = """
import os, sys, time
from pathlib import Path
from harness.tasks.command.program import RunningProgram
program = RunningProgram(["sh", "-c", sys.argv[1]], Path("."), dict(os.environ), grace_s=0.5)
pids = program.read(20.0).decode().split()
if "idle" in sys.argv:
    while program.read(0.1) is not None: pass
    program.wait(10.0)
    program.end(lambda *_: None)
if "fork" in sys.argv and os.fork() == 0:
    time.sleep(300)
print(*pids, program._scratch, flush=True)
if "exit" not in sys.argv:
    time.sleep(300)
"""


def owner(folder, script, *words):
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, script, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(guards.__file__).parents[3])},
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    assert process.stdout is not None
    guard, program, scratch = process.stdout.readline().split()
    process.stdout.close()
    return process, int(guard), int(program), Path(scratch)


def test_a_killed_process_takes_its_guard_and_all_descendants_along_also_if_it_was_forked(tmp_path):
    """The forked child lives on and has every descriptor of its parent, but not the guard's socket."""
    process, guard, descendant, scratch = owner(tmp_path, "setsid sleep 300 & echo $PPID $!; wait", "fork")
    try:
        assert alive(descendant)
        assert scratch.is_dir()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        until(lambda: not alive(descendant) and not alive(guard) and not scratch.exists())
    finally:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("how", ["exit", "killed"])
def test_an_idle_guard_ends_with_its_process(tmp_path, how):
    process, guard, _, scratch = owner(tmp_path, "echo $PPID $$", "idle", how)
    if how == "killed":
        assert alive(guard)
        process.kill()
    process.wait(30)
    if how == "killed":
        until(lambda: not alive(guard))
    assert not alive(guard)
    assert not scratch.exists()


def test_a_process_that_is_killed_while_it_requests_a_start_starts_nothing(tmp_path):
    guard, mark = Guard(), tmp_path / "started"
    message = Start(["touch", str(mark)], tmp_path, {**os.environ}, tmp_path / "none", 1.0).message()
    guard._socket.sendall(len(message).to_bytes(4, "big") + message[:-1])
    guard.abandon()
    assert guard._process.wait(20) == 0
    assert not mark.exists()


def test_the_guard_boots_while_the_interpreter_of_its_program_is_asked(store, tmp_path, monkeypatch):
    guards._end_idle()
    booted, observed = [], survey.observed
    monkeypatch.setattr(survey, "observed", lambda *arguments: booted.append(len(guards._idle)) or observed(*arguments))
    plan = planned(tmp_path, 'echo "loss $PPID"', command="sh train.py {seed}", metrics=PARENT, seeds=2)
    trained(store, plan, "--track", "none")
    assert booted == [1, 1]
    assert len(guards._idle) == 1
