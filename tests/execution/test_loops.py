"""Numbers and levels of comparisons in a loop, what the ledger remembers of them, and what reports say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import TESTS
from examples import toy_rows, write_run

from harness.analysis.power import power_of
from harness.analysis.statistics.online import lord_level
from harness.analysis.verdicts import Verdict
from harness.common.stopping import Stop
from harness.errors import InputError, StoreError
from harness.execution.loops import member
from harness.execution.options import WorkerOptions
from harness.execution.plan_worker import PlanWorker
from harness.execution.recording import record_looks
from harness.execution.schedule import judge_records
from harness.execution.stages import save_resolved_plan
from harness.experiment import load_experiment
from harness.experiment.plan import Loop, Plan, make_plan, task_of
from harness.reporting import phrases
from harness.reporting.pages import gather, latex, markdown, summary
from harness.store.catalog import read_plan
from harness.store.check.ledger import check_ledger
from harness.store.ledger.chain import Ledger
from harness.store.records import Store
from harness.store.seal import sealed_json
from harness.tasks.protocol import result_metrics
from harness.terminal import dry_run, json_output

NOISE = (0.0, 0.1, -0.1, 0.05, -0.3, 0.2, 0.15, -0.2, 0.1, 0.0)

Comparing = Callable[..., Plan]


@pytest.fixture
def compared(store: Store, tmp_path: Path) -> Comparing:
    """Makes the comparison of a version with an earlier one, each an effect of the toy task, as a member of the loop `chain`."""

    def plan(old: int, new: int, *, loop: str | None = "chain", alpha: float = 0.05, save: bool = True, **fields: Any) -> Plan:
        name = fields.pop("name", f"v{old}-v{new}")
        content = {
            "question": "Is it better?",
            "task": "toy_task:TOY",
            "variants": {f"v{version}": {"effect": float(version)} for version in (old, new)},
            "baseline": f"v{old}",
            "seeds": 5,
            "margin": 0.5,
            "claims": [{"improves": f"v{new}"}],
            **fields,
        }
        path = tmp_path / f"{name}.yaml"
        path.write_text(json.dumps(content))
        requested = make_plan(load_experiment(path), "cpu", created="2026-01-01T00:00:00+00:00")
        joined = requested if loop is None else member(store, loop, alpha, requested, record=save)
        return save_resolved_plan(store, joined) if save else joined

    return plan


def finish(store: Store, plan: Plan) -> Verdict:
    """All runs finish with a score that follows the version, and the look is judged and recorded."""
    for run in plan.runs:
        if not store.has_result(run.id):
            version = int(run.variant[1:])
            score = 50.0 + version + NOISE[(run.seed + 3 * version) % 10]
            write_run(store, plan, run, toy_rows(score), state="completed")
    return judge(store, plan)


def judge(store: Store, plan: Plan) -> Verdict:
    records = store.records(run.id for run in plan.runs)
    judged = judge_records(plan, records)
    record_looks(store, plan, records, judged)
    return judged.verdicts[0]


def place(plan: Plan) -> tuple[int, float]:
    """Number and level in the loop."""
    assert plan.loop is not None
    return plan.loop.number, plan.alpha


# Numbers and levels


def test_members_are_numbered_and_a_supported_one_raises_the_levels_after_it(store: Store, compared: Comparing) -> None:
    first = compared(0, 0, variants={"v0": {"effect": 0.0}, "v7": {"effect": 0.2}}, claims=[{"improves": "v7"}])
    assert place(first) == (1, lord_level(1, [], 0.05))
    for run in first.runs:
        write_run(store, first, run, toy_rows(50.0 + NOISE[(run.seed + len(run.variant)) % 10]), state="completed")
    assert judge(store, first).verdict != "supported"
    second = compared(0, 2)
    assert place(second) == (2, lord_level(2, [], 0.05))
    assert finish(store, second).verdict == "supported"
    third = compared(2, 3)
    assert place(third) == (3, lord_level(3, [2], 0.05))
    assert third.alpha > second.alpha
    assert third.loop == Loop(name="chain", number=3, alpha=0.05)


def test_a_member_that_is_unfinished_counts_as_no_discovery_until_it_is_one(store: Store, compared: Comparing) -> None:
    first, second = compared(0, 2), compared(0, 3)
    assert place(second) == (2, lord_level(2, [], 0.05))
    assert finish(store, first).verdict == "supported"
    third = compared(2, 4)  # the discovery became known after two members had joined
    assert place(third) == (3, lord_level(3, [2], 0.05))


def test_the_same_comparison_keeps_number_and_level_whatever_happened_since(store: Store, compared: Comparing) -> None:
    first = compared(0, 2)
    compared(0, 3)
    finish(store, first)
    again = compared(0, 2)
    assert (place(again), again.claims_digest, again.amended) == (place(first), first.claims_digest, None)
    assert len(Ledger(store.paths).read().state.loops["chain"].members) == 2


@pytest.mark.parametrize(
    "change", [{"margin": 0.1}, {"seeds": 8}, {"claims": [{"worsens": "v2"}]}, {"seeds": {"n": 5, "first": 9}}]
)
def test_another_question_under_the_same_name_is_another_member(compared: Comparing, change: dict[str, Any]) -> None:
    assert place(compared(0, 2))[0] == 1
    assert place(compared(0, 2, **change))[0] == 2


def test_two_loops_do_not_know_of_each_other(compared: Comparing) -> None:
    assert place(compared(0, 2)) == place(compared(0, 3, loop="other"))


def test_an_alpha_of_the_loop_scales_its_levels(compared: Comparing) -> None:
    assert compared(0, 2, alpha=0.2).alpha == pytest.approx(4 * compared(0, 3, loop="other").alpha)


def test_a_preview_joins_nothing(store: Store, compared: Comparing) -> None:
    assert place(compared(0, 2, save=False))[0] == 1
    assert not store.paths.ledger.exists()
    assert place(compared(0, 3))[0] == 1


def test_plans_and_results_that_are_removed_raise_no_level(store: Store, compared: Comparing) -> None:
    for version in (2, 3, 4):
        finish(store, compared(0, version, loop="chain", claims=[{"worsens": f"v{version}"}]))
    expected = place(compared(0, 5, save=False))
    assert expected == (4, lord_level(4, [], 0.05))
    shutil.rmtree(store.paths.plans)
    shutil.rmtree(store.paths.runs)
    assert place(compared(0, 5)) == expected


def test_known_results_of_the_candidate_add_nothing_to_the_budget(store: Store, compared: Comparing) -> None:
    finish(store, compared(0, 2, loop=None, name="before"))
    assert finish(store, compared(0, 2)).verdict == "supported"
    assert place(compared(0, 3)) == (2, lord_level(2, [], 0.05))


def test_a_claim_that_was_changed_after_the_first_runs_is_no_second_discovery(store: Store, compared: Comparing) -> None:
    finish(store, compared(0, 2))
    plan = compared(0, 2, claims=[{"no_loss": "v2"}])  # a member that is never registered: the plan keeps its first claim
    assert plan.amended is not None
    assert place(plan)[0] == 1
    judge(store, plan)
    loop = Ledger(store.paths).read().state.loops["chain"]
    assert (len(loop.members), loop.discoveries) == (2, [1])


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/support"]
from harness.execution.loops import member
from harness.store.catalog import read_plan
from harness.store.records import Store
store = Store.open(Path(sys.argv[2]))
for path in sys.argv[3:]:
    joined = member(store, "chain", 0.05, read_plan(Path(path)))
    print(joined.loop.number, joined.alpha)
"""


