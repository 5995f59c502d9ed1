import subprocess
import sys

import pytest
import torch

from harness.errors import DeviceError
from harness.tasks.cifar_resnet import task
from harness.tasks.cifar_resnet.config import Config
from harness.tasks.cifar_resnet.task import CIFAR_RESNET
from harness.tasks.identity import identity
from harness.tasks.protocol import Training
from harness.tasks.registry import TASKS, find_task

SMALL = {
    "data": {"dataset": "cifar10_mini", "train_limit": 40},
    "model": {"stem_width": 2, "widths": (2,), "depths": (1,)},
    "training": {"epochs": 1, "batch_size": 20},
}


def test_importing_planning_and_fingerprinting_need_no_torch():
    code = """
import sys
from harness.tasks.registry import find_task
task = find_task("cifar_resnet")
config = task.resolve(task.Config.model_validate({"data": {"dataset": "cifar10_mini"}}), "cpu")
assert len(task.fingerprint(config)) > 10
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_task_is_found_by_its_name():
    assert "cifar_resnet" in TASKS
    assert find_task("cifar_resnet") is CIFAR_RESNET


def test_the_first_metric_is_test_accuracy():
    first, metric = next(iter(CIFAR_RESNET.metrics.items()))
    assert (first, metric.unit, metric.goal, metric.cases) == ("test_accuracy", "%", "maximize", "test_images")
    assert all(
        metric.goal == ("minimize" if name.endswith("loss") else "maximize") for name, metric in CIFAR_RESNET.metrics.items()
    )


def test_auto_precision_is_resolved_for_the_accelerator_and_a_chosen_one_kept():
    assert CIFAR_RESNET.resolve(Config(), "cuda").training.precision == "bf16"
    assert CIFAR_RESNET.resolve(Config(), "cpu").training.precision == "fp32"
    chosen = Config.model_validate({"training": {"precision": "bf16", "epochs": 7}})
    assert CIFAR_RESNET.resolve(chosen, "cpu") == chosen


def test_runs_with_torchs_dropout_keep_their_identity_and_others_have_their_own():
    pcg64 = Config.model_validate({"training": {"dropout_generator": "pcg64"}})
    assert "dropout_generator" not in identity(Config())["training"]
    assert identity(pcg64)["training"] == identity(Config())["training"] | {"dropout_generator": "pcg64"}


def test_on_cuda_torch_draws_dropout():
    pcg64 = Config.model_validate({"training": {"dropout_generator": "pcg64"}})
    assert CIFAR_RESNET.resolve(pcg64, "cpu").training.dropout_generator == "pcg64"
    assert CIFAR_RESNET.resolve(pcg64, "cuda") == CIFAR_RESNET.resolve(Config(), "cuda")


def test_resolving_changes_nothing_else():
    before, after = Config().model_dump(), CIFAR_RESNET.resolve(Config(), "cpu").model_dump()
    assert before["training"].pop("precision") == "auto"
    after["training"].pop("precision")
    assert before == after


def test_the_sources_network_is_described_without_its_data():
    known = {"parameters": 4_903_082, "multiply_adds": 736_995_328, "test_images": 10_000}
    assert CIFAR_RESNET.describe(Config()) == known


@pytest.fixture
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    task.data_on.cache_clear()
    yield
    task.data_on.cache_clear()


@pytest.mark.usefixtures("_cache")
def test_a_run_starts_resolved_and_the_next_one_reuses_its_data():
    config = Config.model_validate(SMALL)
    first, second = (CIFAR_RESNET.start(config, seed, "cpu") for seed in (0, 1))
    assert first.data is second.data  # type: ignore[attr-defined]
    assert first.settings.training.precision == "fp32"  # type: ignore[attr-defined]
    row = first.advance(lambda: False)
    assert row is not None
    assert row["step"] == 2
    assert set(row) >= {name for name in CIFAR_RESNET.metrics if not name.startswith("validation")}
    assert first.finished
    assert not second.finished


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_a_missing_device_is_noticed_before_the_data_are_loaded(monkeypatch: pytest.MonkeyPatch):
    def load(*_arguments: object) -> Training:
        raise AssertionError("loaded")

    monkeypatch.setattr(task, "data_on", load)
    with pytest.raises(DeviceError, match="use cpu"):
        CIFAR_RESNET.start(Config.model_validate(SMALL), 0, "cuda")
