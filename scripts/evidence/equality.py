"""Configuration and device -> whether the eager, the recorded and the compiled step agree, and how long each takes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

STEPS = 30
TOLERANCE = {"fp32": 2e-3, "bf16": 3e-2}  # of the mean loss; as in tests/tasks/cifar_resnet/test_execution.py
WAYS: Mapping[str, Mapping[str, bool]] = {
    "eager": {},
    "graph": {"graphed": True},
    "compiled and graph": {"compiled": True, "graphed": True},
}


def compare(request: Mapping[str, Any], keep: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Train STEPS steps in each way, deterministically, from the same weights.

    `request`: `data` and `model` of a configuration, `device`, `precisions`. Returns by precision and way: `error` (null: none),
    `used` (the requested execution, without a fallback), `mean_loss`, `prepare_seconds`, `step_seconds`; of all ways but eager
    also `same_bits` and `largest_difference` of the weights, and `relative_loss_difference`. A recorded step has the bits of an
    eager one; a compiled one may differ by rounding. `keep` gets what is known after each way, as a compiler may end the process.
    """
    found: dict[str, Any] = {}
    for precision in request["precisions"]:
        eager: Mapping[str, Any] | None = None
        found[precision] = {}
        for way in WAYS:
            weights, figures = _trained(request, precision, way)
            if eager is not None and weights is not None:
                figures |= _difference(weights, eager["weights"], figures["mean_loss"], eager["mean_loss"])
            if way == "eager" and weights is not None:
                eager = {"weights": weights, "mean_loss": figures["mean_loss"]}
            found[precision][way] = figures
            keep(found)
    return found


def problems(found: Mapping[str, Any]) -> list[str]:
    """What is wrong with the figures of `compare`, in words."""
    said = []
    for precision, ways in found.items():
        for way, figures in ways.items():
            name = f"{precision}, {way}"
            if figures["error"] is not None:
                said.append(f"{name}: {figures['error']}")
            elif not figures["used"]:
                said.append(f"{name}: fell back to another execution")
            elif way == "graph" and not figures.get("same_bits", True):
                said.append(f"{name}: other bits than eager, by up to {figures['largest_difference']:.3g}")
            elif figures.get("relative_loss_difference", 0.0) > TOLERANCE[precision]:
                gap = figures["relative_loss_difference"]
                said.append(f"{name}: the loss differs from eager by {gap:.3g}, at most {TOLERANCE[precision]:g} expected")
    return said


def is_training_possible(found: Mapping[str, Any]) -> bool:
    """Whether one precision trains at least eagerly."""
    return any("eager" in ways and ways["eager"]["error"] is None for ways in found.values())


def _trained(request: Mapping[str, Any], precision: str, way: str) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The weights after STEPS steps, None after an error; and the figures."""
    from harness.tasks.cifar_resnet.config import Config
    from harness.tasks.cifar_resnet.execution import Execution
    from harness.tasks.cifar_resnet.loop import Run
    from harness.tasks.cifar_resnet.numerics import numerics
    from harness.tasks.cifar_resnet.task import data_on

    training = {"precision": precision, "deterministic": True}
    # as JSON, whose lists are the configuration's tuples
    config = Config.model_validate_json(json.dumps({"data": request["data"], "model": request["model"], "training": training}))
    how = Execution(**WAYS[way])
    try:
        run = Run(config, 0, request["device"], data_on(config.data, request["device"]), how)
        steps = min(STEPS, run.steps_per_epoch - 1)
        started = time.perf_counter()
        with numerics(deterministic=True):
            run.inside = run.begin()
            run.steps.prepare()
        prepared = time.perf_counter() - started
        answers = iter([False] * (steps - 1) + [True])
        run.advance(answers.__next__)
        assert run.inside is not None
        mean_loss = run.steps.loss_sum.item() / steps
        weights = {name: tensor.detach().cpu().clone() for name, tensor in run.network.state_dict().items()}
    except Exception as error:  # whatever CUDA, its libraries or a compiler raise
        return None, {"error": f"{type(error).__name__}: {error}".splitlines()[0], "used": False}
    return weights, {
        "error": None,
        "used": run.steps.how == how,
        "steps": steps,
        "mean_loss": mean_loss,
        "prepare_seconds": round(prepared, 3),
        "step_seconds": run.inside.seconds / steps,
    }


def _difference(weights: Mapping[str, Any], eager: Mapping[str, Any], loss: float, eager_loss: float) -> dict[str, Any]:
    import torch

    gaps = [(weights[name].double() - tensor.double()).abs().max().item() for name, tensor in eager.items()]
    return {
        "same_bits": loss == eager_loss and all(torch.equal(weights[name], tensor) for name, tensor in eager.items()),
        "largest_difference": max(gaps),
        "relative_loss_difference": abs(loss - eager_loss) / abs(eager_loss),
    }