@pytest.mark.slow
def test_processes_that_join_at_once_get_different_numbers_and_the_same_plan_gets_one(
    store: Store, compared: Comparing, tmp_path: Path
) -> None:
    paths = []
    for version in range(1, 9):
        plan = compared(0, version, loop=None, save=False)
        path = tmp_path / f"{plan.name}.json"
        path.write_bytes(sealed_json(plan))
        paths.append(str(path))
    command = [sys.executable, "-c", SCRIPT, str(TESTS), str(store.paths.root)]
    processes = [
        subprocess.Popen([*command, *own], stdout=subprocess.PIPE, text=True)
        for own in (paths, paths[::-1], paths[4:] + paths[:4])
    ]
    said = [process.communicate()[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(said[0]) == sorted(said[1]) == sorted(said[2])
    assert sorted(int(line.split()[0]) for line in said[0]) == list(range(1, 9))


def test_a_level_needs_no_more_than_the_worker_records(store: Store, compared: Comparing) -> None:
    """The whole way: trained by a worker, which records its look; then the next member."""
    plan = compared(0, 9)
    assert PlanWorker(store, plan, WorkerOptions(threads=1, poll_s=0.001), Stop()).work() == 0
    records = store.records(run.id for run in plan.runs)
    assert judge_records(plan, records).verdicts[0].verdict == "supported"
    assert place(compared(9, 20)) == (2, lord_level(2, [1], 0.05))


# What is refused


def refused(message: str) -> Any:
    return pytest.raises(InputError, match=message)


def test_an_alpha_that_is_not_the_loops_is_refused(compared: Comparing) -> None:
    compared(0, 2)
    with refused(r"--alpha: 0.1 is not that of the loop 'chain', which began with 0.05; use 0.05"):
        compared(0, 3, alpha=0.1)


def test_a_plan_without_claims_is_refused(compared: Comparing) -> None:
    with refused("--loop: v0-v2 has no claim, so nothing decides"):
        compared(0, 2, claims=[])


@pytest.mark.parametrize("name", ["", "../chain", "a/b", "x" * 200])
def test_invalid_names_are_refused(compared: Comparing, name: str) -> None:
    with refused("--loop: invalid name"):
        compared(0, 2, loop=name)


def test_a_comparison_that_was_started_outside_of_the_loop_is_refused(store: Store, compared: Comparing) -> None:
    finish(store, compared(0, 2, loop=None))
    with refused("v0-v2 was started outside of a loop"):
        compared(0, 2)
    finish(store, compared(0, 3))
    with refused("v0-v3 was started in the loop 'chain'"):
        compared(0, 3, loop="other")


def test_a_version_that_was_not_kept_is_no_baseline_on_the_same_seeds(store: Store, compared: Comparing) -> None:
    assert finish(store, compared(3, 2)).verdict == "refuted"
    with refused(r"chain has not kept 'v2' \(comparison 1, v3-v2\)"):
        compared(2, 5)
    assert place(compared(2, 5, seeds={"n": 5, "first": 100}))[0] == 2


def test_a_version_that_was_kept_may_become_the_baseline(store: Store, compared: Comparing) -> None:
    assert finish(store, compared(2, 3)).verdict == "supported"
    trained = len(list(store.paths.runs.iterdir()))
    plan = compared(3, 5)
    finish(store, plan)
    assert len(list(store.paths.runs.iterdir())) == trained + 5  # the new version's only


# What is registered, and what is said


def test_the_ledger_registers_the_loop_so_that_an_edited_plan_is_found(store: Store, compared: Comparing) -> None:
    plan = compared(0, 2)
    (registered,) = [one.terms for one in Ledger(store.paths).read().state.plans.values()]
    assert registered is not None
    assert registered.settings["loop"] == {"name": "chain", "number": 1, "alpha": 0.05}
    assert registered.settings["alpha"] == plan.alpha
    store.save_plan(Plan.model_validate({**dict(plan), "loop": None, "alpha": 0.05}))
    found = [one.what for one in check_ledger(store, store.load_plans()[0]) if not one.harmless]
    assert len(found) == 2
    assert all("differs from the ledger: " in what for what in found)


def test_a_level_above_that_of_the_loop_is_damage(store: Store, compared: Comparing) -> None:
    plan = compared(0, 2)
    path = store.save_plan(Plan.model_validate({**dict(plan), "alpha": 0.06}))
    with pytest.raises(StoreError, match=r"alpha: 0.06 is more than 0.05, that of its loop"):
        read_plan(path)


def test_a_chain_is_registered_though_the_kept_versions_results_are_known(store: Store, compared: Comparing) -> None:
    finish(store, compared(0, 2))
    plan = compared(2, 4)
    assert len(plan.known or ()) == 5
    verdict = finish(store, plan)
    assert verdict.registration is not None
    assert (verdict.registration.when, verdict.registration.results_known) == ("after", 5)
    assert (verdict.retrospective, verdict.registered, verdict.registration.loop) == (False, True, "chain")
    assert phrases.registration(verdict, plan).startswith(
        "Registered in the loop 'chain' when only results of the baseline v2 were known (5 of 10 results), whose "
        "runs the loop uses again"
    )
    assert phrases.retrospective_claims([verdict], plan) == ()
    assert phrases.known_results(plan) == (
        "5 of 10 results existed before this plan, all of the baseline v2, whose runs the loop 'chain' uses again"
    )


def test_known_results_of_the_candidate_are_retrospective_in_a_loop_too(store: Store, compared: Comparing) -> None:
    finish(store, compared(0, 4, loop=None, name="before"))
    finish(store, compared(0, 2))
    plan = compared(2, 4)
    verdict = finish(store, plan)
    assert verdict.retrospective
    assert "10 of 10 results were known" in phrases.registration(verdict, plan)
    assert "claims about them are RETROSPECTIVE" in (phrases.known_results(plan) or "")


def test_outside_of_a_loop_known_results_of_the_baseline_are_retrospective(store: Store, compared: Comparing) -> None:
    finish(store, compared(0, 2, loop=None))
    assert finish(store, compared(2, 4, loop=None)).retrospective


def test_reports_and_json_name_the_place_in_the_loop(store: Store, compared: Comparing) -> None:
    plan = compared(0, 2)
    finish(store, plan)
    words = "comparison 1 of the loop 'chain', at level 0.011 of 0.05"
    assert phrases.loop(plan) == words
    report = gather(store, plan)
    assert summary.facts(report)[0] == words
    assert words in markdown.render(report, ())
    assert f"Comparison{words.removeprefix('comparison')}." in latex.caption(report, "Verdicts").replace("{", "").replace("}", "")
    assert words in str(dry_run.heading(plan)[1])
    assert json_output.loop_values(plan) == {"loop": {"name": "chain", "number": 1, "alpha": 0.05, "level": plan.alpha}}
    assert json_output.loop_values(compared(0, 3, loop=None)) == {}


# Small levels


def test_the_power_at_a_tiny_level_is_computed(store: Store, compared: Comparing) -> None:
    plan = compared(0, 2, seeds={"looks": [3, 5, 10]})
    metrics = result_metrics(task_of(plan))
    tiny = Plan.model_validate({**dict(plan), "alpha": 1e-6})
    found, usual = power_of(store, tiny, metrics, sd=0.3), power_of(store, plan, metrics, sd=0.3)
    assert found is not None
    assert usual is not None
    assert found.level == 1e-6
    assert (found.power or 0) < (usual.power or 0)
    assert (found.needed or 0) > (usual.needed or 0) > 0
    assert (found.detectable or 0) > (usual.detectable or 0)


@pytest.mark.parametrize(
    ("level", "words"),
    [(0.05, "95 %"), (0.0066, "99.34 %"), (4e-6, "99.99960 %"), (2.7e-6, "99.99973 %"), (1e-12, "99.99999999990 %")],
)
def test_an_interval_is_never_shown_as_100_percent(level: float, words: str) -> None:
    assert phrases.coverage(level) == words
