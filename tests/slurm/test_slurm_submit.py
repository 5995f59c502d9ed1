"""`harness submit` on a real SLURM: short arrays, cancelling, what sbatch refuses, folders that nodes lack."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from login_node import EXPERIMENT, ROOT, SITE, Submitter, login_node
from mini_slurm import MiniSlurm

from harness.store.records import Store

pytestmark = [pytest.mark.needs("slurmctld", "/usr/sbin/slurmctld"), pytest.mark.alone]

SMALL = """
question: Which toy is quick?
task: toy_task:TOY
config: {epochs: 2, steps: 4, sleep: 0.01}
variants: {base: {}, one: {effect: 1.0}}
baseline: base
seeds: 3
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniSlurm]:
    """One for all tests that harm nobody else's."""
    with login_node(tmp_path_factory.mktemp("cluster")) as submitter:
        yield submitter.cluster


@pytest.fixture
def newcomer(cluster: MiniSlurm, tmp_path: Path) -> Iterator[Callable[..., Submitter]]:
    """Makes somebody with an experiment and a site; afterwards the queue is empty."""

    def come(experiment: str = SMALL, site: str = SITE) -> Submitter:
        (tmp_path / "home").mkdir()
        return Submitter(cluster, tmp_path / "home", experiment, site)

    yield come
    if jobs := cluster.run("squeue", "-h", "-o", "%A").split():
        cluster.run("scancel", *jobs)
        cluster.wait_until(lambda: not cluster.run("squeue", "-h"), 60, lambda: "jobs are left")


@pytest.fixture
def somebody(newcomer: Callable[..., Submitter]) -> Submitter:
    return newcomer()


def state(submitter: Submitter, job: str) -> list[str]:
    return [task.state for task in submitter.tasks(job)]


@pytest.mark.slow
def test_more_workers_than_one_array_holds_get_several(tmp_path: Path) -> None:
    with login_node(tmp_path, SMALL, max_array_size=2) as submitter:
        document = submitter.submit(workers=5)
        assert list(document["jobs"].values()) == [2, 2, 1]
        assert [re.search(r"--array=(\S+)", line)[1] for line in document["sbatch"][:3]] == ["0-1", "0-1", "0"]  # type: ignore[index]
        submitter.wait(lambda: state(submitter, document["report"]) == ["COMPLETED"], "no report")
        assert [state(submitter, job) for job in document["jobs"]] == [["COMPLETED"] * 2, ["COMPLETED"] * 2, ["COMPLETED"]]
        assert "6/6" in submitter.harness("harness.status")


@pytest.mark.slow
def test_without_arrays_each_worker_is_a_job(tmp_path: Path) -> None:
    with login_node(tmp_path, SMALL, max_array_size=1) as submitter:
        document = submitter.submit(workers=2)
        assert list(document["jobs"].values()) == [1, 1]
        submitter.wait(lambda: state(submitter, document["report"]) == ["COMPLETED"], "no report")
        assert len(list(submitter.results.glob("runs/*/result.json"))) == 6
        shown = submitter.harness("harness.status", "toys")
        assert "scancel" not in shown


def test_a_second_submission_trains_nothing_twice_and_says_so(somebody: Submitter) -> None:
    document = somebody.submit("--", "--comment=first")
    (job,) = document["jobs"]
    somebody.wait(lambda: state(somebody, job) == ["COMPLETED"] * 4, "not trained")
    assert somebody.submit() == {"name": "toys", "due": 0, "jobs": {}, "report": None}
    more = somebody.submit("--seeds", "4", "--", "--hold")
    assert (more["due"], sum(more["jobs"].values())) == (2, 2)
    again = somebody.said("harness.submit", "toys.yaml", "--site", "site.yaml", "--seeds", "4", "--", "--hold")
    assert re.search(
        rf"toys is in the queue already \(jobs .*\b{next(iter(more['jobs']))}, {more['report']}\): these workers", again
    )


