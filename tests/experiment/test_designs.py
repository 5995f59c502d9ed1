"""Designs -> labels and configurations."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.experiment import Experiment, load_experiment
from harness.experiment.designs import short_names


def load(tmp_path: Path, text: str) -> Experiment:
    path = tmp_path / "x.yaml"
    path.write_text(f"question: q?\nseeds: 1\n{text}")
    return load_experiment(path)


def labels(tmp_path: Path, text: str) -> list[str]:
    return [variant.label for variant in load(tmp_path, text).variants]


def problems(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    return str(caught.value)


def test_no_design_at_all_is_one_variant_called_base(tmp_path: Path) -> None:
    experiment = load(tmp_path, "")
    assert ([variant.label for variant in experiment.variants], experiment.baseline) == (["base"], "base")


def test_levels_are_labelled_by_their_validated_values(tmp_path: Path) -> None:
    assert labels(tmp_path, "factors: {model.dropout: [0, 1e-1, 0.20]}") == ["dropout=0", "dropout=0.1", "dropout=0.2"]
    assert labels(tmp_path, "factors: {augment.flip: [true, false]}") == ["flip=true", "flip=false"]
    assert labels(tmp_path, "factors: {schedule.name: [cosine, linear]}") == ["schedule=cosine", "schedule=linear"]


def test_the_baseline_is_the_variant_at_the_base_value(tmp_path: Path) -> None:
    assert load(tmp_path, "factors: {model.dropout: [0, 0.2]}").baseline == "dropout=0.2"
    text = problems(tmp_path, "factors: {model.dropout: [0, 0.5]}")
    assert "baseline: missing, and no variant is the base configuration" in text
    assert "add the base value to the levels of dropout" in text


def test_a_grid_combines_every_level_the_last_factor_fastest(tmp_path: Path) -> None:
    text = "factors: {optimizer.lr: [0.05, 0.1], schedule.name: [cosine, step]}\ndesign: grid\n"
    assert labels(tmp_path, text) == [
        "lr=0.05, schedule=cosine",
        "lr=0.05, schedule=step",
        "lr=0.1, schedule=cosine",
        "lr=0.1, schedule=step",
    ]


def test_zip_pairs_levels_and_wants_as_many_of_each(tmp_path: Path) -> None:
    text = "factors: {optimizer.lr: [0.05, 0.1], schedule.name: [cosine, step]}\ndesign: zip\n"
    assert labels(tmp_path, text) == ["lr=0.05, schedule=cosine", "lr=0.1, schedule=step"]
    uneven = "factors: {optimizer.lr: [0.05, 0.1, 0.2], schedule.name: [cosine, step]}\ndesign: zip\n"
    assert "zip needs equally many levels in each factor; lr has 3, schedule has 2" in problems(tmp_path, uneven)


def test_one_at_a_time_changes_one_factor_and_names_all(tmp_path: Path) -> None:
    text = "factors: {optimizer.lr: [0.025, 0.05, 0.1], schedule.name: [cosine, step]}\ndesign: one_at_a_time\n"
    assert labels(tmp_path, text) == [
        "lr=0.05, schedule=cosine",
        "lr=0.025, schedule=cosine",
        "lr=0.1, schedule=cosine",
        "lr=0.05, schedule=step",
    ]
    without = "factors: {optimizer.lr: [0.025, 0.1], schedule.name: [cosine, step]}\ndesign: one_at_a_time\n"
    assert "needs the base value among the levels" in problems(tmp_path, without)


def test_named_levels_change_several_keys_and_an_empty_one_is_the_base(tmp_path: Path) -> None:
    text = "factors: {width: {half: {model.widths: [32, 64, 128], model.stem_width: 16}, full: {}}}"
    experiment = load(tmp_path, text)
    assert [variant.label for variant in experiment.variants] == ["width=half", "width=full"]
    assert experiment.baseline == "width=full"
    assert experiment.variants[0].config.model_dump()["model"]["stem_width"] == 16


COMPONENTS = "components: {flip: {augment.flip: false}, crop: {augment.crop_padding: 0}, erasing: {augment.erasing: null}}\n"


def test_components_are_switched_off_one_by_one_or_on_one_by_one(tmp_path: Path) -> None:
    assert labels(tmp_path, COMPONENTS + "design: leave_one_out\n") == ["full", "without flip", "without crop", "without erasing"]
    assert labels(tmp_path, COMPONENTS + "design: add_one_in\n") == ["bare", "only flip", "only crop", "only erasing"]
    assert len(labels(tmp_path, COMPONENTS + "design: both\n")) == 8


def test_components_claims_compare_with_full_or_bare(tmp_path: Path) -> None:
    text = COMPONENTS + "design: both\nmargin: 1\nclaims: [{no_gain: all}, {improves: full}]\n"
    every, full = load(tmp_path, text).claims
    assert dict(zip(every.variants, every.over, strict=True)) == {
        "full": "bare",
        "without flip": "full",
        "without crop": "full",
        "without erasing": "full",
        "only flip": "bare",
        "only crop": "bare",
        "only erasing": "bare",
    }
    assert full.over == ("bare",)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("variants: {a: {}}\nfactors: {model.dropout: [0, 0.2]}\n", "factors: factors beside variants; use one of"),
        ("factors: {optimizer.lr: [0.05, 0.1], model.dropout: [0, 0.2]}\n", "design: missing for 2 factors"),
        (
            "factors: {model.dropout: [0, 0.2]}\ndesign: both\n",
            "invalid design 'both' for factors; choose from: grid, zip, one_at_a_time",
        ),
        ("variants: {a: {}}\ndesign: grid\n", "variants take no design"),
        (COMPONENTS, "design: missing; choose from: leave_one_out, add_one_in, both"),
        (COMPONENTS + "design: both\nbaseline: full\n", "components take no baseline"),
        (
            "components: {flip: {augment.flip: false}, crop: {augment.crop_padding: 0}}\ndesign: both\n",
            "both needs at least 3 components, not 2",
        ),
        ("factors: {model.widths: [{a: 1}]}\n", "a mapping as a level; use named levels"),
        (
            "factors: {model.dropuot: [0, 0.2]}\n",
            "factors.model.dropuot: unknown configuration path; did you mean model.dropout?",
        ),
        ("factors: {model.dropout: [0.2, 0.20]}\n", "factors.model.dropout[1]: 0.2 twice"),
        ("factors: {model.dropout: []}\n", "no levels"),
        ("factors: {w: {}}\n", "no levels"),
        ("variants: {all: {}}\n", "invalid label 'all'; use another name"),
        ("variants: {}\n", "variants: invalid value {}; expected a mapping of 1 or more"),
        ("variants: {a: {}, b: {model.dropout: 0.1}}\nbaseline: [a]\n", "baseline: invalid value ['a']; expected text"),
        (
            "factors: {model.dropout: [0.1, 0.2], d: {x: {model.dropout: 0.3}, y: {}}}\ndesign: zip\n",
            "sets model.dropout, and dropout sets model.dropout; use different paths",
        ),
        (
            f"factors: {{model.stem_width: {list(range(1, 31))}, training.epochs: {list(range(1, 31))}}}\ndesign: grid\n",
            "a grid of 900 variants; use at most 500",
        ),
        (
            f"variants: {{{', '.join(f'v{i}: {{training.epochs: {i + 1}}}' for i in range(501))}}}\n",
            "variants: 501 variants; use at most 500",
        ),
        ("factors: {model.dropout: [0.2, 5]}\n", "x.yaml:3:32: factors.model.dropout[1]: 5 is out of range"),
        ("variants: {a: {}, b: {model.dropout: 0.2}}\n", "'b' is the same as 'a'; remove or change one"),
        ("variants: {a: {}, A: {model.dropout: 0.1}}\n", "'A' and 'a' differ only in case"),
        ("variants: {../up: {}}\n", "invalid label '../up'; use letters, digits and ' _.,=+-/'"),
        ("variants: {.hidden: {}}\n", "invalid label '.hidden'"),
        (f"variants: {{{'x' * 81}: {{}}}}\n", "invalid label"),
        ("variants: {a: {}, b: {model.dropout: 0.1}}\nbaseline: c\n", "baseline: no variant 'c'; choose from: a, b"),
    ],
)
def test_a_wrong_design_says_what_is_allowed(tmp_path: Path, text: str, what: str) -> None:
    assert what in problems(tmp_path, text)


def test_short_names_are_the_shortest_suffixes_that_tell_factors_apart() -> None:
    assert short_names(["model.dropout"]) == ["dropout"]
    assert short_names(["schedule.name", "optimizer.name"]) == ["schedule", "optimizer"]
    assert short_names(["a.x.k", "b.x.k", "lr"]) == ["a.x.k", "b.x.k", "lr"]
    assert short_names(["model", "model.name", "model.lr"]) == ["model", "model.name", "lr"]
    assert short_names(["model/optimizer", "trainer/optimizer", "data/name"]) == [
        "model/optimizer",
        "trainer/optimizer",
        "data/name",
    ]


def test_null_sections_are_as_good_as_none(tmp_path: Path) -> None:
    text = "components: null\nvariants: {a: {augment.flip: false}, b: {}}\nclaims: []\ntune: null\n"
    assert load(tmp_path, text).baseline == "b"


def test_only_plain_numbers_make_named_levels_doses(tmp_path: Path) -> None:
    text = "factors: {width: {'16': {model.stem_width: 16}, nan: {model.stem_width: 8}, 1_0: {}}}\n"
    assert list(load(tmp_path, text).factors[0].levels.values()) == [16.0, None, None]
