"""How steps are carried out: the rule, what a rehearsal leaves behind, and doing without what this machine lacks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import always, data_set, never, rows, settings, through_a_file

from harness.tasks.cifar_resnet import execution, optim
from harness.tasks.cifar_resnet.config import Config
from harness.tasks.cifar_resnet.execution import COMPILE_FROM, Execution
from harness.tasks.cifar_resnet.loop import Run

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
COMPILED, GRAPHED = Execution(compiled=True), Execution(graphed=True)


def run(how: Execution | None, chosen: Config | None = None) -> Run:
    return Run(chosen or settings(), 0, "cpu", data_set(), how)


# The rule


def test_on_a_cpu_steps_are_eager_and_nothing_is_counted():
    def uncounted() -> int:
        raise AssertionError

    assert execution.choose(CPU, uncounted) == Execution()
    assert run(None).steps.how == Execution()


def test_on_cuda_every_run_is_a_graph_and_long_ones_are_compiled():
    assert execution.choose(CUDA, lambda: COMPILE_FROM - 1) == GRAPHED
    assert execution.choose(CUDA, lambda: COMPILE_FROM) == Execution(compiled=True, graphed=True)


def test_the_sources_training_is_long_enough_to_be_compiled_and_a_rehearsal_is_not():
    full = 400 * 390 * 128 * 737_000_000
    assert full > COMPILE_FROM > 4 * full / 400


def test_the_work_of_a_run_is_counted_over_all_its_epochs():
    one, three = (run(None, settings(training={"epochs": epochs})).multiply_adds() for epochs in (1, 3))
    assert three == 3 * one
    assert one % 24 == 0  # images an epoch: three batches of eight


# Rehearsals


def test_a_rehearsal_is_undone_in_place():
    tensor, generator = torch.arange(3.0), torch.Generator().manual_seed(1)
    place, expected = tensor.data_ptr(), torch.rand(2, generator=torch.Generator().manual_seed(1))
    with execution.restoring([tensor], [generator]):
        tensor.mul_(7)
        torch.rand(5, generator=generator)
    assert tensor.tolist() == [0, 1, 2]
    assert tensor.data_ptr() == place
    assert torch.equal(torch.rand(2, generator=generator), expected)


def test_a_rehearsal_that_fails_is_undone_too():
    tensor = torch.ones(2)

    def broken() -> None:
        with execution.restoring([tensor], []):
            tensor.zero_()
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        broken()
    assert tensor.tolist() == [1, 1]


def test_a_copy_of_a_generator_goes_on_where_it_stood():
    generator = torch.Generator().manual_seed(3)
    torch.rand(4, generator=generator)
    copy = execution.copy_generator(generator)
    assert torch.equal(torch.rand(3, generator=copy), torch.rand(3, generator=generator))


OPTIMIZERS: Mapping[str, Mapping[str, Any]] = {
    "sgd": {},
    "sgd, nesterov": {"nesterov": True},
    "sgd without momentum": {"momentum": 0.0},
    "adamw": {"name": "adamw"},
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_run_that_was_rehearsed_gives_the_same_bits(optimizer: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch):
    """A graph's rehearsal is played on the CPU: the steps before recording, and then, for the graph, the step itself."""

    def recorded(compute: Any, generators: Any) -> Any:
        assert len(generators) == 2
        for _ in range(3):
            compute()
        return compute

    chosen = settings(optimizer=dict(optimizer))
    expected = rows(run(Execution(), chosen))
    monkeypatch.setattr(execution, "record_graph", recorded)
    rehearsed = run(GRAPHED, chosen)
    assert rows(rehearsed) == expected
    assert rehearsed.steps.how == GRAPHED


def test_a_rehearsal_keeps_the_places_that_a_graph_knows(monkeypatch: pytest.MonkeyPatch):
    training = run(GRAPHED)
    seen: list[list[int]] = []

    def recorded(compute: Any, _: Any) -> Any:
        compute()
        seen.append(places(training))
        return compute

    monkeypatch.setattr(execution, "record_graph", recorded)
    training.advance(never)
    training.advance(never)
    assert seen == [places(training)]


def places(training: Run) -> list[int]:
    steps = training.steps
    tensors = [*training.network.state_dict().values(), *optim.tensors(training.optimizer), steps.indices, steps.loss_sum]
    return [tensor.data_ptr() for tensor in tensors]


# Doing without


def test_without_a_gpu_a_graph_is_done_without_said_once_and_the_bits_stay(capsys: pytest.CaptureFixture[str]):
    training = run(GRAPHED)
    assert rows(training) == rows(run(Execution()))
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1
    assert said[0].startswith("the training step cannot be recorded as a CUDA graph here and falls back: ")
    assert training.steps.how == Execution()


