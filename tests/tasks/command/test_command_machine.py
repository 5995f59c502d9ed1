"""What a program gets of the machine: its GPUs, a free port, the host's name, and the numbers in its command line."""

import contextlib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import DeviceError
from harness.tasks.command.machine import Port, check_gpus, gpu_variables, host_name
from harness.tasks.command.model import Program
from harness.tasks.command.task import CommandTask
from harness.tasks.resources import NOTHING, Resources

TWO = Resources(gpus=2)


@pytest.mark.parametrize(
    ("resources", "environment", "seen"),
    [
        (NOTHING, {"CUDA_VISIBLE_DEVICES": "0,1,2"}, {}),
        (TWO, {"CUDA_VISIBLE_DEVICES": "3, GPU-5ab,MIG-7"}, {"CUDA_VISIBLE_DEVICES": "3,GPU-5ab"}),
        (TWO, {"HIP_VISIBLE_DEVICES": "1,2,3"}, {"HIP_VISIBLE_DEVICES": "1,2"}),
        (
            TWO,
            {"HIP_VISIBLE_DEVICES": "4,5,6", "CUDA_VISIBLE_DEVICES": "4,5,6"},
            {"CUDA_VISIBLE_DEVICES": "4,5", "HIP_VISIBLE_DEVICES": "4,5"},
        ),
        (TWO, {}, {"CUDA_VISIBLE_DEVICES": "0,1"}),
    ],
)
def test_a_program_sees_as_many_gpus_as_its_run_requests(resources, environment, seen):
    assert gpu_variables("cuda", resources, environment) == seen


def test_a_run_on_the_cpu_sees_no_gpu():
    hidden = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "-1"}
    assert gpu_variables("cpu", TWO, {"CUDA_VISIBLE_DEVICES": "0,1"}) == hidden


def test_a_worker_with_too_few_gpus_says_so():
    check_gpus("cuda", TWO, {"CUDA_VISIBLE_DEVICES": "0,1"})
    check_gpus("cpu", TWO, {"CUDA_VISIBLE_DEVICES": ""})
    with pytest.raises(DeviceError, match="the run requests 2 GPUs, but its worker has 1: CUDA_VISIBLE_DEVICES='7'"):
        check_gpus("cuda", TWO, {"CUDA_VISIBLE_DEVICES": "7"})


def test_ports_are_free_and_no_two_processes_choose_the_same():
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(Port()) for _ in range(200)]
        assert len({port.number for port in ports}) == 200
        with socket.create_server(("127.0.0.1", ports[0].number)):
            pass  # the program itself can listen on it
        # Another process cannot mark a port that is marked.
        code = f"import socket; socket.socket(socket.AF_UNIX).bind('\\0ablation-harness-port-{ports[0].number}')"
        taken = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "Address already in use" in taken.stderr


def test_a_port_in_use_is_not_chosen(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr("harness.tasks.command.machine.PORTS", range(server.getsockname()[1], server.getsockname()[1] + 1))
        with pytest.raises(DeviceError, match="no TCP port from"):
            Port()


def test_the_host_is_the_node_of_a_slurm_job():
    assert host_name({"SLURMD_NODENAME": "node7"}) == "node7"
    assert host_name({}) == socket.gethostname()


def task(command, **keys):
    return CommandTask(
        Program.model_validate({"command": command, "metrics": {"loss": {"goal": "minimize", "text": "loss {value}"}}, **keys})
    )


def test_numbers_are_filled_in_and_a_knob_of_the_name_wins():
    own = task("x {gpus} {cpus} {nodes} {port} {host}", knobs={"nodes": 7, "host": "there"})
    config = own.Config(nodes=7, host="there", **{"resources.gpus": 2, "resources.cpus": 3})
    assert own.arguments(config, 0, "cpu", Path("/run"), 4000) == ["x", "2", "3", "7", "4000", "there"]
    assert "resources.nodes" not in own.Config.model_fields


def test_a_literal_in_double_braces_stays():
    own = task("x {{port}} {{gpus}} {port}")
    assert own.arguments(own.Config(), 0, "cpu", Path("/run"), 4000) == ["x", "{port}", "{gpus}", "4000"]
    assert own.requests == ()


def test_a_step_that_requests_no_gpu_runs_on_the_cpu(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    own = task("x {device}").allotted(Resources(gpus=0))
    environment = own.environment(0, "cuda", Path("/run"))
    assert (environment["CUDA_VISIBLE_DEVICES"], environment["HARNESS_DEVICE"]) == ("", "cpu")
    assert own.arguments(own.Config(), 0, "cuda", Path("/run")) == ["x", "cpu"]


def test_variables_of_the_definition_win():
    own = task("x", environment={"OMP_NUM_THREADS": 3, "CUDA_VISIBLE_DEVICES": "5"}).allotted(TWO)
    environment = own.environment(0, "cuda", Path("/run"))
    assert (environment["OMP_NUM_THREADS"], environment["CUDA_VISIBLE_DEVICES"]) == ("3", "5")
