"""What sbatch is given: a golden script, arrays cut by their largest index, and scripts that a shell accepts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import TESTS
from examples import golden
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.execution.options import WorkerOptions
from harness.slurm import scripts
from harness.slurm.arrays import Array, shares, split_arrays
from harness.slurm.site import ReportJob, Site, read_site

ROOT = TESTS.parent
LOG = Path("/scratch/me/results/submissions/activations/1")
CODE = (Path("/scratch/me/results/code/3f2a9c01b7de/project"),)


def example() -> Site:
    return read_site(ROOT / "slurm/sites/example.yaml")


def test_the_workers_script_of_the_example_is_the_golden_one() -> None:
    """Made again by REGENERATE=1 python -m pytest tests/slurm."""
    text = scripts.worker_script(example(), "activations", LOG, CODE)
    assert text == golden("worker.sbatch", text)


def test_the_reports_script_requests_no_gpu() -> None:
    text = scripts.report_script(example(), "activations", LOG, CODE)
    assert "#SBATCH --partition=cpu\n" in text
    assert "gres" not in text
    assert f"code={CODE[0]}\n" in text


@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("name", ["local", "example", "nyu-greene"])
def test_shellcheck_finds_nothing(name: str, tmp_path: Path) -> None:
    site = read_site(ROOT / f"slurm/sites/{name}.yaml")
    for kind, text in (
        ("worker", scripts.worker_script(site, "a", LOG, CODE)),
        ("report", scripts.report_script(site, "a", LOG, CODE)),
    ):
        (tmp_path / f"{kind}.sbatch").write_text(text)
        # SC2016: `activate` is expanded on the node. SC2086: as are variables of the container's words.
        for path, options in (
            (tmp_path / f"{kind}.sbatch", ["--exclude=SC2016,SC2086,SC2206"]),
            (ROOT / f"slurm/{kind}.sbatch", []),
        ):
            done = subprocess.run(["shellcheck", *options, str(path)], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout


def test_the_package_contains_the_scripts_of_the_slurm_folder() -> None:
    for name in ("worker.sbatch", "report.sbatch"):
        assert (scripts.TEMPLATES / name).read_bytes() == (ROOT / "slurm" / name).read_bytes()


def test_arguments_with_spaces_and_quotes_are_not_split() -> None:
    site = Site(accelerator="cpu", time="1h", activate="source 'my venv/bin/activate'\nexport A=1", python="python3.12")
    text = scripts.worker_script(site, "a", Path("/my results/100%"), (Path("/my code"),))
    assert "#SBATCH '--output=/my results/100%%/%A_%a.log'\n" in text
    told = text.split("# end of settings")[0] + 'printf "%s|" "$code" "$python" "$activate"'
    shown = subprocess.run(["bash", "-c", told], capture_output=True, text=True, check=True).stdout
    assert shown == "/my code|python3.12|source 'my venv/bin/activate'\nexport A=1|"


def test_without_an_environment_of_its_own_the_python_that_submits_is_used() -> None:
    assert f"python={sys.executable}\n" in scripts.worker_script(Site(accelerator="cpu", time="1h"), "a", LOG, CODE)
    assert "python=python\n" in scripts.worker_script(Site(accelerator="cpu", time="1h", activate="x"), "a", LOG, CODE)


def test_a_container_that_gives_an_invalid_script_is_refused() -> None:
    script = scripts.worker_script(Site(accelerator="cpu", time="1h", container="singularity exec ("), "a", LOG, CODE)
    with pytest.raises(InputError, match="give an invalid shell script"):
        scripts.check(script)


def test_a_worker_stops_before_the_limit_and_gets_the_sites_options() -> None:
    site = Site(accelerator="cpu", time="4h", margin="10m", idle="1h", worker=("--keep", "weights"), report=ReportJob())
    options = WorkerOptions(device="cpu", stop_after=13_800, track="none", idle=3600, keep="weights")
    assert scripts.worker_options(site, track="none") == options


def test_arrays_are_split_by_their_largest_index_and_share_the_throttle() -> None:
    assert split_arrays([8], 1001) == [[Array(8)]]
    assert split_arrays([8], 8) == [[Array(8)]]
    assert split_arrays([9], 4, throttle=7) == [[Array(3), Array(3, 2), Array(3, 2)]]
    assert split_arrays([2], 1) == split_arrays([2], 0) == [[Array(1, plain=True)] * 2]
    assert split_arrays([6, 1], 4, throttle=3) == [[Array(3, 1), Array(3, 1)], [Array(1)]]
    assert [array.option for array in (Array(8, 3), Array(1), Array(1, plain=True))] == [["--array=0-7%3"], ["--array=0"], []]


def test_a_throttle_below_the_number_of_jobs_is_refused() -> None:
    with pytest.raises(
        InputError, match="MaxArraySize 1 divide 5 workers into 5 jobs; use --workers 2, or a throttle of at least 5"
    ):
        split_arrays([5], 1, throttle=2)
    with pytest.raises(
        InputError, match="the resources that runs need divide 4 workers into 2 jobs; use a throttle of at least 2"
    ):
        split_arrays([3, 1], 100, throttle=1)


@given(st.integers(1, 300), st.lists(st.integers(1, 100), min_size=1, max_size=6))
def test_workers_are_divided_in_proportion_to_the_runs(workers: int, runs: list[int]) -> None:
    given_each = shares(workers, runs)
    assert sum(given_each) == max(len(runs), min(workers, sum(runs)))
    assert all(1 <= each <= size for each, size in zip(given_each, runs, strict=True))
    # One worker less anywhere, and one more elsewhere, leaves no fewer runs for the busiest.
    busiest = max(size / each for each, size in zip(given_each, runs, strict=True))
    assert all(each == 1 or size / (each - 1) >= busiest for each, size in zip(given_each, runs, strict=True))


@given(st.lists(st.integers(1, 500), min_size=1, max_size=3), st.integers(0, 1500), st.one_of(st.none(), st.integers(1, 1500)))
def test_no_worker_is_lost_and_no_index_too_large(workers: list[int], largest: int, throttle: int | None) -> None:
    try:
        parts = split_arrays(workers, largest, throttle)
    except InputError:
        assert throttle is not None
        return
    assert [sum(array.workers for array in part) for part in parts] == workers
    arrays = [array for part in parts for array in part]
    assert all(array.workers <= max(1, largest) for array in arrays)
    at_once = sum(array.workers if array.throttle is None else array.throttle for array in arrays)
    assert at_once <= (throttle or sum(workers))


# The worker's script by itself, with a stand-in for the worker


FAKE = """#!/bin/bash
# stands for python: counts its starts, listens to USR1 and TERM, ends as ANSWER says
echo start >> "$LOG"
trap 'echo USR1 >> "$LOG"; exit 75' USR1
trap 'echo TERM >> "$LOG"; exit 75' TERM
if [[ $ANSWER == die && $(grep -c start "$LOG") -lt 3 ]]; then kill -9 $$; fi
if [[ $ANSWER == wait ]]; then for _ in {1..200}; do sleep 0.05; done; fi
exit "${CODE:-0}"
"""


@pytest.fixture
def job(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Runs slurm/worker.sbatch as a job of no cluster; `scontrol` notes what it is told."""
    (tmp_path / "plan.json").write_text("{}")
    for name, text in (("python", FAKE), ("scontrol", '#!/bin/bash\necho "$@" >> "$LOG"\n')):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(tmp_path / "log"), "SLURM_JOB_ID": "7"}

    def start(**variables: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["bash", str(ROOT / "slurm/worker.sbatch"), str(tmp_path / "plan.json")],
            env={**environment, **variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    start.log = tmp_path / "log"  # type: ignore[attr-defined]
    return start


@pytest.mark.parametrize(("signal", "told"), [("USR1", ["start", "USR1", "requeue 7"]), ("TERM", ["start", "TERM"])])
def test_signals_are_forwarded_and_only_the_time_limit_requeues_the_job(job, signal: str, told: list[str]) -> None:  # type: ignore[no-untyped-def]
    process = job(ANSWER="wait")
    while not job.log.exists():
        assert process.poll() is None
    time.sleep(0.3)  # for its traps
    subprocess.run(["kill", f"-{signal}", str(process.pid)], check=True)
    assert process.wait(10) == 75
    assert job.log.read_text().splitlines() == told


def test_a_task_requeues_itself_and_not_its_array(job) -> None:  # type: ignore[no-untyped-def]
    assert job(CODE="75", SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID="3").wait(10) == 75
    assert job.log.read_text().splitlines() == ["start", "requeue 7_3"]


def test_a_worker_that_dies_is_restarted(job) -> None:  # type: ignore[no-untyped-def]
    assert job(ANSWER="die").wait(10) == 0
    assert job.log.read_text().splitlines() == ["start"] * 3


@pytest.mark.parametrize(("worker", "exits"), [("0", 0), ("2", 2), ("75", 75), ("3", 1), ("1", 2), ("127", 2)])
def test_the_exit_code_distinguishes_a_failed_run_from_a_worker_that_cannot_start(job, worker: str, exits: int) -> None:  # type: ignore[no-untyped-def]
    assert job(CODE=worker).wait(10) == exits
    assert job.log.read_text().splitlines() == ["start", *(["requeue 7"] if exits == 75 else [])]
