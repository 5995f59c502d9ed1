"""`first`: the first seed of an experiment, in plans, profiles and tuned experiments."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan

EXPERIMENT = """
question: Do the better toys score higher?
task: toy_task:TOY
variants: {base: {}, better: {effect: 2.0}}
baseline: base
seeds: SEEDS
margin: 0.5
claims: [{improves: better}]
profiles: {smoke: {seeds: 2}, late: {seeds: {n: 2, first: 50}}}
"""


def planned(folder: Path, seeds: str, profile: str | None = None, more: int | None = None, text: str = "") -> Plan:
    path = folder / "toys.yaml"
    path.write_text(EXPERIMENT.replace("SEEDS", seeds) + text)
    return make_plan(load_experiment(path, profile), "cpu", more)


def seeds(plan: Plan) -> list[int]:
    return list(dict.fromkeys(run.seed for run in plan.runs))


@pytest.mark.parametrize(
    ("text", "looks", "expected"),
    [
        ("3", (3,), range(3)),
        ("{n: 3}", (3,), range(3)),
        ("{n: 3, first: 20}", (3,), range(20, 23)),
        ("{looks: [3, 5], first: 20}", (3, 5), range(20, 25)),
        ("{n: 5, first: 995}", (5,), range(995, 1000)),
    ],
)
def test_seeds_start_at_the_first(tmp_path: Path, text: str, looks: tuple[int, ...], expected: range) -> None:
    plan = planned(tmp_path, text)
    assert (plan.looks, seeds(plan)) == (looks, list(expected))
    assert [run.look for run in plan.runs[::2]] == [next(look for look in looks if place < look) for place in range(looks[-1])]


def test_a_run_has_the_same_id_wherever_its_seeds_start(tmp_path: Path) -> None:
    assert planned(tmp_path, "{n: 3, first: 2}").runs[0].id == planned(tmp_path, "3").runs[4].id
    assert planned(tmp_path, "{n: 3, first: 2}").claims_digest == planned(tmp_path, "3").claims_digest


def test_a_profile_replaces_the_seeds_as_a_whole(tmp_path: Path) -> None:
    assert seeds(planned(tmp_path, "{n: 3, first: 20}", "smoke")) == [0, 1]
    assert seeds(planned(tmp_path, "3", "late")) == [50, 51]


TUNED = "tune: {space: {steps: [1, 4]}, seeds: 2}\n"


def test_more_seeds_follow_the_first_and_end_below_100_000(tmp_path: Path) -> None:
    assert seeds(planned(tmp_path, "{n: 3, first: 20}", more=5)) == [20, 21, 22, 23, 24]
    assert seeds(planned(tmp_path, "{n: 3, first: 20}", more=2_000))[-1] == 2_019
    with pytest.raises(InputError, match="99990 is out of range; must be at most 99980, as the first seed is 20"):
        planned(tmp_path, "{n: 3, first: 20}", more=99_990)


def test_the_seeds_of_a_tuned_experiment_end_where_those_of_its_tuning_start(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="990 is out of range; must be at most 980, as the first seed is 20, where the seeds of"):
        planned(tmp_path, "{n: 3, first: 20}", more=990, text=TUNED)
    for declared in ("{n: 3, first: 998}", "{values: [1, 1000]}", "1001"):
        with pytest.raises(
            InputError, match="seeds: seed 1000 is out of range; must be below 1000, where the seeds of the tuning"
        ):
            planned(tmp_path, declared, text=TUNED)


def test_the_evidence_of_a_tuned_experiment_starts_at_the_first(tmp_path: Path) -> None:
    plan = planned(tmp_path, "{n: 3, first: 20}", text=TUNED)
    assert plan.selection is not None
    assert (seeds(plan), plan.selection.first_seed, plan.selection.seeds) == ([1000, 1001], 20, 3)
