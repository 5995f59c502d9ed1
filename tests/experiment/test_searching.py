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
    "{space: {effect: {range: [3, -3]}}}": "invalid range [3.0, -3.0]",
    "{space: {noise: {range: [0, 2], log: true}}}": "log with a range from 0.0; use a lower end above 0",
    "{space: {noise: {range: [-1, 2]}}}": "-1.0 is out of range; expected a number from 0",
    "{space: {failure: {choice: [bug]}}}": "search.space.failure.choice: invalid value ['bug']",
    "{space: {effect: {range: [0, 1], when: {failure: bug}}, failure: {choice: [bug, oom]}}}": "move it below the choice",
    f"{{space: {SPACE}, sampler: grid}}": "grid",
    f"{{space: {SPACE}, objectives: scor}}": "no metric 'scor'",
    f"{{space: {SPACE}, objectives: [score, loss], sampler: cmaes}}": "cmaes supports one objective",
    f"{{space: {SPACE}, first: [{{effect: 9}}]}}": "lies outside the space",
    f"{{space: {SPACE}, objectives: parameters, pruner: median}}": "parameters is not measured each epoch",
    f"{{space: {SPACE}, prune_after: 3}}": "prune_after without a pruner",
    f"{{space: {SPACE}, constraints: {{score: {{at_most: 1}}}}}}": "search.constraints.score: score is not known before training; choose from: "
    "parameters",
    f"{{space: {SPACE}, constraints: {{parameters: {{}}}}}}": "needs either at_most or at_least",
    f"{{space: {SPACE}, constraints: {{parameters: {{at_most: 0}}}}}}": "the bound must be above 0",
    f"{{space: {SPACE}, objectives: [score, score]}}": "an objective twice; remove one",
    f"{{space: {SPACE}, objectives: [score, loss], pruner: median}}": "median supports one objective; for several use none",
    f"{{space: {SPACE}, budget: soon}}": "search.budget: ",
    f"{{space: {SPACE}, trials: 0}}": "search.trials: 0 is out of range",
    f"{{space: {SPACE}, sampler: cmaes, constraints: {{parameters: {{at_most: 9}}}}}}": "cmaes does not support constraints; "
    "use tpe, which learns from them",
    "{space: {effect: {range: [0, 0.5], step: 0.2}}}": "search.space.effect.range: 0.5 cannot be reached in steps of 0.2 from 0; "
    "use an upper end such as 0.4",
    "{space: {steps: {range: [2, 9], step: 8}}}": "such as 10",
    "{space: {failure: {choice: [bug, oom]}}, sampler: cmaes}": "cmaes supports ranges only",
    "{space: {steps: {range: [1.5, 9]}}}": "search.space.steps.range[0]: invalid value 1.5",
    "{space: {steps: {range: [0, 9]}}}": "search.space.steps.range[0]: 0 is out of range",
    "{space: {effect: {range: [0.5, 2], int: true}}}": "int with the range [0.5, 2.0]; use integers",
    "{space: {effect: {range: [1, 9], log: true, step: 2}}}": "log and step; use one of them",
    "{space: {effect: {}}}": "needs either range or choice",
    "{space: {failure: {choice: [bug, oom], log: true}}}": "log beside choice; remove it",
    "{space: {failure: {choice: [bug, bug]}}}": "fewer than two different options",
    "{space: {failure: {choice: [bug, rain]}}}": "'rain'",
    "{space: {a: {path: effect, range: [0, 1]}, b: {path: effect, range: [1, 2]}}}": "sets effect, as does a",
    "{space: {failure: {choice: [bug, oom]}, effect: {range: [0, 1], when: {failure: bugg}}}}": "failure has no option 'bugg'; "
    "did you mean bug?",
    "{space: {failure: {choice: [bug, oom]}, effect: {range: [0, 1], when: {failur: bug}}}}": "did you mean failure?",
    f"{{space: {SPACE}, first: [{{steps: 9}}]}}": "search.first[0]: lies outside the space",
    f"{{space: {SPACE}, first: [{{effect: 1, efect: 2}}]}}": "efect",
    "{trials: 3}": "space: missing",
}


@pytest.mark.parametrize("search", WRONG)
def test_it_is_refused_with_the_reason(tmp_path: Path, search: str) -> None:
    with pytest.raises(InputError) as caught:
        toy_search(tmp_path, search)
    assert "toys.yaml:5" in str(caught.value)
    assert WRONG[search] in str(caught.value)
    assert "; " in str(caught.value) or "did you mean" in str(caught.value)


def test_nothing_is_searched_for_by_test_images(tmp_path: Path) -> None:
    config = "{data.validation_size: 5000}"
    said = _refused(tmp_path, "{space: {optimizer.lr: {range: [0.01, 0.1]}}, objectives: test_accuracy}", f"config: {config}")
    assert "test_accuracy is measured on the test split, which must not choose settings; choose from: validation_accuracy" in said


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
    assert f"toys.yaml:6:1: {key}: {key} beside search; only question, source, tags, task" in str(caught.value)


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
    assert "sets data.validation_size, but all compared settings must use the same images; set it in config" in said
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
