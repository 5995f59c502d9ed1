"""GPUs given to commands: leases that other commands see, GPUs that others compute on, and real processes that hold and inherit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from machines import nvidia, nvidia_smi, nvidia_uuid

from harness.errors import DeviceError, InputError
from harness.execution.machine.allocation import Request, allocated
from harness.execution.machine.gpu_leases import GpuLeases, lease_folder
from harness.execution.machine.gpus import Gpu, visible_gpus
from harness.tasks.resources import NOTHING, Resources

ANYTHING = {"base": NOTHING}
HOLDER = """
import sys, time
from pathlib import Path
from harness.execution.machine.gpu_leases import GpuLeases
from harness.execution.machine.gpus import Gpu
print(GpuLeases(Path(sys.argv[1])).take(Gpu("0", uuid=sys.argv[2])) is not None, flush=True)
time.sleep(600)
"""


@pytest.fixture
def here(tmp_path):
    """Allocates GPUs of a machine with two; `said` has what was printed."""

    class Here:
        root = nvidia(tmp_path / "root", 2)
        leases = GpuLeases(tmp_path / "leases")

        def __init__(self):
            self.environment = {"HARNESS_GPU_LOCKS": str(self.leases.folder), "PATH": ""}
            self.said = []

        def allocate(self, workers="auto", *, needs=ANYTHING, share=1, runs=100, device="cuda", **environment):
            environment = {**self.environment, **environment}
            request = Request(workers, share)
            return allocated(needs, device, request, runs, self.said.append, environment=environment, root=self.root)

        def given(self, *arguments, **options):
            """The names of the GPUs of each worker."""
            with self.allocate(*arguments, **options) as slots:
                return [",".join(gpu.name for gpu in slot.gpus) for slot in slots]

    return Here()


@pytest.fixture
def holder(here):
    """Starts a process that holds the first GPU."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(here.leases.folder), nvidia_uuid(0)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "True\n"
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def inherited(*leases):
    """A process that has open files of this one, which closes them."""
    with subprocess.Popen(["sleep", "600"], pass_fds=leases) as child:
        for lease in leases:
            os.close(lease)
        try:
            yield child
        finally:
            child.kill()


def test_a_command_has_its_gpus_for_itself_and_gives_them_back(here):
    with here.allocate(1) as (own,):
        assert own.settings["CUDA_VISIBLE_DEVICES"] == "0"
        assert here.given() == ["1"]
        assert here.given(1) == ["1"]
    assert here.given() == ["0", "1"]
    assert here.given(needs={"": Resources(gpus=2)}) == ["0,1"]
    assert here.said == []


def test_names_of_the_same_gpu_meet(here):
    with here.allocate(1, CUDA_VISIBLE_DEVICES="1"):
        assert here.given() == ["0"]
        with pytest.raises(DeviceError, match="no worker fits"):
            here.given(CUDA_VISIBLE_DEVICES=nvidia_uuid(1)[:12])


def test_a_command_that_finds_all_gpus_in_use_says_by_whom(here, holder):
    with pytest.raises(DeviceError) as caught:
        here.given(2)
    message = str(caught.value)
    assert message.startswith(
        f"--workers 2: other commands use GPUs of this machine (GPU 0 by process {holder.pid} ({sys.executable}"
    )
    assert message.endswith(
        "), so 1 worker fits, with 1 GPU for each run; use --workers 1 or auto, or wait until they have finished"
    )
    assert caught.value.exit_code == 2
    assert here.given() == ["1"]  # nothing was kept
    with pytest.raises(DeviceError, match="no worker fits, with 2 GPUs for each run; wait until they have finished"):
        here.given(needs={"": Resources(gpus=2)})


def test_a_killed_command_holds_nothing(here, holder):
    assert here.given() == ["1"]
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert here.given() == ["0", "1"]


