"""Which GPUs a process may use, read off folders that look like machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from machines import nvidia, nvidia_uuid, rocm

from harness.errors import DeviceError
from harness.execution.devices import check_requested_gpus, resolve_device
from harness.execution.machine.gpus import Gpu, selecting, visible_gpus
from harness.execution.machine.processors import cpus, memory_bytes
from harness.tasks.resources import NOTHING, Resources


def names(environment, root):
    return tuple(gpu.name for gpu in visible_gpus(environment, root))


def test_a_machine_without_a_driver_has_no_gpus(tmp_path):
    assert names({}, tmp_path) == ()
    for value in ("0,1", "MIG-1", "GPU-1"):
        assert names({"CUDA_VISIBLE_DEVICES": value, "HIP_VISIBLE_DEVICES": value}, tmp_path) == ()


def test_gpus_are_counted_by_the_driver_and_else_by_device_files(tmp_path):
    assert names({}, nvidia(tmp_path / "a", 3)) == ("0", "1", "2")
    assert names({}, nvidia(tmp_path / "no device file yet", 3, minors=())) == ("0", "1", "2")
    (tmp_path / "b/dev").mkdir(parents=True)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "b/dev" / name).touch()
    assert names({}, tmp_path / "b") == ("0", "1")


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("none", ()),
        ("void", ()),
        ("1", ("1",)),
        ("2, 0", ("2", "0")),
        ("1,-1,0", ("1",)),
        ("0,7,1", ("0",)),
        ("0,0,1", ("0", "1")),
        (f"{nvidia_uuid(2)},1", (nvidia_uuid(2), "1")),
        ("GPU-2f3c,1", ("GPU-2f3c", "1")),
        ("gpu-2f3c", ()),
        ("1,GPU-9", ("1",)),  # no such GPU
        ("GPU-,1", ()),  # several
        (f"1,{nvidia_uuid(1)}", ("1",)),  # the same
        ("MIG-GPU-2f3c7a5e/1/0", ("MIG-GPU-2f3c7a5e/1/0",)),
        ("MIG-1b5a9c8d,MIG-9c8d", ("MIG-1b5a9c8d", "MIG-9c8d")),
    ],
)
def test_visible_devices_are_obeyed_as_cuda_reads_them(tmp_path, visible, expected):
    assert names({"CUDA_VISIBLE_DEVICES": visible}, nvidia(tmp_path, 4)) == expected


def test_an_unknown_uuid_is_accepted_where_the_driver_tells_none(tmp_path):
    (gpu,) = visible_gpus({"CUDA_VISIBLE_DEVICES": "GPU-8932f937"}, nvidia(tmp_path, 2, told=False))
    assert (gpu.name, gpu.identity) == ("GPU-8932f937", "GPU-8932f937")


def test_a_number_and_a_uuid_of_one_gpu_have_one_identity(tmp_path):
    root = nvidia(tmp_path, 4)
    found = [visible_gpus({"CUDA_VISIBLE_DEVICES": value}, root)[0] for value in ("2", "GPU-2f3c", nvidia_uuid(2))]
    assert {gpu.identity for gpu in found} == {nvidia_uuid(2)}
    assert found[0] == Gpu("2", "nvidia", nvidia_uuid(2), "NVIDIA H200")


def test_numbers_count_only_the_gpus_that_a_control_group_leaves(tmp_path):
    first, second = visible_gpus({"CUDA_VISIBLE_DEVICES": "0,1,2"}, nvidia(tmp_path, 4, minors=(1, 3)))
    assert (first.name, first.uuid, second.name, second.uuid) == ("0", nvidia_uuid(1), "1", nvidia_uuid(3))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, [("0", 1), ("1", 2), ("2", 3)]),
        ({"HIP_VISIBLE_DEVICES": "2,0"}, [("2", 3), ("0", 1)]),
        ({"CUDA_VISIBLE_DEVICES": "1"}, [("1", 2)]),
        ({"CUDA_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "0"}, [("0", 1)]),
        ({"HIP_VISIBLE_DEVICES": "-1"}, []),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, []),
        ({"ROCR_VISIBLE_DEVICES": "2,1"}, [("0", 3), ("1", 2)]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-000000000000ab03,0", "HIP_VISIBLE_DEVICES": "0"}, [("0", 3)]),
        ({"ROCR_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "1"}, []),
        ({"CUDA_VISIBLE_DEVICES": "MIG-1"}, []),
    ],
)
def test_visible_devices_are_obeyed_as_rocm_reads_them(tmp_path, environment, expected):
    found = visible_gpus(environment, rocm(tmp_path, 3))
    assert [(gpu.name, gpu.uuid) for gpu in found] == [(name, f"GPU-{0xAB00 + number:016x}") for name, number in expected]
    assert {(gpu.kind, gpu.model) for gpu in found} <= {("rocm", "AMD Instinct MI300X")}


def test_amd_gpus_need_the_device_file_of_the_compute_driver(tmp_path):
    root = rocm(tmp_path / "a", 2)
    (root / "dev/dri/renderD128").unlink()
    assert [gpu.uuid for gpu in visible_gpus({}, root)] == ["GPU-000000000000ab02"]
    (root / "dev/kfd").unlink()
    assert names({}, root) == ()
    (tmp_path / "b/dev/dri").mkdir(parents=True)
    for name in ("kfd", "dri/renderD128", "dri/renderD129", "dri/card0"):
        (tmp_path / "b/dev" / name).touch()
    assert names({}, tmp_path / "b") == ("0", "1")  # no topology


def test_a_child_gets_the_variables_of_its_driver():
    two = [Gpu("0"), Gpu("2")]
    assert selecting(two) == {"CUDA_VISIBLE_DEVICES": "0,2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert selecting([Gpu("GPU-2f", uuid="GPU-2f3c")]) == {"CUDA_VISIBLE_DEVICES": "GPU-2f"}
    assert selecting([Gpu("MIG-1", "mig")]) == {"CUDA_VISIBLE_DEVICES": "MIG-1"}
    assert selecting([Gpu("1", "rocm"), Gpu("0", "rocm")]) == {"HIP_VISIBLE_DEVICES": "1,0", "CUDA_VISIBLE_DEVICES": "1,0"}


def test_a_missing_device_is_refused_with_the_choices():
    with pytest.raises(DeviceError, match=r"no GPU is visible .*allowed here: cpu, auto"):
        resolve_device("cuda", gpus=0)
    assert [resolve_device("auto", gpus=0), resolve_device("auto", gpus=1), resolve_device("cpu", gpus=1)] == [
        "cpu",
        "cuda",
        "cpu",
    ]


def test_runs_that_request_gpus_train_on_the_cpu_only_on_request():
    needs = {"base": NOTHING, "wide": Resources(gpus=2)}
    with pytest.raises(DeviceError, match=r"^resources.gpus: 2 of variant 'wide': no GPU is visible here; .*--device cpu"):
        check_requested_gpus("auto", "cpu", needs)
    check_requested_gpus("cpu", "cpu", needs)
    check_requested_gpus("auto", "cuda", needs)
    check_requested_gpus("auto", "cpu", {"": Resources(gpus=0, cpus=2)})


def test_memory_and_processors_are_those_of_the_smallest_control_group(tmp_path):
    assert memory_bytes(tmp_path) is None
    for folder in ("proc/self", "sys/fs/cgroup/slurm/job_7/step_0", "sys/fs/cgroup/memory/a"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal:       134217728 kB\nMemFree:        1024 kB\n")
    assert memory_bytes(tmp_path) == 128 * 2**30
    (tmp_path / "proc/self/cgroup").write_text("0::/slurm/job_7/step_0\n")
    (tmp_path / "sys/fs/cgroup/slurm/job_7/step_0/memory.max").write_text("max\n")
    (tmp_path / "sys/fs/cgroup/slurm/job_7/memory.max").write_text(f"{2**34}\n")
    (tmp_path / "sys/fs/cgroup/slurm/cpu.max").write_text("50000 100000\n")
    assert (memory_bytes(tmp_path), cpus(tmp_path)) == (2**34, 1)
    (tmp_path / "proc/self/cgroup").write_text("5:cpuacct,cpu:/a\n4:memory:/a\n")
    (tmp_path / "sys/fs/cgroup/memory/a/memory.limit_in_bytes").write_text(f"{2**33}\n")
    assert memory_bytes(tmp_path) == 2**33
    assert memory_bytes(Path("/")) is None or memory_bytes(Path("/")) > 2**20
