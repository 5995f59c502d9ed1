"""`seeds: {values: [...]}`: every count of seeds goes by the order of the list, not by the numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from examples import changed, toy_rows, write_run

from harness.analysis.verdicts import judge, judgement, table
from harness.errors import InputError, PlanChanged
from harness.execution.schedule import Schedule, requested
from harness.execution.stages import choices, next_plan, resolve_plan
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan
from harness.experiment.plan_check import missing_runs
from harness.experiment.plan_check import problems as contradictions
from harness.reporting import phrases
from harness.reporting.tables.sources import Sources
from harness.store.check.plan import check_plan
from harness.store.frames import runs_frame
from harness.store.records import Store

EXPERIMENT = """
question: Do the better toys score higher?
task: toy_task:TOY
variants: {base: {}, better: {effect: 2.0}, other: {effect: 1.0}}
baseline: base
seeds: SEEDS
margin: 0.5
claims: [{improves: better}, {improves: other}]
"""
LISTED = (42, 7, 999, 0, 13, 3, 100, 2, 1, 500)
LOOKS = "[3, 5, 10]"
# Differences by place: `better` is decided at the first look, `other` at the second.
GAINS = {"base": [0.0] * 10, "better": [2.0, 2.1, 1.9, 2.05, 1.95] * 2, "other": [1.2, 0.5, 0.9, 0.8, 1.0] * 2}

Made = Callable[..., Plan]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def make(seeds: str, count: int | None = None, more: str = "", **options: int) -> Plan:
        path = tmp_path / "toys.yaml"
        path.write_text(EXPERIMENT.replace("SEEDS", seeds) + more)
        return make_plan(load_experiment(path), "cpu", count, "2026-01-01T00:00:00+00:00", **options)

    return make


def order(plan: Plan) -> list[int]:
    return list(dict.fromkeys(run.seed for run in plan.runs))


def finish(store: Store, plan: Plan, seeds: int) -> None:
    """The first `seeds` seeds finish; results go by the place of the seed."""
    for place, seed in enumerate(order(plan)[:seeds]):
        for run in plan.runs:
            if run.seed == seed:
                write_run(store, plan, run, toy_rows(50.0 + 0.3 * place + GAINS[run.variant][place]), state="completed")


def listed(values: Sequence[int] = LISTED, looks: str = LOOKS) -> str:
    return f"{{looks: {looks}, values: {list(values)}}}"


def test_runs_are_planned_in_the_order_of_the_list_with_the_ids_of_their_seeds(made: Made) -> None:
    plan = made(listed())
    assert order(plan) == list(LISTED)
    assert [run.look for run in plan.runs] == [3] * 9 + [5] * 6 + [10] * 15
    usual = {run.id for run in made("1000").runs}
    assert {run.id for run in plan.runs} < usual
    assert (missing_runs(plan), list(contradictions(plan))) == ([], [])
    assert order(made("{values: [1, 2, 42]}")) == [1, 2, 42]


@pytest.mark.parametrize("finished", [2, 3, 5, 10])
def test_listed_seeds_give_the_judgement_of_the_same_results_under_0_to_n(made: Made, tmp_path: Path, finished: int) -> None:
    found = []
    for name, seeds in (("listed", listed()), ("counted", f"{{looks: {LOOKS}}}")):
        plan, store = made(seeds), Store.open(tmp_path / name)
        finish(store, plan, finished)
        records = store.records(run.id for run in plan.runs)
        place = {seed: number for number, seed in enumerate(order(plan))}
        judged = judgement(plan, runs_frame(plan, records))
        limit = Schedule(plan).limit(records)
        found.append(
            (
                [(verdict.verdict, verdict.decided_at, verdict.rows) for verdict in judged.verdicts],
                (judged.look, judged.horizon, judged.horizons, judged.finished, limit),
                [(run.variant, place[run.seed]) for run in requested(plan, records)],
                table(plan, runs_frame(plan, records), "score").rows,
                phrases.not_needed(plan, judged),
                len(Sources(plan, records).pairs("better", "base", 2)),
            )
        )
    assert repr(found[0]) == repr(found[1])  # NaN is not equal to itself


def test_an_experiment_judges_a_frame_by_the_order_of_its_list(made: Made, tmp_path: Path) -> None:
    plan, store = made(listed()), Store.open(tmp_path / "results")
    finish(store, plan, 5)
    frame = runs_frame(plan, store.records(run.id for run in plan.runs)).sample(frac=1, random_state=1)
    found = judge(load_experiment(tmp_path / "toys.yaml"), frame)
    # repr: since Python 3.13 nan makes dataclasses unequal
    assert repr([verdict.rows for verdict in found]) == repr([verdict.rows for verdict in judgement(plan, frame).verdicts])
    assert [verdict.decided_at for verdict in found] == [3, 5]


def test_a_changed_variant_is_named_beside_other_seeds(made: Made, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "results")
    store.save_plan(plan := made("3"))
    finish(store, plan, 1)
    other = EXPERIMENT.replace("SEEDS", "{n: 3, first: 1}").replace("effect: 2.0", "effect: 3.0")
    (tmp_path / "toys.yaml").write_text(other)
    with pytest.raises(PlanChanged, match="first seed: 0 -> 1") as error:
        resolve_plan(store, make_plan(load_experiment(tmp_path / "toys.yaml")))
    assert "variant 'better': effect: 2.0 -> 3.0" in str(error.value)


def test_a_seed_is_named_by_its_number(made: Made, tmp_path: Path) -> None:
    plan, store = made(listed()), Store.open(tmp_path / "results")
    finish(store, plan, 5)
    lost = next(run for run in plan.runs if (run.variant, run.seed) == ("better", 7))
    store.paths.run(lost.id).result.unlink()
    write_run(store, plan, lost, toy_rows(50.0), state="diverged")
    judged = judgement(plan, runs_frame(plan, store.records(run.id for run in plan.runs)))
    assert "diverged: better seed 7" in str(judged.verdicts[0])


def test_a_stored_plan_with_listed_seeds_has_no_findings(made: Made) -> None:
    plan, path = made(listed()), Path("toys.json")
    assert list(check_plan(plan, path)) == []
    shorter = changed(plan, runs=[run for run in plan.runs if run.seed != 999])
    assert next(iter(check_plan(shorter, path))).what == "lacks the run base seed 999 and 2 more"
    swapped = changed(plan, listed_seeds=(7, 42, *LISTED[2:]))
    assert list(contradictions(swapped)) == ["runs: seed 7 of base comes after seed 42; runs are listed seed by seed"]
    assert list(contradictions(changed(plan, listed_seeds=(42, 7)))) == ["listed_seeds: lacks the seed 999 of base"]
    assert list(contradictions(changed(plan, listed_seeds=(42, 42)))) == ["listed_seeds: [42, 42] lists a seed twice"]


def test_more_seeds_than_listed_or_another_first_are_refused(made: Made) -> None:
    with pytest.raises(
        InputError, match=r"^--seeds: 12 is more than the 10 seeds that .*toys.yaml lists; add 2 to seeds: {values"
    ):
        made(listed(), 12)
    with pytest.raises(InputError, match=r"^--first-seed: .*toys.yaml lists its seeds; change seeds: {values: \[...\]} there"):
        made(listed(), first_seed=3)
    assert order(made(listed(), 10)) == list(LISTED)


def test_seeds_added_to_the_list_extend_the_plan_and_others_are_refused(made: Made, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "results")
    store.save_plan(plan := made("{values: [42, 7, 999]}"))
    finish(store, plan, 1)
    longer, _ = resolve_plan(store, made("{values: [42, 7, 999, 0]}"))
    assert (order(longer), longer.listed_seeds, longer.looks) == ([42, 7, 999, 0], (42, 7, 999, 0), (3,))
    store.save_plan(longer)
    kept, _ = resolve_plan(store, made("{values: [42, 7, 999]}"))
    assert (order(kept), kept.listed_seeds) == ([42, 7, 999, 0], (42, 7, 999, 0))
    with pytest.raises(PlanChanged, match=r"seeds: 42, 7, 999, 0 -> 7, 42, 999"):
        resolve_plan(store, made("{values: [7, 42, 999]}"))


def test_a_list_that_begins_with_the_counted_seeds_extends_them(made: Made, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "results")
    store.save_plan(plan := made("3"))
    finish(store, plan, 1)
    assert order(resolve_plan(store, made("{values: [0, 1, 2, 42]}"))[0]) == [0, 1, 2, 42]
    with pytest.raises(PlanChanged, match=r"seeds: 0, 1, 2 -> 0, 2, 1"):
        resolve_plan(store, made("{values: [0, 2, 1]}"))


def test_the_evidence_of_a_tuned_experiment_has_the_listed_seeds(made: Made, tmp_path: Path) -> None:
    tuning = made("{values: [42, 7, 999]}", more="tune: {space: {steps: [1, 4]}, seeds: 2}\n")
    assert (order(tuning), tuning.listed_seeds) == ([1000, 1001], ())
    store = Store.open(tmp_path / "results")
    for number, run in enumerate(tuning.runs):
        write_run(store, tuning, run, toy_rows(50.0 + number), state="completed")
    records = store.records(run.id for run in tuning.runs)
    assert choices(tuning, records)
    evidence = next_plan(tuning, records)
    assert evidence is not None
    assert (order(evidence), evidence.listed_seeds) == ([42, 7, 999], (42, 7, 999))


def test_the_first_seed_can_be_given_on_the_command_line(made: Made, tmp_path: Path) -> None:
    plan = made("{n: 3, first: 20}", first_seed=1)
    assert order(plan) == [1, 2, 3]
    assert phrases.command(plan, Path("results")).endswith("toys.yaml --first-seed 1 --device cpu")
    tuned = made("3", first_seed=1, more="tune: {space: {steps: [1, 4]}, seeds: 2}\n")
    assert tuned.selection is not None
    assert (order(tuned), list(tuned.selection.seeds_of_then)) == ([1000, 1001], [1, 2, 3])
    assert "--first-seed 1" in phrases.command(tuned, Path("results"))
    with pytest.raises(
        InputError, match="--first-seed: 998 is out of range; must be at most 997 for 3 seeds, where the seeds of"
    ):
        made("3", first_seed=998, more="tune: {space: {steps: [1, 4]}, seeds: 2}\n")
    assert order(made("3", first_seed=998)) == [998, 999, 1000]
    with pytest.raises(InputError, match=r"--first-seed: 99998 is out of range; must be at most 99997 for 3 seeds\n"):
        made("3", first_seed=99_998)
    store = Store.open(tmp_path / "results")
    store.save_plan(plan)
    finish(store, plan, 1)
    with pytest.raises(PlanChanged, match=r"first seed: 1 -> 0 \(seeds: {first: 1, ...} and --first-seed 1 keep it\)"):
        resolve_plan(store, made("3"))
