"""Calculations of the benchmarks, and whether both sides of the speed comparison train the same network."""

from __future__ import annotations

import importlib
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.tasks.cifar_resnet.config import Config, Model
from harness.tasks.cifar_resnet.loop import new_network

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SMOKE = {"stem_width": 16, "widths": (16, 32, 64), "depths": (1, 1, 1)}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a script of benchmarks/."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


# The page


WITH_ROWS = ("throughput_", "harness_overhead_", "scale_growth", "scale_large", "shared_folder", "orchestration_")
MEASURED = [path for path in sorted((BENCHMARKS / "results").glob("*.json")) if path.name.startswith(WITH_ROWS)]


@pytest.mark.parametrize("file", MEASURED, ids=lambda path: path.name)
def test_the_page_of_figures_has_every_row_that_was_measured(script: Any, file: Path) -> None:
    page = (BENCHMARKS.parent / "docs" / "performance.md").read_text()
    document = json.loads(file.read_text())
    missing = [row for row in script(document["benchmark"]).rows(document["figures"]) if row not in page]
    assert not missing, f"python benchmarks/{document['benchmark']}.py prints its rows at the end"


# Speed


def test_a_turn_is_compared_with_its_neighbours(script: Any) -> None:
    """The machine gets slower from turn to turn; the ratio is 2 throughout but for the first, which has one neighbour."""
    found = script("sides").ratios(ours=[20, 18, 14], theirs=[10, 8, 6])
    assert found == {"median": 2, "lowest": 2, "highest": 2}


def test_the_spread_of_ratios_is_the_lowest_and_the_highest(script: Any) -> None:
    found = script("sides").ratios(ours=[30, 40, 10], theirs=[10, 10, 10])
    assert found == {"median": 3, "lowest": 1, "highest": 4}


def test_the_ratio_of_a_figure_is_that_of_the_same_turn(script: Any) -> None:
    """The machine is half as fast in the second turn; the ratio to the first side is 3 in both."""
    turns = iter([10.0, 30.0, 5.0, 15.0])
    found = script("orchestration").in_turns(dict.fromkeys(("xargs", "other"), lambda _: {"runs a second": next(turns)}), turns=2)
    assert found["runs a second"]["other"] == {"values": [22.5, 15.0, 30.0], "ratios": [3.0, 3.0, 3.0]}
    assert found["runs a second"]["xargs"]["ratios"] == [1.0, 1.0, 1.0]