@pytest.mark.slow
def test_a_cancelled_job_stays_cancelled_and_its_report_is_written(newcomer: Callable[..., Submitter]) -> None:
    submitter = newcomer(EXPERIMENT)
    document = submitter.submit()
    (job,), report = document["jobs"], document["report"]
    submitter.wait(lambda: submitter.logs().count(": started") == 4, "not all train")
    submitter.cluster.run("scancel", job)
    submitter.wait(lambda: state(submitter, report) == ["COMPLETED"], "no report")
    assert state(submitter, job) == ["CANCELLED"] * 4
    assert "stopped by slurm" in submitter.logs()
    states = {run["state"] for run in submitter.status()["runs"]}
    assert states == {"pending", "interrupted"}
    again = submitter.submit()
    assert again["due"] == 12
    shown = submitter.harness("harness.status", "toys")
    assert f"stop: scancel {next(iter(again['jobs']))} {again['report']}" in shown


@pytest.mark.slow
def test_a_worker_that_stops_is_requeued_until_everything_is_trained(newcomer: Callable[..., Submitter]) -> None:
    site = SITE.replace("worker: [", "worker: [--stop-after, 2s, ")
    longer = SMALL.replace("epochs: 2", "epochs: 3").replace("sleep: 0.01", "sleep: 0.03")
    submitter = newcomer(longer, site)
    document = submitter.submit(workers=1)
    (job,) = document["jobs"]
    submitter.wait(lambda: state(submitter, job) == ["COMPLETED"], "not trained")
    assert submitter.requeued(job) >= 1
    assert len(list(submitter.results.glob("runs/*/result.json"))) == 6


SEARCH = """
question: Which toy is best?
task: toy_task:TOY
config: {epochs: 3, steps: 4, sleep: 0.06}
search:
  space: {effect: {range: [-3.0, 3.0]}}
  objectives: score
  sampler: random
  trials: 9
  pruner: none
  confirm: {top: 2, seeds: 3}
margin: 1.0
"""


@pytest.mark.slow
def test_workers_share_a_search_until_its_target_and_confirm_it(newcomer: Callable[..., Submitter]) -> None:
    submitter = newcomer(SEARCH)
    document = submitter.submit(workers=3)
    (job,) = document["jobs"]
    assert (document["due"], document["later"], document["jobs"][job]) == (9, 12, 3)
    submitter.wait(lambda: submitter.logs().count(": started") >= 3, "not all train")
    submitter.cluster.run("scancel", "--signal=USR1", "--batch", f"{job}_2")  # the last: its job id is the array's too

    def seen_training() -> bool:  # between two trials it has none
        return bool(re.search(rf"^{job}_0 +running +trial \d", submitter.harness("harness.status", "toys"), re.MULTILINE))

    submitter.wait(seen_training, "no trial shown")
    submitter.wait(lambda: state(submitter, document["report"]) == ["COMPLETED"], "no report")
    assert state(submitter, job) == ["COMPLETED"] * 3
    assert submitter.requeued(job) == 1
    told = json.loads(submitter.harness("harness.status", "toys", "--json"))
    ended = [trial for trial in told["trials"] if trial["state"] == "completed"]
    assert len(ended) == 9
    assert [plan["counts"]["done"] for plan in told["confirmation"]] == [6, 6]
    assert (submitter.results / "reports/toys/index.html").is_file()
    assert submitter.submit()["due"] == 0


def test_a_refusal_of_sbatch_is_shown_with_what_to_do(somebody: Submitter) -> None:
    (somebody.home / "site.yaml").write_text(SITE.replace("partition: low", "partition: nope"))
    said = somebody.refusal()
    assert "Invalid partition name specified" in said
    assert said.rstrip().endswith("nothing was submitted")
    assert not list(somebody.results.glob("submissions/toys/*"))
    (somebody.home / "site.yaml").write_text(SITE.replace("gpu:1", "gpu:9"))
    assert "Requested node configuration is not available" in somebody.refusal()
    assert not somebody.cluster.run("squeue", "-h")


def test_a_refused_report_cancels_the_workers(somebody: Submitter) -> None:
    (somebody.home / "site.yaml").write_text(SITE + "report: {partition: nope}\n")
    said = somebody.refusal("--", "--hold")
    assert "Invalid partition name specified" in said
    found = re.search(r"cancelled the jobs submitted before that: (\d+)", said)
    assert found
    assert set(state(somebody, found[1])) == {"CANCELLED"}
    assert json.loads((somebody.results / "submissions/toys/1/submission.json").read_text())["cancelled"]


def test_without_sbatch_nothing_is_written(somebody: Submitter) -> None:
    somebody.harness("harness.submit", "toys.yaml", "--site", "site.yaml", code=2, PATH="/nowhere")
    assert not somebody.results.exists()


