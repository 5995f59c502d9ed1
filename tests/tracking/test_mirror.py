"""The mirror process with the real client: against a server of our own, and on disk."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import TESTS, PlanMaker
from mirrors import OTHER, QUICK, ended, in_training, measured, mirror, offline_rows, show, train, unended, until
from runfile import exit_code
from wandb_server import ENTITY, KEY, PROJECT, Server

from harness.experiment.plan import Plan
from harness.store import atomic
from harness.store.ledger.chain import own_chain
from harness.store.provenance import Provenance
from harness.store.records import Store, read_rows, write_rows
from harness.store.trial_runs import write_trial_runs
from harness.tracking import delivery
from harness.tracking.client import Limits
from harness.tracking.session import MirrorProcess, end_session

pytestmark = pytest.mark.slow

SECRET = "ghp_0123456789abcdefghij"


@dataclass(frozen=True)
class Shown:
    """Three runs, of which one completed, one failed and one diverged, as the server has them."""

    store: Store
    server: Server
    plan: Plan
    folder: Path  # the current folder of the mirror

    def id(self, variant: str) -> str:
        return next(run.id for run in self.plan.runs if run.variant == variant)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, toy_plans: PlanMaker) -> Iterator[Shown]:
    before, folder = dict(os.environ), tmp_path_factory.mktemp("shown")
    here = folder / "repository"
    here.mkdir()
    # What a git remote and the environment give away where nobody takes care.
    subprocess.run(["git", "init", "-q", str(here)], check=True)
    subprocess.run(["git", "remote", "add", "origin", f"https://me:{SECRET}@example.org/x.git"], cwd=here, check=True)
    store = Store.open(folder / "results")
    plan = toy_plans({"base": {"epochs": 5}, "bad": {"fail_at": 3}, "lost": {"diverge_at": 2}})
    back = Path.cwd()
    with Server() as server:
        os.chdir(here)
        try:
            os.environ["GITHUB_TOKEN"] = SECRET
            train(store, plan)
            show(store, plan, environment=server.environment())
            yield Shown(store, server, plan, here)
        finally:
            os.chdir(back)
            os.environ.clear()
            os.environ.update(before)


def canonical(rows: list[dict[str, float]]) -> str:
    """Text that is equal for equal rows: JSON writes 100.0 as 100, and NaN equals nothing."""
    return str([sorted((name, float(value)) for name, value in row.items()) for row in rows])


def test_a_run_has_exactly_the_rows_of_its_file_in_order(shown: Shown) -> None:
    for run in shown.plan.runs:
        served = shown.server.runs[run.id]
        expected = measured(shown.store, run.id)
        assert canonical(served.rows()) == canonical(expected)
        assert [row["_step"] for row in served.history] == list(range(len(expected)))


def test_the_trials_of_a_search_are_grouped_by_its_name(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan()
    train(store, plan)
    store.paths.plan(plan.name).unlink()  # trials' runs belong to no plan
    (run_id,) = (run.id for run in plan.runs)
    write_trial_runs(store.paths.study("search"), 12, [run_id])
    with Server() as server:
        show(store, store.paths.study("search").spec, environment=server.environment())
        told = server.runs[run_id].told
    assert (told["displayName"], told["groupName"], told["jobType"]) == ("trial 12 · 0", "search", "trial 12")


def test_names_groups_and_configuration_are_what_a_team_filters_by(shown: Shown) -> None:
    served = shown.server.runs[shown.id("base")]
    told = served.told
    assert (told["displayName"], told["groupName"], told["jobType"]) == ("base · 0", "toys", "base")
    assert served.config["epochs"] == 5
    assert served.config["harness"]["run_id"] == shown.id("base")
    assert served.config["harness"]["folder"] == str(shown.store.paths.run(shown.id("base")).folder.absolute())


def test_the_head_of_the_ledger_is_in_the_configuration(shown: Shown) -> None:
    ledger = shown.server.runs[shown.id("base")].config["harness"]["ledger"]
    folder = own_chain(shown.store.paths)
    assert folder is not None
    entry = (folder / f"{ledger['number']:06d}.json").read_bytes()
    assert ledger == {"number": ledger["number"], "head": hashlib.sha256(entry).hexdigest()}
    assert ledger["number"] > 2


def test_the_epoch_is_the_x_axis_and_positions_have_no_panels(shown: Shown) -> None:
    metrics = shown.server.runs[shown.id("base")].config["_wandb"]["m"]
    # W&B's short form: 1 a name, 2 a pattern, 5 the number of its x axis, counted from 1; 6 options: 2 is hidden; 7 the summary.
    named = {each.get("1") or each["2"]: each for each in metrics}
    assert all(2 in named[name]["6"] for name in ("epoch", "step", "seconds"))
    assert metrics[named["*"]["5"] - 1]["1"] == "epoch"
    assert 2 not in named["*"]["6"]
    summary = shown.server.runs[shown.id("base")].summary
    assert "seconds" not in summary  # of the last epoch alone
    assert summary["epoch"] == 5


def test_a_failed_and_a_diverged_run_send_an_alert_each(shown: Shown) -> None:
    found = {alert["runName"]: (alert["title"], alert["severity"]) for alert in shown.server.alerts}
    assert found == {shown.id("bad"): ("bad · 0 failed", "ERROR"), shown.id("lost"): ("lost · 0 diverged", "WARN")}
    text = next(alert["text"] for alert in shown.server.alerts if alert["severity"] == "ERROR")
    assert text == "toys: bad · 0 failed (bug): ValueError: the toy broke"
    for name in ("bad", "lost"):
        known = delivery.load(shown.store.paths, shown.id(name))
        assert known is not None
        assert known.alerted == known.ending


def test_the_log_is_among_the_files_of_a_run(shown: Shown) -> None:
    for run in shown.plan.runs:
        assert shown.server.uploads[f"{run.id}/log.txt"] == shown.store.paths.run(run.id).log.read_bytes()


@pytest.mark.parametrize(("variant", "state", "code"), [("base", "completed", 0), ("bad", "failed", 1), ("lost", "diverged", 1)])
def test_results_are_shown(shown: Shown, variant: str, state: str, code: int) -> None:
    served = shown.server.runs[shown.id(variant)]
    assert (served.complete, served.exit_code, served.summary["state"]) == (True, code, state)
    assert served.told["tags"] == ["evidence"] + ([] if code == 0 else [state])
    result = shown.store.result(shown.id(variant))
    assert result is not None
    for name in result.metrics:
        assert served.summary[name] == (result.model_extra or {})[name]  # a loss that is not a number is the word nan


def test_links_go_both_ways_and_deliveries_are_recorded(shown: Shown) -> None:
    for run in shown.plan.runs:
        paths = shown.store.paths.run(run.id)
        url = f"{shown.server.url}/{ENTITY}/{PROJECT}/runs/{run.id}"
        assert atomic.read_json(paths.provenance, Provenance).url == url
        assert delivery.is_delivered(delivery.load(shown.store.paths, run.id), paths)


def test_nothing_is_written_to_the_current_folder(shown: Shown) -> None:
    assert [path.name for path in shown.folder.iterdir()] == [".git"]
    assert list(shown.store.paths.wandb.glob("run-*"))


def test_no_secret_reaches_a_file_or_the_server(shown: Shown) -> None:
    secrets = (KEY.encode(), SECRET.encode())
    files = [path for path in shown.store.paths.root.rglob("*") if path.is_file()]
    assert len(files) > 10
    for data in (*(path.read_bytes() for path in files), *shown.server.bodies, *shown.server.uploads.values()):
        assert not any(secret in data for secret in secrets)


def test_offline_files_hold_the_rows_once_each_also_after_a_restart(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"base": {"epochs": 4}, "bad": {"fail_at": 3}})
    train(store, plan)
    for _ in range(2):
        show(store, plan, kind="offline")
    for run in plan.runs:
        assert offline_rows(store, run.id) == [measured(store, run.id)]
        (file,) = store.paths.wandb.glob(f"offline-run-*/run-{run.id}.wandb")
        assert exit_code(file) == (0 if run.variant == "base" else 1)
        assert delivery.load(store.paths, run.id) == delivery.Delivery()  # it was to be mirrored, nothing arrived


def test_runs_on_a_gpu_are_followed_with_its_load(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan()
    train(store, plan)
    run_id = plan.runs[0].id
    unended(store, run_id, 3)
    path = store.paths.run(run_id).provenance
    origin = atomic.read_json(path, Provenance)
    atomic.write_json(path, Provenance.model_validate({**dict(origin), "accelerator": "cuda"}))
    with in_training(store, run_id), mirror(store, plan, "offline"):
        until(lambda: offline_rows(store, run_id) == [measured(store, run_id)])
    assert (store.paths.wandb / "mirror.log").read_text() == ""


def test_a_kill_of_the_mirror_leaves_every_row_on_disk(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"base": {"epochs": 4}})
    train(store, plan)
    run_id = plan.runs[0].id
    unended(store, run_id, 4)
    with in_training(store, run_id), mirror(store, plan, "offline") as started:
        until(lambda: offline_rows(store, run_id) == [measured(store, run_id)])
        kill(started)
        assert offline_rows(store, run_id) == [measured(store, run_id)]


def kill(started: MirrorProcess) -> None:
    assert started.process is not None
    end_session(started.process)


@pytest.mark.parametrize("how", ["held open", "closed"])
def test_a_mirror_stops_although_a_task_keeps_or_closes_the_pipe(store: Store, toy_plan: PlanMaker, how: str) -> None:
    plan = toy_plan()
    train(store, plan)
    with mirror(store, plan, "offline") as started:
        process = started.process
        assert process is not None
        assert process.stdin is not None
        held = os.dup(process.stdin.fileno())  # as a forked process has it
        if how == "closed":
            os.close(process.stdin.fileno())
            os.close(held)
    if how == "held open":
        os.close(held)
    assert process.returncode == 0  # it was not killed after 16 s
    assert offline_rows(store, plan.runs[0].id) == [measured(store, plan.runs[0].id)]


STARTS_AND_DIES = """
import os, sys
from pathlib import Path
from mirrors import in_training
from harness.store.records import Store
from harness.tracking.session import MirrorProcess
store = Store.open(Path(sys.argv[1]))
lease = in_training(store, sys.argv[2])
MirrorProcess(store.paths, "auto", store.paths.plan("toys")).start()
sys.stdin.readline()
if os.fork() == 0:
    sys.stdin.read()  # what the task left behind has the pipe, too
