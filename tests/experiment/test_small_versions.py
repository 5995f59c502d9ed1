"""Small versions of experiments: how much smaller they are, and profiles whose results are evidence."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.errors import InputError, PlanChanged
from harness.execution.stages import next_plan
from harness.experiment import Experiment, load_experiment
from harness.experiment.changes import reconcile
from harness.experiment.plan import Plan, make_plan
from harness.experiment.scale import Scale
from harness.experiment.study import make_study
from harness.reporting import phrases
from harness.tasks.protocol import Workload

SHIPPED = Path(__file__).parent.parent.parent / "experiments"
LARGE = sorted(path for path in SHIPPED.glob("*.yaml") if path.stem != "paper")
SMALL = """
question: Is it as good, smaller?
extends: paper.yaml
scale_of: paper.yaml
config: {data.train_limit: 10000, training.epochs: 4, model.stem_width: 16}
variants: {base: {}, narrow: {model.stem_width: 8}}
seeds: 2
profiles:
  smoke: {config: {training.epochs: 2, data.train_limit: 1000}}
  other: {evidence: true, config: {data.dataset: cifar10_mini, data.train_limit: null}}
"""


def small(tmp_path: Path, text: str = SMALL, profile: str | None = None, settings: tuple[str, ...] = ()) -> Experiment:
    path = tmp_path / "little.yaml"
    path.write_text(text)
    return load_experiment(path, profile, settings)


def planned(experiment: Experiment) -> Plan:
    return make_plan(experiment, fingerprint=lambda _: "stub:0")


def test_the_scale_counts_multiply_adds_images_and_parameters(tmp_path: Path) -> None:
    plan = planned(small(tmp_path))
    own, paper = (load_experiment(name).task.describe(config) for name, config in _bases(tmp_path))
    # Batches of 128, the last one of an epoch dropped: 78 of 10,000 images, 390 of 50,000.
    share = own["multiply_adds"] * 4 * 78 / (paper["multiply_adds"] * 400 * 390)
    assert plan.scale is not None
    assert plan.scale.compute == pytest.approx(share, rel=1e-12)
    assert (plan.scale.of, plan.scale.cases, plan.scale.what) == ("paper", (10_000, 10_000), "images")
    assert plan.scale.parameters[0] < plan.scale.parameters[1] == own["parameters"]
    rounded = f"1/{round(1 / share, -1):,.0f}"
    low, high = (f"{number:,d}" for number in plan.scale.parameters)
    sentence = f"at {rounded} of the compute of paper, 10,000 images, networks of {low} to {high} parameters"
    assert phrases.scale(plan) == sentence
    assert Plan.model_validate_json(plan.model_dump_json(by_alias=True)) == plan


def _bases(tmp_path: Path) -> list[tuple[str, object]]:
    return [("paper", small(tmp_path).variants[0].config), ("paper", load_experiment("paper").variants[0].config)]


def test_other_experiments_have_no_scale_and_their_plans_no_new_field() -> None:
    plan = planned(load_experiment("leakyrelu_vs_relu"))
    assert plan.scale is None
    assert phrases.scale(plan) == ""
    assert not {"scale", "evidence"} & plan.model_dump(mode="json").keys()


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("nothing.yaml", "4:11: scale_of: file not found: .*nothing.yaml; use a path relative to this file"),
        ("little.yaml", "4:11: scale_of: the file itself; name the experiment of full size"),
        ("7", "4:11: scale_of: invalid value 7"),
        ("[paper.yaml]", r"^[^(]*4:11: scale_of: invalid value \['paper.yaml'\]; expected text or null\n1 problem"),
    ],
)
def test_what_it_is_a_small_version_of_must_exist(tmp_path: Path, named: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(tmp_path, SMALL.replace("scale_of: paper.yaml", f"scale_of: {named}"))


def test_a_task_that_does_not_know_its_work_has_no_small_versions(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_text("question: Is it?\ntask: toy_task:TOY\nseeds: 2\n")
    text = "question: Is it?\ntask: toy_task:TOY\nscale_of: large.yaml\nconfig: {epochs: 1}\nseeds: 2\n"
    with pytest.raises(InputError, match="3:11: scale_of: the task toy_task:TOY does not state what its runs train"):
        small(tmp_path, text)


@pytest.mark.parametrize(
    ("compute", "words"),
    [
        (1 / 24_135, "1/24,000 of the"),
        (1 / 9.97, "1/10 of the"),
        (1 / 1.52, "1/1.5 of the"),
        (2, "2 times the"),
        (123.4, "120 times the"),
    ],
)
def test_the_share_of_compute_reads_as_a_phrase(tmp_path: Path, compute: float, words: str) -> None:
    plan = planned(small(tmp_path))
    assert plan.scale is not None
    scale = Scale(**{**dict(plan.scale), "compute": compute})
    assert phrases.scale(Plan.model_validate({**dict(plan), "scale": scale})).startswith(f"at {words} compute of paper, ")


@pytest.mark.parametrize("stated", [None, Workload(10, "words", 5, 0)])
def test_a_task_that_states_no_work_of_a_configuration_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: Workload | None
) -> None:
    experiment = small(tmp_path)
    monkeypatch.setattr(type(experiment.task), "workload", lambda *_: stated)
    with pytest.raises(InputError, match=r"states (no workload|a workload of 0 multiply-adds) for base; remove scale_of"):
        planned(experiment)


def test_only_a_profile_that_says_so_is_evidence(tmp_path: Path) -> None:
    assert not small(tmp_path).rehearsal
    assert small(tmp_path, profile="smoke").rehearsal
    evidence = planned(small(tmp_path, profile="other"))
    assert not evidence.rehearsal
    assert phrases.rehearsal(evidence) is None
    assert evidence.name == "little@other"
    changed = planned(small(tmp_path, profile="other", settings=("training.epochs=1",)))
    assert changed.rehearsal
    assert phrases.rehearsal(changed) == "REHEARSAL: --set training.epochs=1, not evidence"
    with pytest.raises(InputError, match=r"profiles\.smoke\.evidence: invalid value 'yes'"):
        small(tmp_path, SMALL.replace("smoke: {", "smoke: {evidence: yes, "))
    with pytest.raises(InputError, match="evidence: unknown key"):
        small(tmp_path, SMALL + "evidence: true\n")


def test_a_rehearsal_is_not_made_evidence_afterwards(tmp_path: Path) -> None:
    rehearsed = planned(small(tmp_path, profile="smoke"))
    promoted = planned(small(tmp_path, SMALL.replace("smoke: {", "smoke: {evidence: true, "), "smoke"))
    with pytest.raises(PlanChanged, match="profile smoke: a rehearsal -> evidence"):
        reconcile(rehearsed, promoted)
    with pytest.raises(PlanChanged, match="profile smoke: evidence -> a rehearsal"):
        reconcile(promoted, rehearsed)


def test_a_plan_made_before_the_file_named_the_large_experiment_gets_its_scale(tmp_path: Path) -> None:
    before = planned(small(tmp_path, SMALL.replace("scale_of: paper.yaml\n", "")))
    now = planned(small(tmp_path))
    assert before.scale is None
    assert reconcile(before, now).scale == now.scale


def test_tuning_that_chooses_a_size_gives_the_comparison_its_own_scale(tmp_path: Path) -> None:
    text = SMALL.replace("seeds: 2\n", "baseline: base\nseeds: 2\ntune: {space: {training.epochs: [4, 40]}, seeds: 1}\n")
    text = text.replace("config: {", "config: {data.validation_size: 500, ")
    tuning = planned(small(tmp_path, text))
    finished = {
        run.id: SimpleNamespace(state="completed", metrics={"validation_accuracy": 90.0 if "40" in run.variant else 10.0})
        for run in tuning.runs
    }
    compared = next_plan(tuning, finished)  # type: ignore[arg-type]
    assert tuning.scale is not None
    assert compared is not None
    assert compared.scale is not None
    assert compared.scale.compute == pytest.approx(10 * tuning.scale.compute, rel=1e-12)
    assert compared.scale.parameters == tuning.scale.parameters


@pytest.mark.parametrize("large", LARGE, ids=lambda path: path.stem)
def test_every_shipped_experiment_has_a_small_version_with_its_claims(large: Path) -> None:
    full, little = load_experiment(large), load_experiment(f"{large.stem}_small")
    assert little.scaled is not None
    assert (little.scaled.stem, little.scaled.variants) == (full.stem, full.variants)
    assert (little.source, little.search is None, little.tuning is None) == (
        full.source,
        full.search is None,
        full.tuning is None,
    )
    assert [kind(claim) for claim in little.claims] == [kind(claim) for claim in full.claims]
    assert len(little.variants) == len(full.variants)
    assert [each.name for each in little.factors] == [each.name for each in full.factors]


@pytest.mark.parametrize("profile", [None, "smoke"])
@pytest.mark.parametrize("path", sorted((SHIPPED / "small").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_small_version_plans_and_says_its_scale(path: Path, profile: str | None) -> None:
    experiment = load_experiment(path, profile)
    plan = make_study(experiment) if experiment.search else planned(experiment)
    assert plan.scale is not None
    assert plan.scale.compute < (1e-5 if profile else 1e-4)
    assert plan.rehearsal == (profile == "smoke")
    assert not load_experiment(path, "jpeg").rehearsal


def kind(claim: object) -> tuple[object, ...]:
    """What a claim is, apart from its numbers."""
    return type(claim), getattr(claim, "metric", None), getattr(claim, "is_", None)
