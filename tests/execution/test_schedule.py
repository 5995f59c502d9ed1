"""What is due, what the looks ask for, and where a plan stands: all of it follows from the plan and the records."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

import pytest
from examples import changed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.execution.schedule import Counts, Limit, Schedule, common_failure, count_states, judge_records, remaining, requested
from harness.experiment.claims import ComparisonClaim
from harness.experiment.plan import Plan, Registration
from harness.store.records import Record

PlanMaker = Callable[..., Plan]
State = str | tuple[str, str]

LOOKS = (3, 5, 10)
CLEAR = (2.0, 2.1, 1.9, 2.05, 1.95, 2.0, 2.1, 1.9, 2.05, 1.95)  # differences by seed: decided at the first look
LATER = (1.2, 0.5, 0.9, 0.8, 1.0, 0.7, 0.9, 0.8, 1.0, 0.9)  # decided at the second
NEVER = (2.0, -2.0) * 5  # undecided to the end


def records_of(plan: Plan, *states: State) -> dict[str, Record]:
    """A record a run, in the order of the plan; a state may be a pair of state and traceback digest."""
    made = {}
    for run, state in zip(plan.runs, states, strict=True):
        name, digest = state if isinstance(state, tuple) else (state, None)
        made[run.id] = Record(run.id, name, traceback_digest=digest)  # type: ignore[arg-type]  # a test's words
    return made


def ended(
    plan: Plan, differences: Sequence[float], seeds: int, other: Mapping[tuple[str, int], str] | None = None
) -> dict[str, Record]:
    """Records of which the first `seeds` have ended, `better` ahead of `base` by `differences`; (variant, seed) in `other` otherwise."""
    found = {}
    for run in plan.runs:
        state = (other or {}).get((run.variant, run.seed), "completed" if run.seed < seeds else "pending")
        score = 50.0 + 0.3 * run.seed + (differences[run.seed % 10] if run.variant == "better" else 0.0)
        metrics = {"score": score} if state == "completed" else {}
        found[run.id] = Record(run.id, state, metrics=metrics, ended_at="then")  # type: ignore[arg-type]  # a test's words
    return found


def seeds_of(runs: Sequence[object]) -> list[int]:
    return sorted({run.seed for run in runs})  # type: ignore[attr-defined]


def claim(**fields: object) -> ComparisonClaim:
    values = {"kind": "improves", "variants": ("better",), "over": ("base",), "margin": 0.5, "metric": "score", **fields}
    return ComparisonClaim(**values)  # type: ignore[arg-type]


@pytest.fixture
def plan(toy_plan: PlanMaker) -> Plan:
    """Two variants, a claim, looks at 3, 5 and 10 seeds."""
    return toy_plan({"base": {}, "better": {"effect": 2.0}}, looks=LOOKS, claims=[claim()])


def test_pending_and_interrupted_runs_remain_in_plan_order(toy_plan: PlanMaker) -> None:
    plan = toy_plan({"a": {}, "b": {"effect": 1.0}}, seeds=3)
    records = records_of(plan, "completed", "pending", "running", "interrupted", "failed", "diverged")
    assert remaining(plan, records) == (plan.runs[1], plan.runs[3])


def test_failed_and_diverged_runs_do_not_remain(toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=3)
    assert remaining(plan, records_of(plan, "failed", "diverged", "pending")) == plan.runs[2:]


def test_after_three_identical_first_failures_nothing_remains(toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=5)
    records = records_of(plan, *[("failed", "here")] * 3, "pending", "interrupted")
    assert remaining(plan, records) == ()
    assert common_failure(plan, records) == records[plan.runs[0].id]


def test_two_identical_failures_stop_nothing(toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=3)
    assert remaining(plan, records_of(plan, ("failed", "here"), ("failed", "here"), "pending")) == plan.runs[2:]


def test_failures_at_different_places_stop_nothing(toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=4)
    assert (
        remaining(plan, records_of(plan, ("failed", "here"), ("failed", "there"), ("failed", "here"), "pending")) == plan.runs[3:]
    )


def test_after_a_completed_run_identical_failures_stop_nothing(toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=5)
    records = records_of(plan, *[("failed", "here")] * 3, "completed", "pending")
    assert remaining(plan, records) == plan.runs[4:]


def test_kills_without_a_traceback_are_not_identical_failures(toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=4)
    assert remaining(plan, records_of(plan, "failed", "failed", "failed", "pending")) == plan.runs[3:]


def test_every_run_is_counted_once(toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=7)
    records = records_of(plan, "completed", "completed", "running", "pending", "interrupted", "diverged", "failed")
    assert count_states(plan, records) == Counts(total=7, done=2, running=1, pending=1, interrupted=1, diverged=1, failed=1)


def test_the_seeds_of_the_first_look_are_requested_first(plan: Plan) -> None:
    assert remaining(plan, ended(plan, CLEAR, 0)) == plan.runs[:6]
    assert remaining(plan, ended(plan, CLEAR, 2)) == plan.runs[4:6]


@pytest.mark.parametrize(
    ("differences", "horizons"),
    [(CLEAR, {3: 3, 5: 3, 10: 3}), (LATER, {3: 5, 4: 5, 5: 5, 7: 5}), (NEVER, {3: 5, 4: 5, 5: 10, 9: 10, 10: 10})],
)
def test_seeds_are_requested_until_every_claim_is_decided(
    plan: Plan, differences: Sequence[float], horizons: Mapping[int, int]
) -> None:
    for seeds, horizon in horizons.items():
        records = ended(plan, differences, seeds)
        assert seeds_of(requested(plan, records)) == list(range(horizon)), seeds
        assert seeds_of(remaining(plan, records)) == list(range(seeds, horizon)), seeds


def test_one_open_claim_of_two_requests_the_next_look(toy_plan: PlanMaker) -> None:
    claims = [claim(), claim(metric="loss", margin=0.01)]
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, looks=LOOKS, claims=claims)
    records = {
        run_id: Record(run_id, record.state, metrics={**record.metrics, "loss": 1.0 + place % 3}, ended_at="then")
        for place, (run_id, record) in enumerate(ended(plan, CLEAR, 3).items())
    }
    assert seeds_of(remaining(plan, records)) == [3, 4]


def test_only_variants_of_open_claims_and_their_references_are_requested_at_later_looks(toy_plan: PlanMaker) -> None:
    variants = {"base": {}, "better": {"effect": 2.0}, "other": {"effect": 0.1}, "unclaimed": {"effect": 0.2}}
    plan = changed(toy_plan(variants, looks=LOOKS, claims=[claim(), claim(variants=("other",))]), drops_decided=True)
    records = dict(ended(plan, CLEAR, 3))
    for run in plan.runs:
        if run.variant == "other" and run.seed < 3:
            records[run.id] = Record(run.id, "completed", metrics={"score": 50.0 + (-1.0) ** run.seed}, ended_at="then")
    further = remaining(plan, records)
    assert {(run.variant, run.seed) for run in further} == {(label, seed) for label in ("base", "other") for seed in (3, 4)}
    assert Schedule(plan).limit(records) == Limit({"base": 5, "better": 3, "other": 5, "unclaimed": 3}, final=False)


def test_claims_added_after_runs_were_seen_request_no_seeds(plan: Plan) -> None:
    now = Registration(
        baseline="base", looks=LOOKS, claims=(claim(), claim(kind="equivalent", metric="loss")), claims_digest="1" * 12
    )
    amended = changed(plan, amended=now)
    assert remaining(amended, ended(plan, CLEAR, 3)) == ()


def test_without_claims_all_seeds_remain(plan: Plan) -> None:
    unclaimed = Plan.model_validate({**dict(plan), "claims": ()})
    assert remaining(unclaimed, ended(plan, CLEAR, 3)) == plan.runs[6:]


def test_a_plan_extended_beyond_its_looks_trains_all_its_seeds(toy_plan: PlanMaker) -> None:
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=12, looks=LOOKS, claims=[claim()])
    assert plan.runs[-1].look is None
    assert remaining(plan, ended(plan, CLEAR, 3)) == plan.runs[6:]


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_failed_run_blocks_its_look_until_it_is_retried(plan: Plan, seeds: int) -> None:
    records = ended(plan, NEVER, seeds, {("base", 1): "failed"})
    assert remaining(plan, records) == plan.runs[2 * seeds : 6]
    again = ended(plan, NEVER, seeds, {("base", 1): "pending"})
    assert remaining(plan, again) == (plan.runs[2], *plan.runs[2 * seeds : 6])
    assert Schedule(plan).limit(records) == Limit({"base": 3, "better": 3}, final=True, blocked=True)
    assert remaining(plan, ended(plan, NEVER, 3)) == plan.runs[6:10]


def test_a_failure_blocks_nothing_if_every_claim_says_what_failures_count_as(toy_plan: PlanMaker) -> None:
    claims = [claim(failed_counts_as=10.0)]
    plan = toy_plan({"base": {}, "better": {"effect": 2.0}}, looks=LOOKS, claims=claims)
    records = ended(plan, NEVER, 3, {("better", 1): "failed"})
    assert remaining(plan, records) == plan.runs[6:10]
    assert not Schedule(plan).limit(records).blocked


def test_a_failure_blocks_the_last_look_too(plan: Plan) -> None:
    records = ended(plan, NEVER, 10, {("better", 8): "failed"})
    assert Schedule(plan).limit(records) == Limit({"base": 10, "better": 10}, final=True, blocked=True)


def test_divergence_blocks_no_look(toy_plan: PlanMaker) -> None:
    variants = {"base": {}, "better": {"effect": 2.0}, "wild": {"diverge_at": 1}}
    plan = toy_plan(variants, looks=LOOKS, claims=[claim()])
    wild = {("wild", seed): "diverged" for seed in range(3)}
    assert seeds_of(remaining(plan, ended(plan, NEVER, 3, wild))) == [3, 4]
    assert remaining(plan, ended(plan, CLEAR, 3, wild)) == ()


def test_a_claim_that_divergence_makes_undecidable_requests_no_seeds(plan: Plan) -> None:
    assert remaining(plan, ended(plan, NEVER, 3, {("better", 1): "diverged"})) == ()


def test_runs_that_no_look_requests_are_neither_pending_nor_missing(plan: Plan) -> None:
    assert count_states(plan, ended(plan, CLEAR, 3)) == Counts(
        6, done=6, running=0, pending=0, interrupted=0, diverged=0, failed=0, beyond=14
    )
    assert count_states(plan, ended(plan, LATER, 3)).total == 10


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_more_results_never_shrink_the_requested_set_nor_change_a_verdict(plan: Plan, data: st.DataObject) -> None:
    differences = data.draw(st.lists(st.sampled_from([-1.0, 0.9, 1.0, 1.1, 2.0]), min_size=10, max_size=10))
    states = data.draw(st.lists(st.sampled_from(["completed"] * 12 + ["diverged", "failed"]), min_size=20, max_size=20))
    whole = ended(plan, differences, 10, {(run.variant, run.seed): state for run, state in zip(plan.runs, states, strict=True)})
    late = data.draw(st.lists(st.integers(0, 6), min_size=20, max_size=20))
    order = [run.id for _, run in sorted(zip(late, plan.runs, strict=True), key=lambda pair: pair[0] + pair[1].seed)]
    schedule = Schedule(plan)
    before: tuple[object, ...] = ()
    decided: dict[int, object] = {}
    for count in range(0, 21, 2):
        records = {run_id: whole[run_id] if place < count else Record(run_id, "pending") for place, run_id in enumerate(order)}
        now = schedule.requested(records)
        assert now == requested(plan, records)
        assert set(before) <= set(now)
        before = now
        for place, verdict in enumerate(judge_records(plan, records).verdicts):
            if verdict.decided_at is not None:
                said = (verdict.verdict, verdict.decided_at)
                assert decided.setdefault(place, said) == said


def test_a_schedule_judges_the_same_results_once(plan: Plan) -> None:
    judgements: list[None] = []
    schedule = Schedule(plan, lambda: judgements.append(None))
    for _ in range(3):
        assert schedule.limit(ended(plan, NEVER, 3)).horizon == 5
        assert schedule.limit(ended(plan, NEVER, 4)).horizon == 5
    assert len(judgements) == 1
    assert schedule.limit(ended(plan, NEVER, 5)).horizon == 10
    assert len(judgements) == 2


def test_a_schedule_judges_again_after_a_retry(plan: Plan) -> None:
    schedule = Schedule(plan)
    blocked = ended(plan, CLEAR, 3, {("better", 0): "failed"})
    assert schedule.limit(blocked).blocked
    assert not schedule.limit(ended(plan, CLEAR, 3)).blocked
    assert schedule.limit(blocked).blocked


def test_pandas_and_scipy_are_not_imported_before_there_is_something_to_judge() -> None:
    code = (
        "import sys; from harness.experiment.plan import Plan, PlannedRun; from harness.execution.schedule import remaining\n"
        "from harness.experiment.claims import ThresholdClaim; from harness.store.records import Record\n"
        "claim = ThresholdClaim(kind='at_least', variant='a', value=1.0, metric='score')\n"
        "runs = [PlannedRun(id=f'{seed:012x}', variant='a', seed=seed, look=3 if seed < 3 else 5) for seed in range(5)]\n"
        "def remaining_at(ended, looks):\n"
        "    plan = Plan(name='x', experiment='x', question='?', task='t', task_version='1', accelerator='cpu', baseline='a', looks=looks,\n"
        "                variants={'a': {}}, data={'a': ''}, levels={'a': {}}, over={'a': 'a'}, runs=runs, claims=[claim],\n"
        "                claims_digest='0', created='')\n"
        "    return len(remaining(plan, {run.id: Record(run.id, 'completed' if run.seed < ended else 'pending') for run in runs}))\n"
        "print(remaining_at(2, (3, 5)), remaining_at(3, (5,)), sorted({'pandas', 'scipy', 'numpy', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1 2 []\n"