@pytest.mark.slow
def test_a_cluster_that_does_not_respond_is_reported(tmp_path: Path) -> None:
    with login_node(tmp_path, SMALL) as submitter:
        document = submitter.submit("--", "--hold")
        submitter.cluster.run("scancel", *document["jobs"], document["report"])
        for pid in submitter.cluster.processes():
            os.kill(pid, 9)
        said = submitter.refusal()
        assert "check it with `scontrol ping`" in said
        assert submitter.status()["queue"] is None  # where the runs stand is told all the same


def test_a_results_folder_that_a_node_lacks_is_reported_by_the_job_and_by_status(somebody: Submitter) -> None:
    lost = somebody.cluster.run("sbatch", "--parsable", str(ROOT / "slurm/worker.sbatch"), "/no/plans/x.json")
    somebody.wait(lambda: state(somebody, lost) == ["FAILED"], "did not fail")
    assert [task.exit_code for task in somebody.tasks(lost)] == [2]
    document = somebody.submit("--", "--hold")
    (job,) = document["jobs"]
    shutil.move(somebody.results, somebody.home / "elsewhere")
    somebody.cluster.run("scontrol", "release", job)
    somebody.wait(lambda: not {"PENDING", "RUNNING", "COMPLETING"} & set(state(somebody, job)), "still there")
    somebody.wait(lambda: state(somebody, document["report"]) != ["PENDING"], "still there")
    shutil.move(somebody.home / "elsewhere", somebody.results)
    shown = somebody.harness("harness.status", "toys")
    assert "JobLaunchFailure: could not start on the node; check that it has the results folder at the same path" in shown


def test_the_code_of_a_submission_is_what_is_trained(somebody: Submitter) -> None:
    """A task beside the experiment, changed while the job waits."""
    task = (Path(__file__).parents[1] / "toy_task.py").read_text()
    (somebody.home / "mine.py").write_text(task)
    (somebody.home / "toys.yaml").write_text(SMALL.replace("toy_task:TOY", "mine:TOY"))
    somebody.path.append(str(somebody.home))
    document = somebody.submit("--", "--hold")
    (job,) = document["jobs"]
    (somebody.home / "mine.py").write_text(task.replace("50.0 +", "70.0 +"))
    somebody.cluster.run("scontrol", "release", job)
    somebody.wait(lambda: state(somebody, job) == ["COMPLETED"] * 4, "not trained")
    store = Store.open(somebody.results)
    scores = [json.loads(path.read_text())["score"] for path in store.paths.runs.glob("*/result.json")]
    assert len(scores) == 6
    assert max(scores) < 60, "the changed code was trained"


COMMAND = """
question: Does the rate matter?
task:
  command: "{python} train.py --seed={seed} {knobs}"
  knobs: {rate: 0.1}
  metrics: {loss: {goal: minimize, unit: nats, pattern: 'loss (?P<value>.+)'}}
  inputs: [train.py, formula.py]
factors: {rate: [0.1, 0.2]}
seeds: 3
margin: 0.02
"""
PROGRAM = """
import sys
from formula import loss
words = dict(word.lstrip("-").split("=") for word in sys.argv[1:])
print("loss", loss(float(words["rate"]), int(words["seed"])))
"""


def test_a_program_imports_modules_beside_it_and_is_refused_once_they_have_changed(newcomer: Callable[..., Submitter]) -> None:
    somebody = newcomer(COMMAND)
    (somebody.home / "train.py").write_text(PROGRAM)
    (somebody.home / "formula.py").write_text("def loss(rate, seed):\n    return rate + seed / 10\n")
    document = somebody.submit(workers=1)
    (job,) = document["jobs"]
    somebody.wait(lambda: state(somebody, job) == ["COMPLETED"], "not trained")
    (job,) = somebody.submit("--seeds", "4", "--", "--hold", workers=1)["jobs"]
    (somebody.home / "formula.py").write_text("def loss(rate, seed):\n    return rate\n")
    somebody.cluster.run("scontrol", "release", job)
    somebody.wait(lambda: state(somebody, job) == ["FAILED"], "not refused")
    assert "the inputs have changed since the plan was made: formula.py; use --replan" in somebody.logs()
