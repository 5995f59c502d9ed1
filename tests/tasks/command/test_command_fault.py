"""What a failed program failed of, from real output of launchers, libraries and shells."""

from pathlib import Path

import pytest
from conftest import TESTS

from harness.tasks.command.fault import failure
from harness.tasks.command.memory_events import memory_kills

OUTPUTS = TESTS / "fixtures" / "outputs"
FRAME = '  File "/home/me/project/train.py", line 12, in main\n    step(batch)\n'
HEADER = "Traceback (most recent call last):\n"
PLACE = "exit 1 ('train.py', '12')"
ACCELERATE = (
    HEADER
    + '  File "/home/me/env/bin/accelerate", line 8, in <module>\n    sys.exit(main())\n'
    + '  File "/home/me/env/lib/python3.11/site-packages/accelerate/commands/launch.py", line 1176, in simple_launcher\n'
    + "    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)\n"
    + "subprocess.CalledProcessError: Command '['/usr/bin/python', 'train.py']' returned non-zero exit status 1.\n"
)


def raised(exception: str) -> str:
    return HEADER + FRAME + exception + "\n"


def failed(text: str, code: int = 1, kills: int = 0) -> tuple[str, str, str]:
    found = failure(text.encode(), code, kills)
    return found.reason, str(found), found.place


# Printed by torch 2.11 with two ranks of gloo, and by Python 3.11.
@pytest.mark.parametrize(
    ("name", "reason", "message", "place"),
    [
        ("torchrun_ranks", "exit", "exit code 1; rank 1: ValueError: bad batch 3 (rank.py line 8)", "exit 1 ('rank.py', '8')"),
        ("torchrun_plain", "exit", "exit code 1; rank 1: KeyError: 'label' (plain.py line 4)", "exit 1 ('plain.py', '4')"),
        (
            "torchrun_recorded",
            "exit",
            "exit code 1; rank 1: KeyError: 'label' (recorded.py line 6)",
            "exit 1 ('recorded.py', '6')",
        ),
        ("torchrun_killed", "killed", "rank 1 was killed (SIGKILL: short of memory?); it printed nothing", "exit 1 "),
        ("spawn", "exit", "exit code 1; ValueError: boom (spawn.py line 3)", "exit 1 ('spawn.py', '3')"),
        (
            "exception_group",
            "exit",
            "exit code 1; ExceptionGroup: several (2 sub-exceptions), the first: ValueError: a (group.py line 2)",
            "exit 1 ('group.py', '2')",
        ),
        ("chained_notes", "exit", "exit code 1; ValueError: first (notes.py line 7)", "exit 1 ('notes.py', '7')"),
        ("dataloader", "exit", "exit code 1; ValueError: bad sample (loader.py line 7)", "exit 1 ('loader.py', '7')"),
        (
            "dataloader_killed",
            "oom",
            "exit code 1; RuntimeError: DataLoader worker (pid 22106) is killed by signal: Killed. (loader.py line 9)",
            "exit 1 ('dataloader.py', '1304')",
        ),
    ],
)
def test_the_exception_of_the_failed_rank_or_worker_is_shown(name, reason, message, place):
    assert failed((OUTPUTS / f"{name}.txt").read_text()) == (reason, message, place)


def test_with_redirected_ranks_the_footer_has_the_exception():
    text = (OUTPUTS / "torchrun_recorded.txt").read_text()
    footer = text[text.index("W1130 01:31:46.679000") :]
    assert failed(footer)[1] == "exit code 1; rank 1: KeyError: 'label' (recorded.py line 6)"


