import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny_runs import COSTS, SIZE, data_set, never, rows, run, settings, through_a_file
from torch.nn import functional as F

from harness.errors import DeviceError, InputError
from harness.tasks.cifar_resnet import augment, config, evaluate, model, optim, schedule
from harness.tasks.cifar_resnet.loop import Run
from harness.tasks.cifar_resnet.streams import stream

ROW = ["epoch", "step", "learning_rate", "train_loss", "train_accuracy", "test_loss", "test_accuracy"]


def test_a_row_has_the_documented_keys_in_order():
    training = run()
    first, second, last = (training.advance(never) for _ in range(3))
    assert first is not None
    assert second is not None
    assert last is not None
    assert list(first) == ROW + COSTS
    assert (first["epoch"], first["step"], last["epoch"], last["step"]) == (1, 3, 3, 9)
    assert first["train_accuracy"] is None
    assert second["train_accuracy"] is not None
    assert last["train_accuracy"] is not None
    assert first["samples_per_second"] * first["seconds"] >= 24
    assert first["peak_memory_bytes"] > 10_000_000
    assert training.finished


def test_a_held_out_split_adds_its_metrics():
    row = run(data=data_set(validation=True)).advance(never)
    assert row is not None
    assert list(row) == [*ROW, "validation_loss", "validation_accuracy", *COSTS]


def test_it_learns():
    easy = settings(model={"dropout": 0.0}, training={"epochs": 12}, augment={"brightness": 0, "contrast": 0, "erasing": None})
    found = rows(run(easy))
    assert found[-1]["train_loss"] < found[0]["train_loss"]
    assert found[-1]["test_accuracy"] == 100


def test_a_run_equals_a_plain_loop():
    """The whole recipe written out, with torch's own modules where there are some."""
    chosen = settings(training={"epochs": 2})
    data = data_set()
    training = run(chosen, data, seed=5)
    network = run(chosen, data, seed=5).network
    sgd = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    slow = [weight.detach().clone() for weight in network.parameters()]
    steps = 0
    for epoch in range(2):
        order = torch.randperm(27, generator=stream(5, "order", epoch))
        augmenting, dropping = stream(5, "augment", epoch), stream(5, "dropout", epoch)
        losses = []
        for batch in order[:24].split(8):
            for group in sgd.param_groups:
                group["lr"] = 0.05 * (1 + math.cos(math.pi * epoch / 2)) / 2
            network.train()
            drawn = augment.draw(chosen.augment, 8, SIZE, augmenting)
            inputs = augment.apply(data.train.pixels[batch], drawn, chosen.augment, data.mean, data.std)
            outputs = network(inputs, model.draw_masks(chosen.model, 8, SIZE, dropping, torch.float32))
            loss = F.cross_entropy(outputs, data.train.labels[batch], label_smoothing=0.1)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            losses.append(loss.item())
            steps += 1
            if steps % 5 == 0:
                for fast, kept in zip(network.parameters(), slow, strict=True):
                    kept.add_(0.5 * (fast.detach() - kept))
                    fast.data.copy_(kept)
        row = training.advance(never)
        assert row is not None
        network.eval()
        with torch.no_grad():
            outputs = network(augment.normalise(data.test.pixels, data.mean, data.std))
        assert row["train_loss"] == pytest.approx(sum(losses) / 3, rel=1e-4)
        assert row["test_loss"] == pytest.approx(F.cross_entropy(outputs, data.test.labels).item(), rel=1e-3)
        assert row["test_accuracy"] == pytest.approx(100 * (outputs.argmax(1) == data.test.labels).float().mean().item())
        assert row["learning_rate"] == pytest.approx(0.05 * (1 + math.cos(math.pi * epoch / 2)) / 2)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    assert rows(run(seed=1)) == rows(run(seed=1))
    assert rows(run(seed=1)) != rows(run(seed=2))


def test_a_run_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    rows(run())
    assert torch.equal(before, torch.get_rng_state())


def test_a_non_finite_loss_is_in_the_row_and_the_run_is_not_finished():
    chosen = settings(optimizer={"lr": 1e30, "lookahead": None}, training={"epochs": 1})
    training = run(chosen)
    row = training.advance(never)
    assert row is not None
    assert not math.isfinite(row["train_loss"])
    assert 0 <= row["test_accuracy"] <= 100
    assert not training.finished
    resumed = run(chosen)
    resumed.load_state_dict(through_a_file(training.state_dict()))
    assert not resumed.finished


def test_an_image_without_finite_logits_is_a_wrong_answer():
    outputs = torch.tensor([[math.nan, 0.0], [1.0, 0.0], [math.inf, 0.0], [0.0, 1.0]])
    score = evaluate.score(outputs, torch.tensor([0, 0, 0, 0]))
    assert score.accuracy == 25
    assert math.isnan(score.loss)