def test_a_compiler_that_fails_is_done_without_and_the_bits_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def broken(*_: Any) -> Any:
        raise RuntimeError("no C compiler\nmore of it")

    monkeypatch.setattr(execution, "compiled", lambda _: (broken, broken))
    training = run(COMPILED)
    assert rows(training) == rows(run(Execution()))
    said = "the training step cannot be compiled here and falls back: RuntimeError: no C compiler more of it\n"
    assert capsys.readouterr().out == said
    assert training.steps.how == Execution()


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_recording_that_fails_after_its_rehearsal_leaves_nothing_behind(
    optimizer: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
):
    def recorded(compute: Any, generators: Any) -> Any:
        for _ in range(3):
            compute()
        for generator in generators:
            generator.manual_seed(99)
        raise RuntimeError("capture invalidated")

    chosen = settings(optimizer=dict(optimizer))
    expected = rows(run(Execution(), chosen))
    monkeypatch.setattr(execution, "record_graph", recorded)
    assert rows(run(GRAPHED, chosen)) == expected


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("all of it"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("backend='inductor' raised: OutOfMemoryError: CUDA has no more"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
@pytest.mark.parametrize("way", ["record_graph", "compiled"])
def test_memory_that_runs_out_is_no_reason_to_go_on_without(way: str, error: RuntimeError, monkeypatch: pytest.MonkeyPatch):
    def full(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(execution, way, full)
    training = run({"record_graph": GRAPHED, "compiled": COMPILED}[way])
    with pytest.raises(type(error)):
        training.advance(never)


def test_what_preparing_takes_is_not_training_time(monkeypatch: pytest.MonkeyPatch):
    clock = count()

    def slow(compute: Any, _: Any) -> Any:
        for _ in range(1000):
            next(clock)
        return compute

    monkeypatch.setattr(execution, "record_graph", slow)
    monkeypatch.setattr("harness.tasks.cifar_resnet.loop.time.perf_counter", lambda: float(next(clock)))
    row = run(GRAPHED).advance(never)
    assert row is not None
    seconds = row["seconds"]
    assert seconds is not None
    assert 0 < seconds < 1000


def test_a_resumed_run_goes_on_as_it_was_carried_out(capsys: pytest.CaptureFixture[str]):
    first = run(GRAPHED)
    first.advance(always)
    state = through_a_file(first.state_dict())
    capsys.readouterr()
    again = run(GRAPHED)
    again.load_state_dict(state)
    again.advance(never)
    assert again.steps.how == Execution()
    assert capsys.readouterr().out == ""


def test_a_checkpoint_of_before_goes_on_eagerly():
    state = run(None).state_dict()
    del state["how"]
    again = run(GRAPHED)
    again.load_state_dict(state)
    assert again.steps.how == Execution()


# Compiled


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, of a user who names none for torch's compiler."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(execution, "OF_USER", None)
    return tmp_path


def test_compiled_code_is_kept_in_the_cache_folder_whatever_torch_has_set(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(execution.CACHE_OF_COMPILER, "/tmp/torchinductor_user")  # as the first optimizer does
    execution.compiled(deterministic=True)
    assert os.environ[execution.CACHE_OF_COMPILER] == str(cache / "compiled")


def test_compiled_code_is_kept_where_the_user_wants_it(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(execution, "OF_USER", "/scratch/compiled")
    execution.compiled(deterministic=True)
    assert os.environ[execution.CACHE_OF_COMPILER] == "/scratch/compiled"
    assert list(cache.iterdir()) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's compiler uses parts of torch that torch deprecates
def test_compiled_steps_agree_with_eager_ones(cache: Path):
    torch.compiler.reset()
    for seed in range(2):  # the second run finds the first one's code
        chosen = settings(training={"epochs": 2, "deterministic": True})
        compiled, eager = (Run(chosen, seed, "cpu", data_set(), how) for how in (COMPILED, Execution()))
        for row, expected in zip(rows(compiled), rows(eager), strict=True):
            assert row["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-3)
            assert row["test_loss"] == pytest.approx(expected["test_loss"], rel=1e-3)
        assert compiled.steps.how == COMPILED
    assert any((cache / "compiled").iterdir())


# On a GPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
class TestOnCuda:
    def losses(self, how: Execution, **blocks: Any) -> tuple[list[dict[str, Any]], Run]:
        from harness.tasks.cifar_resnet.data import DataSet, Images

        def moved(images: Images) -> Images:
            return Images(images.pixels.cuda(), images.labels.cuda())

        there = data_set(train=80)
        data = DataSet(moved(there.train), None, moved(there.test), there.classes, there.mean, there.std)
        chosen = settings(**{"training": {"epochs": 5, **blocks.pop("training", {})}, **blocks})
        training = Run(chosen, 0, "cuda", data, how)
        return rows(training), training

    @pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
    def test_fifty_recorded_steps_are_the_eager_ones_to_the_bit(self, optimizer: Mapping[str, Any]):
        blocks = {"training": {"deterministic": True}, "optimizer": dict(optimizer)}
        found, training = self.losses(GRAPHED, **blocks)
        assert training.steps.how == GRAPHED
        assert found == self.losses(Execution(), **blocks)[0]

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    @pytest.mark.usefixtures("cache")
    def test_fifty_compiled_and_recorded_steps_agree_with_eager_ones(self, precision: str):
        both = Execution(compiled=True, graphed=True)
        found, training = self.losses(both, training={"precision": precision})
        assert training.steps.how == both
        tolerance = 2e-3 if precision == "fp32" else 3e-2
        for row, expected in zip(found, self.losses(Execution(), training={"precision": precision})[0], strict=True):
            assert row["train_loss"] == pytest.approx(expected["train_loss"], rel=tolerance)

    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    @pytest.mark.parametrize(
        "how",
        [
            GRAPHED,
            pytest.param(
                Execution(compiled=True, graphed=True),
                marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")],
            ),
        ],
        ids=["record_graph", "compiled"],
    )
    @pytest.mark.usefixtures("cache")
    def test_a_run_stopped_at_every_step_gives_the_same_bits(self, how: Execution, precision: str):
        whole, training = self.losses(how, training={"deterministic": True, "epochs": 2, "precision": precision})
        state, found = None, []
        while True:
            again = Run(training.settings, 0, "cuda", training.data, how)
            if state is not None:
                again.load_state_dict(state)
            if again.finished:
                break
            row = again.advance(always)
            if row is not None:
                found.append({name: row[name] for name in whole[0]})
            state = through_a_file(again.state_dict())
        assert found == whole