def test_a_side_answers_is_paused_in_between_and_killed_at_the_end(script: Any, tmp_path: Path) -> None:
    sides = script("sides")
    program = tmp_path / "echo.py"
    program.write_text(
        f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        "from sides import answer\n"
        "print('to stderr', file=sys.stderr)\n"
        "answer(lambda: lambda request: {'twice': 2 * request['number']})\n"
    )
    with sides.Side([script("sys").executable, str(program)]) as side:
        assert side.ask(number=21) == {"twice": 42}
        _, status = os.waitpid(side.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert side.ask(number=4) == {"twice": 8}
    assert side.process.returncode == -9


def test_a_side_that_dies_is_reported(script: Any) -> None:
    sides = script("sides")
    with (
        pytest.raises(RuntimeError, match="ended with code 3"),
        sides.Side([script("sys").executable, "-c", "raise SystemExit(3)"]),
    ):
        pass


def test_the_sources_network_costs_what_arithmetic_says(script: Any) -> None:
    """0.737 G multiply-adds forward, three times that in training, two operations each; 31.9 MB of bf16 at the convolutions' ends."""
    work = script("roofline").work(Model(), 10, 32)
    assert work.flops == pytest.approx(4.42e9, rel=0.001)
    assert work.elements * 2 == pytest.approx(31.9e6, rel=0.001)


def test_the_ceiling_is_the_lower_of_two(script: Any) -> None:
    roofline = script("roofline")
    work = roofline.Work(flops=100.0, elements=10.0)
    assert work.ceiling(roofline.Machine(flops=1000.0, bandwidth=math.inf), 4) == 10
    assert work.ceiling(roofline.Machine(flops=1000.0, bandwidth=200.0), 4) == 5


@pytest.mark.parametrize(("model", "parameters"), [({}, 4_903_082), (SMOKE, 127_642)])
def test_both_sides_train_the_same_network(script: Any, model: dict[str, Any], parameters: int) -> None:
    config = Config.model_validate({"model": model})
    ours = new_network(config, 10, 0, torch.device("cpu")).eval()
    plain = script("plain_loop").Network(config, 10).eval()
    plain.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(plain(images), ours(images))
    assert sum(weight.numel() for weight in plain.parameters()) == parameters


def test_the_limit_of_a_step_has_all_its_convolutions_forward_and_backward(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    model = {"stem_width": 4, "widths": (4, 8), "depths": (1, 2)}
    config = Config.model_validate({"data": {"dataset": "cifar10_mini"}, "model": model, "training": {"batch_size": 2}})
    limit = script("versions").Convolutions(config, torch.bfloat16)
    with torch.inference_mode():
        outputs = [call() for call in limit.forward]
        gradients = [call() for call in limit.backward]
    weights = [weight.shape for weight in new_network(config, 10, 0, torch.device("cpu")).parameters() if weight.ndim == 4]
    assert sorted(weight.shape for _, weight, _ in gradients) == sorted(weights)
    assert {output.dtype for output in outputs} == {torch.bfloat16}
    assert [inputs is None for inputs, _, _ in gradients] == [True] + [False] * (len(weights) - 1)
    assert limit.train(1) > 0
    assert limit.evaluate() > 0


def test_both_sides_look_ahead_alike(script: Any) -> None:
    from harness.tasks.cifar_resnet import optim

    def trained(wrapper: Any) -> torch.Tensor:
        weight = torch.nn.Parameter(torch.ones(3))
        optimizer = wrapper(torch.optim.SGD([weight], lr=0.1, momentum=0.9))
        for step in range(7):
            weight.grad = torch.full((3,), float(step))
            optimizer.step()
        return weight.detach()

    plain = script("plain_loop").Lookahead
    torch.testing.assert_close(
        trained(lambda sgd: plain(sgd, k=3, alpha=0.5)), trained(lambda sgd: optim.Lookahead(sgd, k=3, alpha=0.5))
    )


# Overhead and growth


def test_time_outside_of_the_task_is_overhead(script: Any) -> None:
    """Two runs: 1 s of start and 9 s of training each, including 1 s of stop queries, with 2 s in between."""

    def event(name: str, began: float, ended: float, **told: float) -> dict[str, Any]:
        return {"event": name, "began": began, "ended": ended, **told}

    events = [
        event("start", 10, 11),
        event("first step", 12, 12),
        event("advance", 11, 20, asking=1),
        event("start", 22, 23),
        event("first step", 24, 24),
        event("advance", 23, 32, asking=1),
    ]
    found = script("harness_overhead").measured(events, began=7, ended=33.5)
    assert found["share_of_time"] == pytest.approx((2 + 1) / 12, abs=1e-4)
    assert found["command_to_first_step_seconds"] == 5
    assert found["between_runs_seconds_median"] == 2
    assert found["next_start_seconds_median"] == 1
    assert found["last_epoch_to_next_first_step_seconds_median"] == 4
    assert found["last_epoch_to_end_of_command_seconds"] == 1.5


@pytest.mark.parametrize("power", [1, 2])
def test_growth_finds_the_power_of_what_runs_add(script: Any, power: int) -> None:
    found = script("scale").growth({runs: 3 + 0.01 * (runs - 1) ** power for runs in (1, 101, 1_001)})
    assert found["power"] == pytest.approx(power, abs=0.02)


def test_growth_gives_the_cost_of_one_more_run(script: Any) -> None:
    assert script("scale").growth({1: 1.0, 100: 1.5, 1_100: 3.5})["microseconds_a_run"] == 2000


def test_negligible_growth_has_no_exponent(script: Any) -> None:
    assert script("scale").growth({1: 2.0, 100: 2.01, 10_000: 2.1})["power"] is None


# Error rates of plans


def test_the_table_of_errors_has_every_mixture_truth_noise_and_number_of_seeds(script: Any) -> None:
    cells, mixtures = list(script("verdict_errors").cells()), script("mixtures")
    assert {cell.mixture for cell in cells} == set(mixtures.MIXTURES)
    assert {cell.truth for cell in cells} == {*mixtures.TRUTHS, "random"}
    assert {cell.noise for cell in cells} == set(mixtures.NOISES)
    assert {cell.looks for cell in cells} == {(3,), (5,), (10,), (20,), (3, 5, 10), (3, 5, 8, 12, 20)}


def test_an_error_rate_far_above_alpha_is_marked(script: Any) -> None:
    line = script("verdict_errors").line
    assert line("a", {"wrong_percent": 6.9, "standard_error": 1.0})[0] == " "
    assert line("a", {"wrong_percent": 7.1, "standard_error": 1.0})[0] == "*"
    assert line("a", {"wrong_percent": 5.0, "standard_error": 1.0, "wrong_with_equality_percent": 10.0})[0] == "="


def test_the_rates_of_a_cell_are_of_its_draws(script: Any) -> None:
    """Every true difference is 2 sd, and a plan with 20 seeds finds it; every run has been trained."""
    verdict_errors = script("verdict_errors")
    found = verdict_errors.errors(script("mixtures").Cell("1 at_least", "half", looks=(20,)), draws=5)
    assert (found["found_percent"], found["wrong_percent"], found["seeds"], found["draws"]) == (100, 0, 20, 5)
    assert found == verdict_errors.errors(script("mixtures").Cell("1 at_least", "half", looks=(20,)), draws=5)