def test_a_rank_that_the_kernel_killed_for_lack_of_memory_is_no_guess():
    text = (OUTPUTS / "torchrun_killed.txt").read_text()
    assert failed(text, kills=1)[:2] == ("oom", "the kernel killed rank 1 for lack of memory; it printed nothing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (raised("KeyError: 'x'"), "exit code 1; KeyError: 'x' (train.py line 12)"),
        (raised("ValueError: several\nlines of\na message"), "exit code 1; ValueError: several (train.py line 12)"),
        (raised("mine.errors.Bad: text"), "exit code 1; mine.errors.Bad: text (train.py line 12)"),
        (raised("AssertionError"), "exit code 1; AssertionError (train.py line 12)"),
        (
            "Error executing job with overrides: ['lr=1']\n"
            + raised("ValueError: bad lr")
            + "\nSet the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.\n",
            "exit code 1; ValueError: bad lr (train.py line 12)",
        ),
        (
            raised("ValueError: bad")
            + "wandb: \nwandb: 🚀 View run x at: https://wandb.ai/me/p/runs/1\n"
            + "\x1b[1;34mwandb\x1b[0m: Find logs at: \x1b[1;35mwandb/run-1/logs\x1b[0m\n" * 20,
            "exit code 1; ValueError: bad (train.py line 12)",
        ),
        (
            raised("ValueError: bad") + " 31%|███▏      | 31/100 [00:03<00:06, 10.1it/s]\r" * 30,
            "exit code 1; ValueError: bad (train.py line 12)",
        ),
        (
            raised("ValueError: bad") + "srun: error: node7: task 0: Exited with exit code 1\nsrun: Terminating StepId=1.0\n",
            "exit code 1; ValueError: bad (train.py line 12)",
        ),
        (raised("ValueError: bad") + ACCELERATE, "exit code 1; ValueError: bad (train.py line 12)"),
        (
            "train.py: error: unrecognized arguments: --x\n" + ACCELERATE,
            "exit code 1; it last printed: train.py: error: unrecognized arguments: --x",
        ),
        (
            raised("ValueError: bad")
            + "[2026-01-01 12:00:00,000] [INFO] [launch.py:316:sigkill_handler] Killing subprocess 12345\n"
            + "[2026-01-01 12:00:00,001] [ERROR] [launch.py:322:sigkill_handler] ['/usr/bin/python', '-u'] exits with return code = 1\n",
            "exit code 1; ValueError: bad (train.py line 12)",
        ),
        (
            raised("ValueError: bad")
            + "[rank: 1] Child process with PID 1234 terminated with code 1. Forcefully terminating all other processes to avoid zombies\n",
            "exit code 1; ValueError: bad (train.py line 12)",
        ),
        (
            "".join(f"[default{rank}]:{line}\n" for line in raised("ValueError: bad").splitlines() for rank in (1, 0)),
            "exit code 1; rank 1: ValueError: bad (train.py line 12)",
        ),
        (
            "".join(f"{rank}: {line}\n" for line in raised("ValueError: bad").splitlines() for rank in (0, 3)),
            "exit code 1; rank 0: ValueError: bad (train.py line 12)",
        ),
        (
            raised("ValueError: bad") + "Exception ignored in: <function Pool.__del__ at 0x7f>\n" + raised("OSError: closed"),
            "exit code 1; ValueError: bad (train.py line 12)",
        ),
        (
            raised("RuntimeError: caught") + "epoch 2\n" * 30 + "no such optimizer\n",
            "exit code 1; it last printed: no such optimizer",
        ),
        ("no such optimizer\n", "exit code 1; it last printed: no such optimizer"),
        ("", "exit code 1; it printed nothing"),
        ("wandb: Syncing\n", "exit code 1; it last printed: wandb: Syncing"),
        (
            "  File \"train.py\", line 3\n    if x\n        ^\nSyntaxError: expected ':'\n",
            "exit code 1; it last printed: SyntaxError: expected ':'",
        ),
        (
            HEADER + '  File "/a/site-packages/torch/nn/functional.py", line 99, in linear\n    x\nRuntimeError: shapes\n',
            "exit code 1; RuntimeError: shapes (functional.py line 99)",
        ),
        (
            HEADER
            + FRAME
            + '  File "/a/site-packages/torch/nn/functional.py", line 99, in linear\n    x\nRuntimeError: shapes\n',
            "exit code 1; RuntimeError: shapes (train.py line 12)",
        ),
    ],
)
def test_what_is_printed_after_the_fault_is_not_the_fault(text, message):
    assert failed(text)[:2] == ("exit", message)


def test_of_a_programs_own_subprocess_the_error_is_shown():
    text = "epoch 1: loss 0.3\n" + raised("subprocess.CalledProcessError: Command '['ls']' returned non-zero exit status 2.")
    assert failed(text)[1].startswith("exit code 1; subprocess.CalledProcessError: Command '['ls']' returned")
    assert failed(raised("ValueError: inner") + text.partition("\n")[2])[1] == "exit code 1; ValueError: inner (train.py line 12)"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "train.sh: line 3: python: command not found\n",
            127,
            "exit code 127; it last printed: train.sh: line 3: python: command not found",
        ),
        (
            'Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f (most recent call first):\n  File "train.py", line 3 in f\n',
            -11,
            "the program was ended by SIGSEGV; it last printed: Fatal Python error: Segmentation fault",
        ),
        (
            "loading\ntrain.sh: line 2:  99 Segmentation fault      (core dumped) ./train\n",
            139,
            "exit code 139; it last printed: loading",
        ),
    ],
)
def test_shells_and_crashes(text, code, message):
    assert failed(text, code)[:2] == ("exit", message)