def test_a_lease_ends_with_the_last_process_that_inherited_it(here):
    lease = here.leases.take(Gpu("0", uuid=nvidia_uuid(0)))
    with inherited(lease) as child:
        gpu = Gpu("0", uuid=nvidia_uuid(0))
        assert here.leases.holders([gpu]) == {gpu: [f"process {child.pid} (sleep 600)"]}
        assert here.given() == ["1"]
    assert here.given() == ["0", "1"]


def test_shared_gpus_have_places_that_other_commands_fill(here):
    with here.allocate(3, share=2) as slots:
        assert [slot.gpus[0].name for slot in slots] == ["0", "1", "0"]
        assert here.given(share=2) == ["1"]
        assert here.given(share=3) == ["0", "1", "1"]
        with pytest.raises(DeviceError, match="no worker fits"):
            here.given()  # nobody may have all of one
    with here.allocate(1), pytest.raises(DeviceError, match="3 workers fit"):
        here.given(4, share=3)


def test_several_runs_on_several_gpus_each_may_share_them(here):
    assert here.given(needs={"": Resources(gpus=2)}, share=2) == ["0,1", "0,1"]
    with pytest.raises(InputError, match="--share-gpu 2: the runs train on the CPU; remove --share-gpu"):
        here.given(share=2, device="cpu")


def test_no_run_needs_no_gpu(here):
    with here.allocate(2), here.allocate(1, runs=0) as (slot,):
        assert slot.gpus == ()


