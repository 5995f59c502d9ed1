"""How many workers fit a machine, and the errors of those that do not."""

from __future__ import annotations

import pytest

from harness.errors import HarnessError
from harness.execution.machine.gpus import Gpu
from harness.execution.machine.slots import Machine, Size, Slot, equal_shares
from harness.tasks.resources import NOTHING, Resources


def machine(gpus=4, cpus=16, memory=64, kind="nvidia"):
    return Machine(tuple(Gpu(str(number), kind) for number in range(gpus)), cpus, memory * 2**30)


def workers(need, asked, device="cuda", *, runs=100, share=1, here=None):
    here = here or machine()
    needs = need if isinstance(need, dict) else {"base": need, "other": need}
    return Size.of(needs, device, here).workers(asked, runs, here, share)


@pytest.mark.parametrize(
    ("need", "device", "fit"),
    [
        (NOTHING, "cuda", 4),
        (NOTHING, "cpu", 16),
        (Resources(gpus=2), "cuda", 2),
        (Resources(gpus=3), "cuda", 1),
        (Resources(gpus=1, cpus=8), "cuda", 2),
        (Resources(memory="20G"), "cuda", 3),
        (Resources(gpus=2, cpus=4), "cpu", 4),  # on the CPU, GPUs are not divided
        (Resources(nodes=1, cpus=3), "cpu", 5),
        ({"base": NOTHING, "wide": Resources(gpus=4)}, "cuda", 1),
    ],
)
def test_auto_fills_the_machine_with_slots_of_the_largest_size(need, device, fit):
    assert workers(need, "auto", device) == fit
    assert workers(need, "auto", device, runs=1) == 1


def test_several_runs_share_a_gpu_on_request():
    assert workers(NOTHING, "auto", share=3) == 12
    assert workers(NOTHING, 12, share=3) == 12
    assert workers(Resources(gpus=2), "auto", share=3) == 6
    with pytest.raises(
        HarnessError, match=r"^--workers 13: this machine has 4 GPUs, 1 for each run, 3 runs on one, so 12 workers "
    ):
        workers(NOTHING, 13, share=3)


def test_more_workers_than_processors_are_allowed_unless_runs_request_processors():
    assert workers(NOTHING, 40, "cpu") == 40
    assert workers(NOTHING, 4, "cuda", here=machine(cpus=1)) == 4
    with pytest.raises(HarnessError, match="--workers 40: this machine has 16 processors, 2 for each run, so 8 workers fit"):
        workers(Resources(cpus=2), 40, "cpu")


@pytest.mark.parametrize(
    ("need", "here", "message"),
    [
        (
            Resources(gpus=2),
            machine(),
            "--workers 8: this machine has 4 GPUs, 2 for each run, so 2 workers fit; use --workers 2 or auto, or --share-gpu",
        ),
        (
            Resources(memory="32G"),
            machine(gpus=16),
            "--workers 8: this process may use 64.0G of memory, 32.0G for each run, so 2 workers fit; use --workers 2 or auto",
        ),
        (
            Resources(gpus=8),
            machine(),
            "resources.gpus: 8: this machine has 4 GPUs; request fewer, or train on a cluster with harness submit",
        ),
        (
            {"base": NOTHING, "wide": Resources(cpus=32)},
            machine(),
            "resources.cpus: 32 of variant 'wide': this machine has 16 processors; request fewer, "
            "or train on a cluster with harness submit",
        ),
        (
            Resources(memory="128G"),
            machine(),
            "resources.memory: 128G: this process may use 64.0G; request less, or train on a cluster with harness submit",
        ),
        (
            Resources(nodes=2),
            machine(),
            "resources.nodes: 2: this is one machine; request 1 node, or train on a cluster with harness submit",
        ),
        (
            Resources(gpus=2),
            machine(kind="mig"),
            "resources.gpus: 2: CUDA uses one MIG device per process; request 1, or use whole GPUs",
        ),
        (
            Resources(gpus=0),
            machine(),
            "resources.gpus: 0: the runs train on GPUs here; use --device cpu, or request at least 1",
        ),
    ],
)
def test_what_does_not_fit_is_one_error_that_says_what_does(need, here, message):
    with pytest.raises(HarnessError) as caught:
        workers(need, 8, here=here)
    assert str(caught.value) == message
    assert caught.value.exit_code == 2


def test_a_slot_sets_threads_and_gpus():
    assert [slot.settings for slot in equal_shares(2, processors=5)] == [{"OMP_NUM_THREADS": "2"}] * 2
    assert Slot(3, (Gpu("1"),)).settings == {
        "OMP_NUM_THREADS": "3",
        "CUDA_VISIBLE_DEVICES": "1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
