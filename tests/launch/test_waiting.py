"""The supervising process between two looks: it notices the end of a worker at once, and imports what it needs later."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from harness.errors import EXIT_OK
from harness.execution.machine.slots import equal_shares
from harness.experiment.plan import Plan
from harness.launch import preparation
from harness.launch.preparation import AFTER_S, Preparation
from harness.launch.worker_pool import Workers, plan_target
from harness.store.records import Store

NEVER_S = 600.0  # a test that waits for so long has failed


@pytest.fixture
def children(store: Store, toy_plan: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Two children that train nothing: they end when they are told to, or with the test."""
    plan = toy_plan()
    store.save_plan(plan)
    pool = Workers(store, plan_target(store, plan), equal_shares(2))

    def idle(*_: object) -> subprocess.Popen[bytes]:
        code = "import os, signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(0)); print(flush=True); input()"
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.close()
        return child

    monkeypatch.setattr(pool, "_spawn", idle)
    return pool


def test_the_end_of_any_child_ends_the_wait(children: Workers) -> None:
    with children:
        for place in (1, 0):
            os.kill(children._children[place].process.pid, signal.SIGTERM)
            children.wait_for_exit(NEVER_S)
            while children._children[place].code is None:  # the kernel says so before it can be collected
                children.poll()
        assert children.codes == (EXIT_OK, EXIT_OK)
        assert not children.alive


def test_a_wait_without_an_end_is_as_long_as_asked_for(children: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    class Poll:
        def register(self, *_: object) -> None: ...

        def poll(self, limit_ms: float) -> list[tuple[int, int]]:
            waited.append(limit_ms)
            return []

    with children:
        with monkeypatch.context() as patched:
            patched.setattr(select, "poll", Poll)
            children.wait_for_exit(0.25)
        assert waited == [250.0]
        os.kill(children._children[0].process.pid, signal.SIGTERM)
        children._children[0].process.wait()  # as `stop` may have collected it
        children.wait_for_exit(NEVER_S)


@pytest.mark.parametrize("by", ["kernel", "python"])
def test_where_the_end_of_a_process_cannot_be_awaited_time_passes(
    children: Workers, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    def refused(_: int) -> int:
        raise PermissionError

    slept: list[float] = []
    with children:
        if by == "kernel":
            monkeypatch.setattr(os, "pidfd_open", refused)
        else:  # one that was built with the headers of an old kernel, as conda's
            monkeypatch.delattr(os, "pidfd_open")
        monkeypatch.setattr("time.sleep", slept.append)
        children.wait_for_exit(0.5)
        assert slept == [0.5]
        monkeypatch.undo()


def test_imports_wait_for_the_first_run_or_for_the_workers_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[str] = []

    def noted(name: str) -> None:
        imported.append(name)
        if name == preparation.MODULES[1]:
            raise ModuleNotFoundError(name)

    now = [50.0]
    monkeypatch.setattr(preparation, "import_module", noted)
    first = Preparation(lambda: now[0])
    first.turn(0)
    assert imported == []
    first.turn(1)
    assert imported == [preparation.MODULES[0]], "one a turn"
    late = Preparation(lambda: now[0])
    now[0] += AFTER_S
    for _ in range(2 * len(preparation.MODULES)):
        late.turn(0)
    assert imported[1:] == list(preparation.MODULES), "a missing package is left to those who need it"


def test_after_the_preparation_a_verdict_and_a_report_import_no_package() -> None:
    code = """if True:
        import sys
        from harness.launch import conclusion, preparation
        for name in preparation.MODULES:
            __import__(name)
        before = {name.partition(".")[0] for name in sys.modules}
        from harness.reporting.figures import text_figure, save
        import pathlib, tempfile
        with tempfile.TemporaryDirectory() as folder:
            save(text_figure("words"), pathlib.Path(folder), "words")
        print(*sorted({name.partition(".")[0] for name in sys.modules} - before))
        print(*[name for name in ("seaborn", "torch", "matplotlib.pyplot") if name in sys.modules])
    """
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "\n\n"