def test_the_processors_are_shared_by_the_workers_that_start(here):
    count = len(os.sched_getaffinity(0))
    with here.allocate(1), here.allocate() as slots:
        assert [slot.settings["OMP_NUM_THREADS"] for slot in slots] == [str(count)]
    with here.allocate(2, device="cpu") as slots:
        assert [slot.cpus for slot in slots] == [max(1, count // 2)] * 2
        assert {slot.leases for slot in slots} == {()}


def test_gpus_that_others_compute_on_are_used_last_and_said(here, tmp_path):
    path = nvidia_smi(tmp_path / "bin", [f"{nvidia_uuid(0)}, 4711, 1024 MiB", f"{nvidia_uuid(0)}, 4712, [N/A]"])
    assert here.given(PATH=path) == ["1"]
    assert here.given(1, PATH=path) == ["1"]
    assert here.said == []
    assert here.given(2, PATH=path) == ["1", "0"]
    assert here.said == ["GPU 0 is also used by process 4711 (1024 MiB), process 4712; too few other GPUs are free"]
    assert here.given(PATH=path, CUDA_VISIBLE_DEVICES="0") == ["0"]
    asked = (tmp_path / "bin/nvidia-smi.log").read_text().splitlines()
    assert set(asked) == {"--query-compute-apps=gpu_uuid,pid,used_memory --format=csv,noheader"}


def test_what_computes_under_a_shared_lease_is_no_reason_to_avoid_a_gpu(here, tmp_path):
    with inherited(*here.leases.share(Gpu("0", uuid=nvidia_uuid(0)), 2)) as child:
        path = nvidia_smi(tmp_path / "bin", [f"{nvidia_uuid(0)}, {child.pid}, 10 MiB"])
        assert here.given(PATH=path, share=2) == ["0", "1", "1"]


@pytest.mark.parametrize("script", ["exit 9", "echo No devices were found", "echo 'NVIDIA-SMI has failed, 1, 2, 3'"])
def test_an_nvidia_smi_that_fails_tells_nothing(here, tmp_path, script):
    path = nvidia_smi(tmp_path / "bin", [])
    (tmp_path / "bin/nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    assert here.given(PATH=path) == ["0", "1"]


def test_a_folder_that_cannot_hold_leases_is_said_and_stops_nothing(here, tmp_path):
    (tmp_path / "file").touch()
    assert here.given(4, share=2, HARNESS_GPU_LOCKS=str(tmp_path / "file")) == ["0", "1", "0", "1"]
    (said,) = here.said
    assert said.startswith(
        f"{tmp_path / 'file'}: no leases on GPUs: Not a directory; another command may use the same GPUs; set $HA"
    )


def test_the_files_are_for_all_users_of_the_machine(tmp_path):
    before = os.umask(0o077)
    try:
        leases = GpuLeases(tmp_path / "new/leases")
        os.close(leases.take(Gpu("0")))
    finally:
        os.umask(before)
    assert leases.folder.stat().st_mode & 0o7777 == 0o1777
    assert (leases.folder / "nvidia-0").stat().st_mode & 0o777 == 0o644
    assert lease_folder({"HARNESS_GPU_LOCKS": "/chosen"}).name == "chosen"
    assert lease_folder({}).name == "harness-gpus"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_a_lease_of_another_user_holds():
    with tempfile.TemporaryDirectory() as folder:  # pytest's are closed to other users
        Path(folder).chmod(0o755)
        leases = GpuLeases(Path(folder) / "leases")
        lease = leases.take(Gpu("0", uuid=nvidia_uuid(0)))
        code = HOLDER.replace("time.sleep(600)", "").replace("print", "import os; os.setuid(65534)\nprint", 1)
        command = [sys.executable, "-c", code, str(leases.folder)]
        found = [subprocess.run([*command, nvidia_uuid(number)], capture_output=True, text=True, check=True) for number in (0, 1)]
        os.close(lease)
    assert [answer.stdout for answer in found] == ["False\n", "True\n"]


def test_holders_of_other_users_are_read_off_the_locks_of_the_kernel(here, tmp_path):
    gpu = visible_gpus(here.environment, here.root)[0]
    os.close(here.leases.take(gpu))
    found = (here.leases.folder / gpu.identity).stat()
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    proc = tmp_path / "proc"
    (proc / "81").mkdir(parents=True)
    (proc / "81/cmdline").write_bytes(b"python\0-m\0harness.run\0" + b"x" * 80 + b"\0")
    lines = [f"1: FLOCK  ADVISORY  WRITE {pid} {place} 0 EOF" for pid in (81, 82)]
    (proc / "locks").write_text("\n".join([*lines, "1: -> FLOCK  ADVISORY  WRITE 81 00:00:1 0 EOF", "2: POSIX  ADVISORY"]))
    assert here.leases.holders([gpu], proc) == {gpu: [f"process 81 (python -m harness.run {'x' * 37}…)"]}


@pytest.mark.parametrize(("workers", "share"), [(0, 1), (257, 1), ("all", 1), (True, 1), (1.5, 1), (1, 0), (1, 65)])
def test_impossible_numbers_are_refused(workers, share):
    with pytest.raises(
        InputError, match=r"^invalid value for --(workers: .*; expected a number from 1 to 256, or auto|share-gpu)"
    ):
        Request(workers, share)


@pytest.mark.slow
def test_two_commands_that_start_together_do_not_take_half_each(here):
    """Both want both GPUs: one gets them, however they are interleaved."""
    code = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from harness.errors import DeviceError\n"
        "from harness.execution.machine.allocation import Request, allocated\n"
        "from harness.tasks.resources import NOTHING\n"
        "while time.time() < float(sys.argv[2]): pass\n"
        "try:\n"
        "    with allocated({'': NOTHING}, 'cuda', Request(2), 9, print, root=Path(sys.argv[1])) as slots:\n"
        "        print(len(slots), flush=True); sys.stdin.read()\n"
        "except DeviceError:\n    print(0, flush=True)\n"
    )
    for _ in range(3):
        command = [sys.executable, "-c", code, str(here.root), str(time.time() + 1.5)]
        environment = {**os.environ, **here.environment}
        commands = [
            subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
        ]
        answers = [each.stdout.readline() for each in commands]
        for each in commands:
            each.communicate()
        assert sorted(answers) == ["0\n", "0\n", "2\n"]