@pytest.mark.parametrize("validation", [True, False])
def test_plateau_watches_validation_or_else_the_train_loss(validation: bool):
    chosen = settings(schedule={"name": "plateau"})
    training = run(chosen, data_set(validation=validation))
    row = training.advance(never)
    assert row is not None
    assert training.watched == schedule.PlateauState(best=row["validation_loss" if validation else "train_loss"])


def test_predictions_are_the_last_epochs_test_probabilities():
    training = run()
    row = rows(training)[-1]
    found = training.predictions()
    probabilities, labels = found["probabilities"], found["labels"]
    assert probabilities.dtype == "float16"
    assert probabilities.shape == (14, 2)
    assert labels.tolist() == data_set().test.labels.tolist()
    assert (probabilities.argmax(1) == labels).mean() * 100 == pytest.approx(row["test_accuracy"])
    assert probabilities.sum(1) == pytest.approx(1, abs=1e-3)


def test_bf16_keeps_weights_norms_and_loss_in_fp32():
    training = run(settings(training={"precision": "bf16"}))
    seen: list[torch.dtype] = []
    training.network.stages[0].register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    with torch.no_grad():
        evaluate.logits(training.network, training.data.test, training.data, training.steps.autocast)
    assert seen == [torch.bfloat16]
    row = training.advance(never)
    assert row is not None
    assert row["train_loss"] == pytest.approx(run().advance(never)["train_loss"], rel=0.05)  # type: ignore[index]
    assert all(value.dtype in (torch.float32, torch.int64) for value in training.network.state_dict().values())


@pytest.mark.parametrize(
    ("capabilities", "noted"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, False),
        ({"neon": True, "bf16": True}, False),
    ],
)
def test_a_processor_that_emulates_bf16_is_noted(
    capabilities: dict[str, bool], noted: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    run(settings(training={"precision": "fp32"}))
    assert capsys.readouterr().out == ""
    run(settings(training={"precision": "bf16"}))
    assert ("no bf16 instructions" in capsys.readouterr().out) == noted


def test_pcg64_changes_the_masks_and_nothing_else():
    def losses(**changed: dict[str, Any]) -> list[float]:
        training = {"dropout_generator": "pcg64", "epochs": 1} | changed.pop("training", {})
        return [row["train_loss"] for row in rows(run(settings(training=training, **changed)))]

    assert losses() != losses(training={"dropout_generator": "torch"})
    without = {"model": {"dropout": 0.0}}
    assert losses(**without) == losses(training={"dropout_generator": "torch"}, **without)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu", "silu", "prelu"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_every_activation_and_block_trains(activation: str, precision: str, block: str):
    chosen = settings(model={"activation": activation, "block": block}, training={"precision": precision, "epochs": 1})
    training = run(chosen)
    before = training.state_dict()["network"]
    row = training.advance(never)
    assert row is not None
    assert math.isfinite(row["train_loss"])
    weights = {name for name, _ in training.network.named_parameters()}
    assert all(not torch.equal(before[name], value) for name, value in training.network.state_dict().items() if name in weights)


def test_a_batch_larger_than_the_training_set_is_refused():
    with pytest.raises(InputError, match=r"training.batch_size 8 is more than the 7 training images; use at most 7"):
        run(data=data_set(train=7))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_cuda_without_cuda_is_refused():
    with pytest.raises(DeviceError, match=r"torch finds no CUDA device here.* use cpu"):
        Run(settings(), 0, "cuda", data_set())


def test_a_checkpoint_of_another_kind_of_device_is_refused():
    state = run().state_dict()
    again = run()
    with pytest.raises(
        DeviceError, match="the checkpoint is of a run on cuda, but this is cpu; use `harness worker --device cuda`"
    ):
        again.load_state_dict({**state, "device": "cuda"})
    again.load_state_dict(state)


@pytest.mark.parametrize("deterministic", [False, True])
def test_torchs_switches_are_as_before_after_an_epoch(deterministic: bool):
    def switches() -> tuple[Any, ...]:
        cudnn = torch.backends.cudnn
        return (
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32),
        )

    before = switches()
    during: list[tuple[Any, ...]] = []

    def looking() -> bool:
        during.append(switches())
        return False

    run(settings(training={"deterministic": deterministic})).advance(looking)
    assert switches() == before
    assert during[0] == (deterministic, "highest", (not deterministic, deterministic, False))


def test_evaluation_in_batches_equals_evaluation_at_once(monkeypatch: pytest.MonkeyPatch):
    training = run()
    whole = evaluate.logits(training.network, training.data.test, training.data, training.steps.autocast)
    monkeypatch.setattr(evaluate, "BATCH", {"cpu": 4})
    parts = evaluate.logits(training.network, training.data.test, training.data, training.steps.autocast)
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("make", [config.Sgd, config.AdamW])
def test_the_fused_optimisers_reach_every_parameter(make: Callable[[], config.Sgd | config.AdamW]):
    network = run().network
    optimizer = optim.make(make(), network.parameters())
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(network.parameters()))
