"""A whole experiment: found, read, and every problem of every part reported at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.experiment import load_experiment

GOOD = """
question: Does b beat a?
variants: {a: {}, b: {model.activation: relu}}
baseline: a
seeds: {looks: [3, 5]}
margin: 0.25
claims: [{improves: b}]
"""


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems(path: Path | str, folder: Path = Path("experiments")) -> str:
    with pytest.raises(InputError) as caught:
        load_experiment(path, folder=folder)
    return str(caught.value)


def test_problems_of_all_parts_are_reported_at_once_in_the_order_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = """
question: q?
sedes: 3
seeds: {looks: [5, 3]}
config: {training.epochs: 0}
variants:
  a: {}
  b: {model.stem_width: 3.7}
  c: {modl.x: 1}
claims: [{improvs: b}, {improves: d}]
margin: 1
profiles: {smoke: {margn: 3}}
"""
    lines = problems(write(tmp_path, text).name).splitlines()
    assert lines == [
        "mine.yaml:3:1: sedes: unknown key; did you mean seeds?",
        "mine.yaml:4:16: seeds.looks: [5, 3] is not increasing; expected increasing numbers of seeds, such as [3, 5, 8, 12, 20]",
        "mine.yaml:5:27: config.training.epochs: 0 is out of range; expected an integer from 1 to 1000000",
        "mine.yaml:8:25: variants.b.model.stem_width: invalid value 3.7; expected an integer from 1 to 16384",
        "mine.yaml:9:7: variants.c.modl: unknown key; did you mean model?",
        "mine.yaml:10:10: claims[0]: no kind of claim; did you mean improves?",
        "mine.yaml:10:35: claims[1].improves: no variant 'd'; choose from: a, b, c",
        "mine.yaml:12:20: profiles.smoke.margn: unknown key; did you mean margin?",
        "8 problems; nothing was started",
    ]


def test_the_same_file_reads_as_the_same_experiment(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert load_experiment(path) == load_experiment(path)


def test_experiments_are_found_by_path_by_name_and_with_a_profile(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "profiles: {smoke: {seeds: 3}}\n")
    assert load_experiment("mine", folder=tmp_path).path == path
    assert load_experiment("mine@smoke", folder=tmp_path).name == "mine@smoke"
    assert load_experiment(path, "smoke").name == "mine@smoke"


def test_an_unknown_experiment_names_the_nearest_one(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert "no experiment 'mien'; did you mean mine?" in problems("mien", tmp_path)
    assert "no experiment 'mine'" in problems("mine", tmp_path / "elsewhere")
    with pytest.raises(InputError, match="two profiles"):
        load_experiment("mine@a", "b", folder=tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("claims: [{improves: b}]", "", "looks without claims"),
        ("claims: [{improves: b}]", "claims: [{improves: b}, {improves: b}]", "the same claim twice"),
        ("question: Does b beat a?", "", "question: missing"),
        ("margin: 0.25", "", "needs a margin for test_accuracy"),
        ("margin: 0.25", "margin: -1", "margin: -1 is out of range; expected a number above 0"),
        ("margin: 0.25", "margin: 0.25\nalpha: 0.7", "alpha: 0.7 is out of range"),
        ("claims: [{improves: b}]", "claims: []", "looks without claims"),
        ("{looks: [3, 5]}", "null", "seeds: missing"),
        ("question: Does b beat a?", "question: null", "question: missing"),
        ("question: Does b beat a?", "question: q?\ntask: os:path", "task 'os:path' cannot be loaded"),
        ("question: Does b beat a?", "question: q?\ntask: json:JSONDecoder", "cannot be loaded"),
        ("question: Does b beat a?", "question: q?\ntask: ':x'", "cannot be loaded"),
        ("{looks: [3, 5]}", "0", "seeds: 0 is out of range"),
        ("{looks: [3, 5]}", "100001", "seeds: 100001 is out of range"),
        ("{looks: [3, 5]}", "{first: 20}", "seeds.first: 20 without a number of seeds; add n, or looks"),
        ("{looks: [3, 5]}", "{n: 5, looks: [3, 5]}", "seeds.n: 5 beside looks; use n, a number of seeds, or looks"),
        ("{looks: [3, 5]}", "{n: 5, first: -1}", "seeds.first: -1 is out of range; expected an integer from 0 and below 100000"),
        (
            "{looks: [3, 5]}",
            "{n: 5, first: 99996}",
            "seeds.first: 99996 is out of range; must be at most 99995, as 5 seeds end below 100000",
        ),
        ("{looks: [3, 5]}", "{looks: [3, 5], first: 99996}", "seeds.first: 99996 is out of range; must be at most 99995"),
        (
            "{looks: [3, 5]}",
            "{}",
            "seeds: invalid value {}; expected an integer from 1 to 100000 or a mapping with looks, futility, n, values, first",
        ),
        ("{looks: [3, 5]}", "{n: 5, from: 3}", "seeds.from: unknown key; choose from: looks, futility, n, values, first"),
        ("{looks: [3, 5]}", "{values: [1, 2, 1]}", "seeds.values: [1, 2, 1] lists 1 twice; expected different seeds"),
        ("{looks: [3, 5]}", "{values: [1, 2], n: 2}", "seeds.values: [1, 2] beside n; remove n"),
        ("{looks: [3, 5]}", "{looks: [2, 3], values: [1, 2]}", "2 seeds are listed, but the last look is at 3; list 3 seeds"),
        ("{looks: [3, 5]}", "{values: [1, 2], first: 3}", "seeds.first: 3 beside values, which lists every seed"),
        (
            "{looks: [3, 5]}",
            "{values: [100000]}",
            "seeds.values[0]: 100000 is out of range; expected an integer from 0 and below 100000",
        ),
        ("question: Does b beat a?", "question: q?\ntask: nonsense", "unknown task 'nonsense'; use cifar_resnet"),
        (
            "question: Does b beat a?",
            "question: q?\ntune: {space: {optimizer.lr: [0.1]}}",
            "tune.space.optimizer.lr: invalid value [0.1]",
        ),
        (
            "question: Does b beat a?",
            "question: q?\ntune: {space: {optimizer.rl: [0.1, 0.2]}}",
            "unknown configuration path; did you mean optimizer.lr?",
        ),
        (
            "question: Does b beat a?",
            "question: q?\ntune: {space: {model.activation: [relu, gelu]}}",
            "the variants set model.activation",
        ),
        ("question: Does b beat a?", "question: q?\ntune: {space: {optimizer.lr: [0.1, -1]}}", "-1 is out of range"),
        (
            "question: Does b beat a?",
            "question: q?\ntune: {space: {optimizer.lr: [0.1, 0.2]}}",
            "tuning needs data.validation_size above 0",
        ),
    ],
)
def test_what_is_wrong_with_the_rest_of_the_file_is_said(tmp_path: Path, old: str, new: str, what: str) -> None:
    assert what in problems(write(tmp_path, GOOD.replace(old, new)))


def test_a_file_that_is_no_mapping_or_has_no_usable_name_is_refused(tmp_path: Path) -> None:
    assert "not an experiment; expected a mapping" in problems(write(tmp_path, "- a\n"))
    assert "not an experiment; expected a mapping" in problems(write(tmp_path, ""))
    assert "invalid file name" in problems(write(tmp_path, GOOD, "my exp@2.yaml"))


@pytest.mark.parametrize("label", ["lr=0.1", "'lr=0.1, schedule=cosine'", "all"])
@pytest.mark.parametrize(("baseline", "what"), [("", "missing, and no variant is the base"), ("baseline: z\n", "no variant 'z'")])
def test_a_wrong_baseline_is_one_problem_whatever_is_claimed_over_it(
    tmp_path: Path, baseline: str, what: str, label: str
) -> None:
    design = "factors: {optimizer.lr: [0.1, 0.3], schedule.name: [cosine, linear]}\ndesign: grid\n"
    text = f"question: q?\nseeds: 3\nmargin: 1\n{design}{baseline}claims: [{{improves: {label}}}]\n"
    told = problems(write(tmp_path, text))
    assert what in told
    assert "1 problem;" in told


SEARCH = """
question: How good does it get?
config: {data.dataset: cifar10_mini, data.validation_size: 500}
margin: 3
search: {space: {optimizer.lr: {range: [0.01, 0.1]}}, confirm: {top: 1, seeds: 3}}
"""


def test_a_search_takes_no_seeds_and_no_claims_from_the_profile_of_its_base(tmp_path: Path) -> None:
    write(tmp_path, GOOD + "profiles: {quick: {seeds: 3, claims: [{worsens: b}], config: {training.epochs: 2}}}", "base.yaml")
    experiment = load_experiment(write(tmp_path, SEARCH + "extends: base.yaml"), "quick")
    assert experiment.search is not None
    assert experiment.variants[0].config.model_dump()["training"]["epochs"] == 2
    own = write(tmp_path, SEARCH + "profiles: {quick: {seeds: 3}}")
    assert load_experiment(own).looks == (1,)
    with pytest.raises(InputError, match="seeds: seeds beside search"):
        load_experiment(own, "quick")


def test_a_search_that_confirms_needs_a_margin_to_judge_the_winner_by(tmp_path: Path) -> None:
    assert load_experiment(write(tmp_path, SEARCH)).margin == 3
    said = problems(write(tmp_path, SEARCH.replace("margin: 3\n", "")))
    assert "mine.yaml:4:55: search.confirm: needs a margin" in said


def test_what_is_tuned_cannot_be_set_from_outside(tmp_path: Path) -> None:
    tune = "config: {data.validation_size: 5000}\ntune: {space: {optimizer.lr: [0.1, 0.2]}}\n"
    path = write(tmp_path, GOOD + tune)
    assert load_experiment(path, settings=["model.dropout=0.5"]).tuning is not None
    with pytest.raises(InputError, match="tune sets optimizer"):
        load_experiment(path, settings=["optimizer.lr=0.3"])
