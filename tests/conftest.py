"""Shared fixtures: a results folder, plans of the toy task, child workers."""

from __future__ import annotations

import gc
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import HealthCheck, settings
from toy_task import TOY, Config

from harness.execution.process import SPIN_COUNT
from harness.experiment.claims import Claim
from harness.experiment.plan import Plan, PlannedRun
from harness.experiment.run_id import run_id
from harness.store.check.plan import registered_digest
from harness.store.records import Store
from harness.tasks.identity import identity

# Test processes share the cores. With a thread for each core in each of them, tiny networks take seven times the processor time,
# in threads that wait for each other. OpenMP reads both when torch is loaded.
os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "GOMP_SPINCOUNT": SPIN_COUNT}
# No deadline: a busy machine must not make tests fail.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

TESTS = Path(__file__).parent
NO_TORCH = importlib.util.find_spec("torch") is None
SLOW_S = 5.0  # what the marker `slow` means, on 2 idle cores
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # as in the background of a script: the processes of tests would ignore it, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
HANDLERS = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)}
PlanMaker = Callable[..., Plan]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Take what collecting the tests makes from the garbage collector: it stays, and each full collection would walk 760,000 objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m "slow and not alone"` and the like, leave out modules whose text has no such marker: all their tests would be deselected.

    Modules given by name are imported all the same.
    """
    if collection_path.suffix != ".py" or not (markers := required(config.option.markexpr)):
        return None
    text = collection_path.read_text(encoding="utf-8")
    return None if all(f"mark.{marker}" in text for marker in markers) else True


def required(expression: str) -> set[str]:
    """Those of the markers `slow` and `alone` without which no test fits the expression, as far as that is plain: `a and not b`."""
    words = expression.split(" and ")
    plain = all(re.fullmatch(r"(not )?\w+", word) for word in words)
    return {"slow", "alone"} & {*words} if plain else set()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With HARNESS_SLOW_SHARE=K/N, of the slow tests only every Nth remains, another one for each K."""
    turn, _, every = os.environ.get("HARNESS_SLOW_SHARE", "0/1").partition("/")
    left = [each for each in items if each.get_closest_marker("slow") and crc32(each.nodeid.encode()) % int(every) != int(turn)]
    if left:
        config.hook.pytest_deselected(items=left)
        gone = set(left)
        items[:] = [each for each in items if each not in gone]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked `needs` if none of their programs exists, those marked `torch` without torch; see `_lacking`.

    A program is a name, or a path outside of PATH, which may hold stars.
    """
    for marker in item.iter_markers("needs"):
        if not any(shutil.which(program) or (program[0] == "/" and any(Path("/").glob(program[1:]))) for program in marker.args):
            _lacking(f"needs {' or '.join(marker.args)}")
    if NO_TORCH and item.get_closest_marker("torch"):
        _lacking("needs torch")


def _lacking(reason: str) -> None:
    """Skip the test; with HARNESS_REQUIRE_ALL=1 it fails."""
    if os.environ.get("HARNESS_REQUIRE_ALL") == "1":
        pytest.fail(f"{reason}, and HARNESS_REQUIRE_ALL is set", pytrace=False)
    pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Skip a test that imports torch where it is not installed; see `_lacking`."""
    with _skipped_without_torch():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup() -> Generator[None, object, object]:
    """The same if one of its fixtures does."""
    with _skipped_without_torch():
        return (yield)


@contextmanager
def _skipped_without_torch() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if NO_TORCH and error.name in ("torch", "torchvision"):
            _lacking("needs torch")
        raise


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skip modules that import torch where it is not installed; with HARNESS_REQUIRE_ALL=1 that is an error."""
    report = yield
    lacks_torch = report.failed and "No module named 'torch'" in str(report.longrepr)
    if NO_TORCH and lacks_torch and os.environ.get("HARNESS_REQUIRE_ALL") != "1":
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, "Skipped: needs torch")
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """List tests that lack the marker `slow`. Not a failure, as durations depend on the load of the machine."""
    reports = [report for state in ("passed", "failed") for report in terminalreporter.stats.get(state, ())]
    if lines := mismarked([(report.nodeid, report.duration, "slow" in report.keywords) for report in reports]):
        terminalreporter.section(f"more than {SLOW_S:g} s and not marked slow")
        for line in lines:
            terminalreporter.line(line)


def mismarked(durations: Sequence[tuple[str, float, bool]]) -> list[str]:
    """Lines, longest first, of the (test, seconds, marked slow) that took more than SLOW_S without the marker."""
    found = sorted(((seconds, test) for test, seconds, marked in durations if seconds > SLOW_S and not marked), reverse=True)
    return [f"{seconds:6.1f} s  {test}" for seconds, test in found]


@pytest.fixture(autouse=True)
def _environment_stays() -> Iterator[None]:
    """Restore the environment and the number of threads, which opening a store and training change, and disable W&B."""
    before = dict(os.environ)
    # No mirror process for every worker of every test; tests/tracking enables it.
    os.environ["WANDB_MODE"] = "disabled"
    for name in ("HARNESS_CACHE", "HARNESS_CHECKOUTS"):  # of the store of a fixture that several tests share
        os.environ.pop(name, None)
    os.environ.pop("COLUMNS", None)  # pytest-xdist sets it; output that is not a terminal has a fixed width
    yield
    os.environ.clear()
    os.environ.update(before)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _signals_end_the_tests() -> Iterator[None]:
    """Restore the handlers of signals: a worker in this process takes them, and nobody would be asked to stop later."""
    yield
    for number, handler in HANDLERS.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _made_up_results_are_not_compared(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Tests of reports write results that nobody trained, with made-up run ids; `compared` compares them as a user's are."""
    if "reporting" not in request.path.parts or "compared" in request.fixturenames:
        return
    from harness.reporting.pages import report_data, search_data

    for module, name in ((report_data, "inconsistencies"), (search_data, "inconsistencies"), (search_data, "check_search")):
        monkeypatch.setattr(module, name, lambda *_: ())


@pytest.fixture(autouse=True)
def _every_figure_is_drawn(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A report replaces a figure that raises by its reason; in tests that is an error, unless they ask for `undrawable`."""
    module = "harness.reporting.pages.pictures"
    drawing = module in sys.modules or not {"reporting", "serving", "browser"}.isdisjoint(request.path.parts)
    if drawing and "undrawable" not in request.fixturenames:
        monkeypatch.setattr(f"{module}.why_undrawn", _raised)


def _raised(error: Exception) -> str:
    raise error


@pytest.fixture
def undrawable() -> None:
    """See `_every_figure_is_drawn`."""


@pytest.fixture
def compared() -> None:
    """See `_made_up_results_are_not_compared`."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty results folder."""
    return Store.open(tmp_path / "results")


@pytest.fixture
def toy_plan(toy_plans: PlanMaker) -> PlanMaker:
    """See `toy_plans`."""
    return toy_plans


@pytest.fixture(scope="session")
def toy_plans() -> PlanMaker:
    """Makes plans of the toy task: `toy_plan({"base": {}, "better": {"effect": 2.0}}, seeds=2)`.

    `looks` and `claims` as in an experiment; seeds from the last look on carry no look.
    """

    def make(  # noqa: PLR0917 - by name
        variants: Mapping[str, Mapping[str, Any]] | None = None,
        seeds: int = 1,
        name: str = "toys",
        looks: Sequence[int] = (),
        claims: Sequence[Claim] = (),
        known: Sequence[str] = (),
    ) -> Plan:
        looks = looks or (seeds,)
        configs = {label: Config.model_validate(config) for label, config in (variants or {"base": {}}).items()}
        runs = [
            PlannedRun(
                id=run_id("toy_task:TOY", TOY.version, identity(config), seed, "toys:1"),
                variant=label,
                seed=seed,
                look=next((look for look in looks if seed < look), None),
            )
            for seed in range(max(seeds, looks[-1]))
            for label, config in configs.items()
        ]
        made = Plan(
            name=name,
            experiment=name,
            question="Which toy walks best?",
            task="toy_task:TOY",
            task_version=TOY.version,
            accelerator="cpu",
            baseline=next(iter(configs)),
            looks=tuple(looks),
            variants={label: config.model_dump(mode="json") for label, config in configs.items()},
            data=dict.fromkeys(configs, "toys:1"),
            levels={label: {} for label in configs},
            over=dict.fromkeys(configs, next(iter(configs))),
            runs=tuple(runs),
            claims=tuple(claims),
            claims_digest="",
            known=tuple(known),
            created="2026-01-01T00:00:00+00:00",
        )
        return Plan.model_validate({**dict(made), "claims_digest": registered_digest(made)})

    return make


@pytest.fixture
def start_worker() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `python -m harness.worker` on a plan's file, with quick timing; processes that still run at the end of the test are killed."""
    started: list[subprocess.Popen[str]] = []

    def start(plan: Path, *options: str, **popen: Any) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-m",
            "harness.worker",
            str(plan),
            "--options-json",
            '{"poll_s": 0.05, "beat_s": 0.1, "stale_s": 1}',
            *options,
        ]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, **popen)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The browser of all tests in tests/browser."""
    from devtools import Browser, found

    executable = found()
    assert executable is not None
    with Browser(executable) as opened:
        yield opened