os._exit(0)
"""


def test_a_mirror_whose_workers_were_killed_stops_although_its_pipe_is_held_open(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan()
    train(store, plan)
    run_id = plan.runs[0].id
    unended(store, run_id, 2)
    path = os.pathsep.join([str(TESTS), str(TESTS / "tracking"), str(TESTS.parent)])
    environment = {**os.environ, "WANDB_MODE": "offline", "PYTHONPATH": path}
    words = [sys.executable, "-c", STARTS_AND_DIES, str(store.paths.root), run_id]
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        until(lambda: len(offline_rows(store, run_id)) == 1)
        os.write(process.stdin.fileno(), b"\n")
        process.wait()
        until(lambda: [exit_code(file) for file in store.paths.wandb.glob(f"offline-run-*/run-{run_id}.wandb")] == [1])
        until(lambda: not list(store.paths.tracking_sessions.iterdir()))
    assert offline_rows(store, run_id) == [measured(store, run_id)]


def test_a_service_of_wandb_that_died_is_started_again(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan(seeds=2)
    train(store, plan)
    first, second = (run.id for run in plan.runs)
    unended(store, first, 3)
    with in_training(store, second, OTHER):
        pass
    with in_training(store, first), mirror(store, plan, "offline") as started:
        until(lambda: offline_rows(store, first) == [measured(store, first)])
        assert started.process is not None
        for service in children(started.process.pid):
            os.kill(service, signal.SIGKILL)
        with in_training(store, second):
            pass
        until(lambda: offline_rows(store, second) == [measured(store, second)])
    for run_id in (first, second):
        assert offline_rows(store, run_id) == [measured(store, run_id)]


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("killed", [False, pytest.param(True, marks=pytest.mark.slow)])  # W&B sends rows every 15 s
def test_an_interrupted_run_resumes_as_the_same_run_without_gap_or_repetition(
    store: Store, toy_plan: PlanMaker, killed: bool
) -> None:
    plan = toy_plan({"base": {"epochs": 6}})
    train(store, plan)
    run_id = plan.runs[0].id
    rows = unended(store, run_id, 4)
    with Server() as server:
        with in_training(store, run_id), mirror(store, plan, environment=server.environment()) as started:
            until(lambda: run_id in server.runs)
            if killed:
                until(lambda: len(server.runs[run_id].history) == 4)
                kill(started)  # worker and mirror: the machine went down
        served = server.runs[run_id]
        assert len(served.rows()) == 4
        assert served.complete is not killed
        assert served.told["tags"] == (["evidence"] if killed else ["evidence", "interrupted"])
        write_rows(store.paths.run(run_id).metrics, rows[:2])  # back to the checkpoint
        with mirror(store, plan, environment=server.environment()), in_training(store, run_id):
            again = [{**row, "seconds": 9.0} for row in rows]  # other timings, the same values
            ended(store, run_id, again)
        assert [row["epoch"] for row in served.rows()] == [1, 2, 3, 4, 5, 6]
        assert served.told["tags"] == ["evidence"]
        assert [row["score"] for row in served.rows()] == [row["score"] for row in rows]
        assert [row["_step"] for row in served.history] == list(range(6))
        assert served.summary["state"] == "completed"


def test_a_run_trained_again_with_other_values_gets_its_own_page(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"base": {"epochs": 5}})
    train(store, plan)
    run_id = plan.runs[0].id
    with Server() as server:
        show(store, plan, environment=server.environment())
        rows = [{**row, "score": 1.0} for row in read_rows(store.paths.run(run_id).metrics)[:3]]
        unended(store, run_id, 5)
        ended(store, run_id, rows)  # a retry, after the code was mended
        store.paths.run(run_id).result.write_text(store.paths.run(run_id).result.read_text() + "\n")
        show(store, plan, environment=server.environment())
        assert [(row["epoch"], row["score"]) for row in server.runs[f"{run_id}-2"].rows()] == [(1, 1.0), (2, 1.0), (3, 1.0)]
        assert len(server.runs[run_id].rows()) == 5
        assert delivery.is_delivered(delivery.load(store.paths, run_id), store.paths.run(run_id))


@pytest.mark.parametrize("trouble", [401, 403, 429, 500, "reset", "hang"])
def test_a_server_error_at_the_start_leaves_complete_offline_files(store: Store, toy_plan: PlanMaker, trouble: int | str) -> None:
    plan = toy_plan(seeds=2)
    train(store, plan)
    with Server() as server:
        server.trouble = trouble
        show(store, plan, environment=server.environment(), init_s=2.0)
        assert not server.runs
        # The second run did not ask the server again.
        assert "continuing offline" in (log := (store.paths.wandb / "mirror.log").read_text())
        assert plan.runs[0].id in log
        assert plan.runs[1].id not in log
    for run in plan.runs:
        assert offline_rows(store, run.id) == [measured(store, run.id)]


@pytest.mark.parametrize("trouble", [401, 429, 500, "reset", "hang"])
def test_after_a_server_error_the_rows_are_not_counted_as_delivered(
    store: Store, toy_plan: PlanMaker, trouble: int | str
) -> None:
    plan = toy_plan({"base": {"epochs": 6}})
    train(store, plan)
    run_id = plan.runs[0].id
    rows = unended(store, run_id, 2)
    limits = Limits(**{**dict(QUICK), "finish_s": 1.0, "grace_s": 0.5, "ask_s": 1.0, "closing_s": 2.0})
    with Server() as server:
        with mirror(store, plan, environment=server.environment(), limits=limits) as started:
            process = started.process
            with in_training(store, run_id):
                until(lambda: run_id in server.runs)
                server.trouble = trouble
                ended(store, run_id, rows)
        assert process is not None
        assert process.returncode is not None
        assert not delivery.is_delivered(delivery.load(store.paths, run_id), store.paths.run(run_id))
        server.trouble = None
        show(store, plan, environment=server.environment())
        assert [row["epoch"] for row in server.runs[run_id].rows()] == [1, 2, 3, 4, 5, 6]


def test_an_error_with_one_run_writes_the_open_ones_to_disk_completely(store: Store, toy_plan: PlanMaker) -> None:
    plan = toy_plan({"base": {"epochs": 4}}, seeds=2)
    train(store, plan)
    first, second = (run.id for run in plan.runs)
    rows = unended(store, first, 2)
    with Server() as server:
        with in_training(store, second, OTHER):
            pass
        with mirror(store, plan, environment=server.environment()), in_training(store, first):
            until(lambda: first in server.runs)
            server.trouble = 401  # the key was withdrawn
            with in_training(store, second):
                pass
            until(lambda: len(offline_rows(store, second)) == 1)
            ended(store, first, rows)
        assert offline_rows(store, first) == [measured(store, first)]
        assert offline_rows(store, second) == [measured(store, second)]
        server.trouble = None
        show(store, plan, environment=server.environment())
        assert [len(server.runs[run_id].rows()) for run_id in (first, second)] == [4, 4]