# Lines as documentations and issues of these libraries show them.
@pytest.mark.parametrize(
    "exception",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 15.77 GiB",
        "torch.cuda.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB (GPU 0; 15.98 GiB total capacity)",
        "RuntimeError: CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "RuntimeError: HIP error: hipErrorOutOfMemory",
        "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 17179869184 bytes.",
        "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Failed to allocate request for 2.0GiB (2147483648B) on device ordinal 0",
        "tensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating tensor with shape[64,512,512] and type float",
        "RuntimeError: MPS backend out of memory (MPS allocated: 17.90 GB, other allocations: 40.98 MB, max allowed: 18.13 GB)",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 3.2 GiB for an array with shape (20000, 20000) and data type float64",
        "MemoryError",
        "OSError: [Errno 12] Cannot allocate memory",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes",
        "RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's workers are out of shared memory.",
    ],
)
def test_exceptions_that_mean_too_little_memory(exception):
    reason, message, place = failed(raised(exception))
    assert (reason, place) == ("oom", PLACE)
    assert exception.partition("\n")[0][:150] in message


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("train.sh: line 3:  1234 Killed                  python train.py\n", 137),
        (
            "epoch 3\nslurmstepd: error: Detected 1 oom_kill event in StepId=1.batch. Some of the step tasks have been OOM Killed.\n",
            137,
        ),
        ("epoch 3\nsrun: error: node1: task 0: Out Of Memory\n", 1),
        ("terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n", -6),
        (
            raised("torch.OutOfMemoryError: CUDA out of memory.")
            + f"\n{'The above exception was the direct cause of the following exception:'}\n\n"
            + raised("RuntimeError: step failed"),
            1,
        ),
    ],
)
def test_other_ends_that_mean_too_little_memory(text, code):
    assert failed(text, code)[0] == "oom"


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory; retry with half the batch\n" + raised("KeyError: 'x'"),
        raised("torch.OutOfMemoryError: CUDA out of memory.") + "epoch 2\n" * 30 + raised("KeyError: 'x'"),
        raised("torch.OutOfMemoryError: CUDA out of memory.")
        + "\nDuring handling of the above exception, another exception occurred:\n\n"
        + raised("KeyError: 'x'"),
    ],
)
def test_the_words_elsewhere_do_not_mean_it(text):
    assert failed(text)[:2] == ("exit", "exit code 1; KeyError: 'x' (train.py line 12)")


@pytest.mark.parametrize("code", [-9, 137])
def test_a_sigkill_is_a_lack_of_memory_if_the_kernel_counted_one(code):
    assert failed("epoch 1\n", code, kills=1)[:2] == (
        "oom",
        "the kernel killed the program for lack of memory; it last printed: epoch 1",
    )
    assert failed("epoch 1\n", code)[0] == "killed"
    assert failed("epoch 1\n", -15, kills=1)[0] == "killed"


def test_a_keyboard_interrupt_is_no_fault_of_the_program():
    assert failed(raised("KeyboardInterrupt"), -2)[0] == "killed"


def test_a_full_disk():
    assert failed(raised("OSError: [Errno 28] No space left on device: 'x.pt'"))[0] == "disk"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "bad value 3 at 0x7fde at /tmp/tmpab1/x of run 1f2e3d4c5b6a",
            "bad value 41 at 0x7fff at /tmp/tmpcd2/x of run 99887766aabb",
        ),
        (raised("ValueError: 3"), raised("ValueError: 41 is bad")),
        ("train.sh: line 3: 1234 python: no such file", "train.sh: line 3: 99 python: no such file"),
    ],
)
def test_the_place_is_the_same_for_every_run_that_fails_there(one, other):
    assert failed(one)[2] == failed(other)[2]
    assert failed(one)[2] != failed("another")[2]


def test_a_traceback_is_found_before_60_kib_of_trailing_lines_and_long_lines_cost_little():
    assert failed(raised("ValueError: bad") + "wandb: synced\n" * 4000)[1] == "exit code 1; ValueError: bad (train.py line 12)"
    assert failed("1" * (1 << 16) + "\n" + "%|1" * (1 << 15))[0] == "exit"


def test_kills_are_counted_in_both_versions_of_control_groups(tmp_path: Path):
    own, groups = tmp_path / "cgroup", tmp_path / "groups"
    assert memory_kills(own, groups) == 0
    own.write_text("0::/jobs/7\n")
    (groups / "jobs" / "7").mkdir(parents=True)
    assert memory_kills(own, groups) == 0
    (groups / "jobs" / "7" / "memory.events").write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
    assert memory_kills(own, groups) == 2
    own.write_text("9:name=systemd:/\n4:cpu,memory:/container/1\n0::/\n")
    (groups / "memory").mkdir()
    (groups / "memory" / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
    assert memory_kills(own, groups) == 5


def test_a_message_with_a_long_list_belongs_to_its_exception():
    keys = "".join(f"\tsize mismatch for layer.{number}.weight\n" for number in range(40))
    trace = 'Traceback (most recent call last):\n  File "/x/train.py", line 3, in <module>\n    load()\n'
    found = failure(f"{trace}RuntimeError: Error(s) in loading state_dict for Net:\n{keys}".encode(), 1)
    assert "RuntimeError: Error(s) in loading state_dict for Net: (train.py line 3)" in str(found)
