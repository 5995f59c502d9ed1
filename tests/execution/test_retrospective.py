"""A claim is registered only if none of the results it is judged on had finished when its plan was written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from examples import changed, toy_rows, write_run
from simulated import comparison, frame, plan_of

from harness.analysis.verdicts import Verdict, judge
from harness.analysis.verdicts.document import judged
from harness.errors import PlanChanged
from harness.execution.recording import record_looks
from harness.execution.schedule import judge_records, requested
from harness.execution.stages import save_resolved_plan
from harness.experiment import load_experiment
from harness.experiment.plan import Plan, make_plan
from harness.reporting import phrases
from harness.store.frames import runs_frame
from harness.store.records import Store
from harness.tasks.protocol import Metric

EXPERIMENT = """
question: Do the better toys score higher?
task: toy_task:TOY
variants: {base: {}, better: {effect: 2.0}}
baseline: base
seeds: 3
margin: 0.5
claims: [{improves: better}]
"""
NOISE = (0.0, 0.1, -0.1, 0.05, -0.3, 0.2, 0.15, -0.2, 0.1, 0.0)

Asked = Callable[..., Plan]


@pytest.fixture
def asked(store: Store, tmp_path: Path) -> Asked:
    """Writes EXPERIMENT with replacements to NAME.yaml and saves its plan as `harness run` does."""

    def ask(*replacements: tuple[str, str], name: str = "toys", replan: bool = False, seeds: int | None = None) -> Plan:
        text = EXPERIMENT
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        return save_resolved_plan(store, make_plan(load_experiment(path), "cpu", seeds, "2026-01-01T00:00:00+00:00"), replan)

    return ask


def finish(store: Store, plan: Plan, variants: Sequence[str] = (), seeds: int = 1000, gain: float = 2.0) -> None:
    """The runs of the variants (default: all) with the first seeds finish."""
    for run in plan.runs:
        if run.variant in (variants or plan.variants) and run.seed in plan.first_seeds(seeds):
            score = 50.0 + NOISE[run.seed % 10] + (gain + NOISE[-1 - run.seed % 10] if run.variant != "base" else 0.0)
            write_run(store, plan, run, toy_rows(score), state="completed")


def verdicts(store: Store, plan: Plan) -> tuple[Verdict, ...]:
    return judge_records(plan, store.records(run.id for run in plan.runs)).verdicts


def known(verdict: Verdict) -> tuple[str, int | None, int]:
    assert verdict.registration is not None
    return verdict.registration.when, verdict.registration.results_known, verdict.registration.results_used


def test_a_claim_written_before_its_results_is_registered(store: Store, asked: Asked) -> None:
    plan = asked()
    assert plan.known == ()
    assert known(verdicts(store, plan)[0]) == ("before", 0, 6)  # waiting: the results of the first look
    finish(store, plan)
    (verdict,) = verdicts(store, asked())  # asked again when all are known
    assert (known(verdict), verdict.verdict, verdict.registered) == (("before", 0, 6), "supported", True)
    assert phrases.registration(verdict, plan) == "Registered before any of its results was known"


def test_a_file_copied_to_another_name_after_the_runs_is_retrospective(store: Store, asked: Asked) -> None:
    finish(store, asked())
    copy = asked(("improves", "worsens"), name="copy")
    (verdict,) = verdicts(store, copy)
    assert (known(verdict), verdict.verdict, verdict.registered) == (("after", 6, 6), "refuted", False)
    assert phrases.registration(verdict, copy) == (
        "RETROSPECTIVE: 6 of 6 results were known when this plan was written; judge it on fresh seeds with seeds: {n: 3, first: 3}"
    )
    assert phrases.known_results(copy) == "6 of 6 results existed before this plan: claims about them are RETROSPECTIVE"


def test_a_plan_that_was_removed_and_made_again_is_retrospective(store: Store, asked: Asked) -> None:
    plan = asked()
    finish(store, plan)
    store.paths.plan(plan.name).unlink()
    assert known(verdicts(store, asked())[0]) == ("after", 6, 6)


def test_results_that_a_look_judged_are_known_after_they_and_their_plan_were_removed(store: Store, asked: Asked) -> None:
    plan = asked()
    finish(store, plan)
    records = store.records(run.id for run in plan.runs)
    record_looks(store, plan, records, judge_records(plan, records))
    store.paths.plan(plan.name).unlink()
    for run in plan.runs:
        shutil.rmtree(store.paths.run(run.id).folder)
    again = asked(name="others")
    finish(store, again)
    assert known(verdicts(store, again)[0]) == ("after", 6, 6)


@pytest.mark.parametrize(
    ("created", "found"),
    [
        ("2026-01-02T03:14:06+00:00", ("after", 6, 6)),
        ("2026-01-02T03:14:00+00:00", ("before", 0, 6)),  # as far as the clocks of two machines may differ
    ],
)
def test_results_copied_into_the_folder_of_a_later_plan_are_known(
    store: Store, asked: Asked, created: str, found: tuple[str, int, int]
) -> None:
    plan = changed(asked(), created=created)
    assert plan.known == ()
    finish(store, plan)
    (verdict,) = verdicts(store, plan)
    assert known(verdict) == found
    assert ("(by the times in the files)" in phrases.registration(verdict, plan)) == (found[0] == "after")


def test_replanning_after_the_runs_is_retrospective(store: Store, asked: Asked) -> None:
    finish(store, asked())
    assert known(verdicts(store, asked(("margin: 0.5", "margin: 0.1"), replan=True))[0]) == ("after", 6, 6)


def test_an_inconclusive_plan_asked_again_with_more_seeds_under_another_name_is_retrospective(store: Store, asked: Asked) -> None:
    plan = asked(("seeds: 3", "seeds: {looks: [3, 5, 10]}"))
    finish(store, plan, gain=0.1)
    again = asked(("seeds: 3", "seeds: 20"), name="again")
    assert known(verdicts(store, again)[0]) == ("after", 20, 40)
    finish(store, again, gain=0.6)
    (verdict,) = verdicts(store, again)
    assert (known(verdict), verdict.verdict) == (("after", 20, 40), "supported")


def test_results_of_the_baseline_alone_count_and_are_named(store: Store, asked: Asked) -> None:
    finish(store, asked(), ["base"])
    plan = asked(("better", "best"), ("effect: 2.0", "effect: 3.0"), name="other")
    (verdict,) = verdicts(store, plan)
    assert (known(verdict), verdict.registration and verdict.registration.only) == (("after", 3, 6), ("base",))
    assert phrases.registration(verdict, plan).startswith(
        "RETROSPECTIVE: 3 of 6 results were known when this plan was written, all of the baseline base; judge it on fresh seeds"
    )


def test_a_claim_is_retrospective_only_about_results_that_it_is_judged_on(store: Store, asked: Asked) -> None:
    three = ("{base: {}, better: {effect: 2.0}}", "{base: {}, better: {effect: 2.0}, best: {effect: 3.0}}")
    finish(store, asked(), ["better"])
    plan = asked(three, ("[{improves: better}]", "[{improves: better}, {improves: best}]"), name="three")
    assert [known(each) for each in verdicts(store, plan)] == [("after", 3, 6), ("before", 0, 6)]
    assert phrases.retrospective_claims(verdicts(store, plan), plan) == (
        "RETROSPECTIVE: claim 1: 3 of 6 results were known when this plan was written; judge it on fresh seeds with seeds: {n: 3,"
        " first: 3}",
    )


@pytest.mark.parametrize("state", ["diverged", "failed"])
def test_runs_that_diverged_or_failed_are_results(store: Store, asked: Asked, state: str) -> None:
    plan = asked()
    write_run(store, plan, plan.runs[1], toy_rows(50.0), state=state)
    assert asked(name="copy").known == (plan.runs[1].id,)


def test_fresh_seeds_make_a_claim_registered(store: Store, asked: Asked) -> None:
    finish(store, asked())
    plan = asked(("seeds: 3", "seeds: {n: 3, first: 20}"), name="fresh")
    assert [run.seed for run in plan.runs] == [20, 20, 21, 21, 22, 22]
    finish(store, plan)
    (verdict,) = verdicts(store, plan)
    assert (known(verdict), verdict.verdict) == (("before", 0, 6), "supported")
    assert {run.seed for run in asked(("seeds: 3", "seeds: {n: 3, first: 20}"), name="fresh", seeds=5).runs} == set(range(20, 25))


@pytest.mark.parametrize("first", [2, 20])
def test_other_seeds_in_the_same_file_are_another_plan(store: Store, asked: Asked, first: int) -> None:
    finish(store, asked())
    now = ("seeds: 3", f"seeds: {{n: 3, first: {first}}}")
    with pytest.raises(PlanChanged, match=f"first seed: 0 -> {first}"):
        asked(now)
    assert asked(now, replan=True).runs[0].seed == first


def test_a_claim_added_to_the_file_has_what_was_known_then(store: Store, asked: Asked) -> None:
    plan = asked(("seeds: 3", "seeds: {looks: [3, 5]}"))
    finish(store, plan, seeds=2)
    more = [("seeds: 3", "seeds: {looks: [3, 5]}"), ("[{improves: better}]", "[{improves: better}, {no_loss: better}]")]
    later = asked(*more)
    assert later.amended is not None
    assert later.amended.known == tuple(run.id for run in plan.runs if run.seed < 2)
    finish(store, plan)
    again = asked(*more, seeds=7)
    assert again.amended == later.amended
    first, second = verdicts(store, again)
    assert (known(first), first.registered, second.registered) == (("before", 0, 6), True, False)
    assert known(second) == ("after", 4, 6)
    assert "4 of 6 results were known when this claim was added to the file" in phrases.registration(second, again)


def test_a_claim_added_when_no_result_was_known_is_not_retrospective(store: Store, asked: Asked) -> None:
    plan = asked()
    folder = store.paths.run(plan.runs[0].id).folder
    folder.mkdir(parents=True)
    write_run(store, plan, plan.runs[0], toy_rows(50.0), state="failed")
    result = store.paths.run(plan.runs[0].id).result
    result.rename(result.with_name("result.1.json"))  # retried
    now = changed(plan, amended={**_registration(plan, "no_loss"), "at": "2026-01-02T00:00:00+00:00", "known": ()})
    verdict = verdicts(store, now)[1]
    assert (known(verdict), verdict.registered, verdict.retrospective) == (("before", 0, 6), False, False)
    assert phrases.registration(verdict, now) == "Added to the file when none of its results was known"


def _registration(plan: Plan, kind: str) -> dict[str, object]:
    own = {name: getattr(plan, name) for name in ("baseline", "looks", "margin", "alpha")}
    return {**own, "claims": [{**dict(plan.claims[0]), "kind": kind}], "claims_digest": "1" * 12}


@pytest.mark.parametrize(
    ("created", "found"),
    [
        ("2026-01-02T03:04:05+00:00", ("before", 0, 6)),  # results ended in the same second
        ("2026-01-02T03:04:06+00:00", ("after", 6, 6)),
        ("", None),
        ("2026-01-02T03:04:06", None),  # no time zone
    ],
)
def test_an_older_plan_is_judged_by_the_times_in_the_files(
    store: Store, asked: Asked, created: str, found: tuple[str, int, int] | None
) -> None:
    plan = changed(asked(), known=None, created=created)
    finish(store, plan)
    (verdict,) = verdicts(store, plan)
    assert (None if verdict.registration is None else known(verdict)) == found
    assert phrases.registration(verdict, plan).endswith("unknown") == (found is None)
    assert ("(by the times in the files)" in phrases.registration(verdict, plan)) == (found is not None)


def test_an_older_plan_needs_the_times_of_its_results() -> None:
    plan = changed(plan_of(("base", "b"), [comparison("improves", "b")], (3,)), known=None)
    runs = frame(plan, {"base": [1.0, 2.0, 3.0], "b": [2.0, 3.1, 4.2]})
    assert judge(plan, runs)[0].registration is None
    timed = judge(plan, runs.assign(ended="2026-01-02T03:04:05+00:00"))[0].registration
    assert timed is not None
    assert timed.when == "before"


def test_claims_that_an_older_version_saw_added_are_retrospective(store: Store, asked: Asked) -> None:
    plan = asked()
    plan = changed(plan, amended=_registration(plan, "no_loss"))
    finish(store, plan)
    verdict = verdicts(store, plan)[1]
    assert known(verdict) == ("after", None, 6)
    assert "how many results were known is not recorded" in phrases.registration(verdict, plan)


def test_nothing_is_known_of_an_experiment_without_a_plan(store: Store, asked: Asked, tmp_path: Path) -> None:
    plan = asked()
    finish(store, plan)
    (verdict,) = judge(load_experiment(tmp_path / "toys.yaml"), runs_frame(plan, store.records(run.id for run in plan.runs)))
    assert (verdict.verdict, verdict.registration, verdict.registered) == ("supported", None, False)


def test_known_results_do_not_change_when_training_stops(store: Store, asked: Asked) -> None:
    looks = ("seeds: 3", "seeds: {looks: [3, 5, 10]}")
    plan = asked(looks)
    finish(store, plan, seeds=3)
    copy = asked(looks, name="copy")
    records = store.records(run.id for run in plan.runs)
    assert copy.known == tuple(run.id for run in plan.runs if run.seed < 3)
    assert requested(copy, records) == requested(plan, records) == plan.runs[:6]


def test_the_documents_say_when_a_claim_was_registered(store: Store, asked: Asked) -> None:
    finish(store, asked())
    copy = asked(name="copy")
    found = judge_records(copy, store.records(run.id for run in copy.runs))
    (document,) = judged(found, {"score": Metric("points", "maximize")})["verdicts"]
    assert {key: document[key] for key in ("registered", "registration", "results_known", "results_used", "at")} == {
        "registered": False,
        "registration": "after",
        "results_known": 6,
        "results_used": 6,
        "at": "2026-01-01T00:00:00+00:00",
    }
    assert json.loads(store.paths.plan("copy").read_text())["known"] == [run.id for run in copy.runs]


# The next two are about the null hypothesis: every supported claim is an error.


def supported(plan: Plan, values: dict[str, np.ndarray]) -> Verdict | None:
    (verdict,) = judge(plan, frame(plan, {label: list(own) for label, own in values.items()}))
    return verdict if verdict.verdict == "supported" else None


@pytest.mark.slow
def test_a_new_file_after_inconclusive_looks_adds_no_registered_error() -> None:
    draw, claim = np.random.default_rng(1), [comparison("improves", "b", margin=0.01)]
    looks, file = plan_of(("base", "b"), claim, (3, 5, 8, 12, 20)), plan_of(("base", "b"), claim, (20,))
    errors, all_claims = 0, 0
    for _ in range(400):
        values = {label: draw.normal(90.0, 0.3, 20) for label in ("base", "b")}
        first = supported(looks, values)
        second = supported(changed(file, known=[run.id for run in looks.runs]), values) if first is None else None
        errors += sum(one.registered for one in (first, second) if one is not None)
        all_claims += (first or second) is not None
    assert all_claims > errors
    assert errors <= 400 * (0.025 + 3 * (0.025 * 0.975 / 400) ** 0.5)


@pytest.mark.parametrize("variants", [6, 10, 20])
def test_claiming_the_best_of_many_exploratory_variants_is_never_registered(variants: int) -> None:
    draw, count, errors = np.random.default_rng(variants), 60, 0
    labels = [f"v{place}" for place in range(variants)]
    for _ in range(count):
        values = {label: draw.normal(90.0, 0.3, 5) for label in ("base", *labels)}
        best = max(labels, key=lambda label: float(values[label].mean()))
        plan = plan_of(("base", best), [comparison("improves", best, margin=0.01)], (5,))
        verdict = supported(changed(plan, known=[run.id for run in plan.runs]), values)
        errors += verdict is not None
        assert verdict is None or not verdict.registered
    assert errors > 0.025 * count  # more than a registered claim may err
