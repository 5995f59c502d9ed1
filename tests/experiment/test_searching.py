"""What is wrong with a `search:` is told with its line, its value and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from searching import SPACE, toy_search

from harness.errors import InputError
from harness.experiment import load_experiment
from harness.experiment.searching import Search

WRONG = {
    "{space: {efect: {range: [-3, 3]}}}": "did you mean effect",
    "{space: {effect: {range: [3, -3]}}}": "[3.0, -3.0] is no range",
    "{space: {noise: {range: [0, 2], log: true}}}": "0.0 with log; allowed: a least value above 0",
    "{space: {noise: {range: [-1, 2]}}}": "-1.0 is out of range; allowed: a number from 0",
    "{space: {failure: {choice: [bug]}}}": "search.space.failure.choice: ['bug']",
    "{space: {effect: {range: [0, 1], when: {failure: bug}}, failure: {choice: [bug, oom]}}}": "stands above in the space",
    f"{{space: {SPACE}, sampler: grid}}": "grid",
    f"{{space: {SPACE}, objectives: scor}}": "no metric 'scor'",
    f"{{space: {SPACE}, objectives: [score, loss], sampler: cmaes}}": "cmaes takes one objective",
    f"{{space: {SPACE}, first: [{{effect: 9}}]}}": "lies outside of the space",
    f"{{space: {SPACE}, objectives: parameters, pruner: median}}": "parameters is not measured each epoch",
    f"{{space: {SPACE}, prune_after: 3}}": "nothing is pruned",
    f"{{space: {SPACE}, constraints: {{score: {{at_most: 1}}}}}}": "search.constraints.score: is not known before training; allowed: "
    "parameters",
    f"{{space: {SPACE}, constraints: {{parameters: {{}}}}}}": "needs at_most or at_least",
    f"{{space: {SPACE}, constraints: {{parameters: {{at_most: 0}}}}}}": "a bound of 0 or less",
    f"{{space: {SPACE}, objectives: [score, score]}}": "an objective twice; allowed: each once",
    f"{{space: {SPACE}, objectives: [score, loss], pruner: median}}": "median compares one objective; allowed for several: none",
    f"{{space: {SPACE}, budget: soon}}": "search.budget: ",
    f"{{space: {SPACE}, trials: 0}}": "search.trials: 0 is out of range",
    f"{{space: {SPACE}, sampler: cmaes, constraints: {{parameters: {{at_most: 9}}}}}}": "cmaes takes no constraints; "
    "allowed: tpe, which learns from them",
    "{space: {effect: {range: [0, 0.5], step: 0.2}}}": "search.space.effect.range: 0.5 is no number of steps of 0.2 from 0; "
    "allowed: a largest value that is, such as 0.4",
    "{space: {steps: {range: [2, 9], step: 8}}}": "such as 10",
    "{space: {failure: {choice: [bug, oom]}}, sampler: cmaes}": "cmaes searches ranges only",
    "{space: {steps: {range: [1.5, 9]}}}": "search.space.steps.range[0]: 1.5",
    "{space: {steps: {range: [0, 9]}}}": "search.space.steps.range[0]: 0 is out of range",
    "{space: {effect: {range: [0.5, 2], int: true}}}": "[0.5, 2.0] with int; allowed: whole numbers",
    "{space: {effect: {range: [1, 9], log: true, step: 2}}}": "log and step; allowed: one of them",
    "{space: {effect: {}}}": "needs range or choice",
    "{space: {failure: {choice: [bug, oom], log: true}}}": "log beside choice; allowed: log beside range",
    "{space: {failure: {choice: [bug, bug]}}}": "fewer than two different options",
    "{space: {failure: {choice: [bug, rain]}}}": "'rain'",
    "{space: {a: {path: effect, range: [0, 1]}, b: {path: effect, range: [1, 2]}}}": "sets effect, as a does",
    "{space: {failure: {choice: [bug, oom]}, effect: {range: [0, 1], when: {failure: bugg}}}}": "'bugg' is no option of failure; "
    "did you mean bug?",
    "{space: {failure: {choice: [bug, oom]}, effect: {range: [0, 1], when: {failur: bug}}}}": "did you mean failure?",
    f"{{space: {SPACE}, first: [{{steps: 9}}]}}": "search.first[0]: lies outside of the space",
    f"{{space: {SPACE}, first: [{{effect: 1, efect: 2}}]}}": "efect",
    "{trials: 3}": "space: missing",
}


@pytest.mark.parametrize("search", WRONG)
def test_it_is_refused_with_the_reason(tmp_path: Path, search: str) -> None:
    with pytest.raises(InputError) as caught:
        toy_search(tmp_path, search)
    assert "toys.yaml:5" in str(caught.value)
    assert WRONG[search] in str(caught.value)
    assert "allowed" in str(caught.value) or "did you mean" in str(caught.value)


def test_nothing_is_searched_for_by_test_images(tmp_path: Path) -> None:
    config = "{data.validation_size: 5000}"
    said = _refused(tmp_path, "{space: {optimizer.lr: {range: [0.01, 0.1]}}, objectives: test_accuracy}", f"config: {config}")
    assert "test_accuracy is measured on the test split, by which nothing may be chosen; allowed: validation_accuracy" in said


def test_a_task_that_can_hold_images_out_must(tmp_path: Path) -> None:
    said = _refused(tmp_path, "{space: {optimizer.lr: {range: [0.01, 0.1]}}}", "config: {}")
    assert "a search needs data.validation_size above 0" in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("variants", "{a: {}, b: {effect: 1}}"),
        ("factors", "{effect: [0, 1]}"),
        ("components", "[{effect: 1}]"),
        ("claims", "[{improves: b}]"),
        ("seeds", "3"),
        ("baseline", "a"),
        ("tune", "{space: {steps: [1, 4]}}"),
    ],
)
def test_a_search_stands_alone(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(InputError) as caught:
        toy_search(tmp_path, f"{{space: {SPACE}}}", after=f"{key}: {value}\n")
    assert f"toys.yaml:6:1: {key}: beside search; allowed: question, source, task" in str(caught.value)


def test_a_path_that_takes_whole_numbers_only_is_searched_in_them(tmp_path: Path) -> None:
    study = toy_search(
        tmp_path, "{space: {steps: {range: [1, 9]}, effect: {range: [1, 9]}, fast: {path: epochs, range: [1, 3]}}}"
    )
    assert [(one.name, one.integer) for one in study.space if one.kind == "range"] == [
        ("steps", True),
        ("effect", False),
        ("fast", True),
    ]


def test_the_base_is_tried_first_where_the_space_holds_it_and_nothing_twice(tmp_path: Path) -> None:
    inside = toy_search(tmp_path, f"{{space: {SPACE}, first: [{{effect: 1}}, {{effect: 0}}, {{effect: 1}}]}}")
    assert inside.first == ({"effect": 0.0, "noise": 1.0}, {"effect": 1.0, "noise": 1.0})
    outside = toy_search(tmp_path, "{space: {effect: {range: [1, 3]}}, first: [{effect: 2}]}")
    assert outside.first == ({"effect": 2.0},)
    broken = toy_search(tmp_path, "{space: {effect: {range: [-3, 3], int: true}}}", config="{effect: 0.5}")
    assert broken.first == ()


@pytest.mark.parametrize(
    "step", ["{range: [0, 0.7], step: 0.1}", "{range: [-1, 0.2], step: 0.3}", "{range: [0, 1e-3], step: 1e-5}"]
)
def test_steps_that_end_at_the_largest_value_are_taken_whatever_their_binary_fractions(tmp_path: Path, step: str) -> None:
    assert len(toy_search(tmp_path, f"{{space: {{effect: {step}}}}}").space) == 1


LOOKAHEAD = "{lookahead: {choice: {off: {optimizer.lookahead: null}, on: {optimizer.lookahead: {k: 5, alpha: 0.5}}}}}"


@pytest.mark.parametrize(
    ("base", "first"),
    [
        ("null", {"lookahead": "off"}),
        ("{k: 5, alpha: 0.5}", {"lookahead": "on"}),
        ("{k: 9, alpha: 0.5}", None),
    ],
)
def test_a_block_is_no_null(tmp_path: Path, base: str, first: dict[str, str] | None) -> None:
    found = _images(tmp_path, f"{{space: {LOOKAHEAD}}}", f"config: {{data.validation_size: 5000, optimizer.lookahead: {base}}}")
    assert found.first == (() if first is None else (first,))
    assert found.base_in_space == (first is not None)


def test_an_option_that_sets_nothing_is_the_base_alone(tmp_path: Path) -> None:
    half = "{model.widths: [32, 64, 128]}"
    search = f"{{space: {{size: {{choice: {{source: {{}}, half: {half}}}}}}}, first: [{half}]}}"
    assert _images(tmp_path, search).first == ({"size": "source"}, {"size": "half"})


@pytest.mark.parametrize(
    "space",
    [
        "{data.validation_size: {range: [100, 5000]}}",
        "{held: {choice: {few: {data.validation_size: 100}, many: {data.validation_size: 5000}}}}",
        "{held: {choice: {few: {data: {validation_size: 100}}, many: {data: {validation_size: 5000}}}}}",
    ],
)
def test_all_trials_are_measured_on_the_same_images(tmp_path: Path, space: str) -> None:
    said = _refused(tmp_path, f"{{space: {space}}}", "config: {data.validation_size: 5000}")
    assert "sets data.validation_size, and what is compared is measured on the same images; allowed: to set it in config" in said
    assert "1 problem" in said


def _images(folder: Path, search: str, more: str = "config: {data.validation_size: 5000}") -> Search:
    path = folder / "images.yaml"
    path.write_text(f"question: How good?\nmargin: 1\n{more}\nsearch: {search}\n")
    found = load_experiment(path).search
    assert found is not None
    return found


def _refused(folder: Path, search: str, more: str) -> str:
    path = folder / "images.yaml"
    path.write_text(f"question: How good?\nmargin: 1\n{more}\nsearch: {search}\n")
    with pytest.raises(InputError) as caught:
        load_experiment(path)
    assert "images.yaml:4" in str(caught.value)
    return str(caught.value)
