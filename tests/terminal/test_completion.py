"""Shell completion: the offered words, and a real bash and zsh after --install-completion."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.__main__ import COMMANDS, main
from harness.store.records import Store

ROOT = Path(__file__).parent.parent.parent
ESCAPE = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|[=>]|\][^\x07]*\x07)|[\x07\r]|.\x08")
WAIT_S = 30.0


Offered = Callable[..., list[str]]


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Offered:
    """What bash is offered for the last of the words."""
    monkeypatch.chdir(ROOT)

    def offered(*words: str) -> list[str]:
        monkeypatch.setenv("_HARNESS_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", " ".join(("harness", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        assert main([]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.split()

    return offered


def test_commands_and_options_are_offered(offered: Offered) -> None:
    assert offered("") == list(COMMANDS)
    assert offered("ru") == ["run"]
    assert offered("run", "x", "--re") == ["--retry", "--replan", "--results", "--require"]


@pytest.mark.parametrize(
    ("words", "choices"),
    [
        (("run", "x", "--device", ""), ["auto", "cpu", "cuda"]),
        (("run", "x", "--retry", ""), ["failed", "diverged"]),
        (("submit", "x", "--track", "w"), ["wandb"]),
        (("worker", "x", "--keep", ""), ["weights"]),
        (("sync", "--upload", "r"), ["report"]),
    ],
)
def test_the_choices_of_an_option_are_offered(offered: Offered, words: tuple[str, ...], choices: list[str]) -> None:
    assert offered(*words) == choices


def test_experiments_their_profiles_and_their_variants_are_offered(offered: Offered) -> None:
    assert offered("run", "") == sorted(path.stem for path in (ROOT / "experiments").rglob("*.yaml"))
    assert offered("sweep", "sea") == ["search", "search_small"]
    assert offered("run", "leakyrelu_vs_relu", "--profile", "s") == ["smoke"]
    assert offered("run", "leakyrelu_vs_relu", "--only", "l") == ["leaky_relu"]


def test_plans_of_the_results_folder_are_offered(offered: Offered, store: Store, toy_plan) -> None:
    store.save_plan(toy_plan())
    for command in ("status", "report", "sync"):
        assert offered(command, "--results", str(store.paths.root), "t") == ["toys"]


@pytest.mark.parametrize(
    "words", [("run", "nowhere", "--only", ""), ("run", "--profile", ""), ("status", "--results", "nowhere", "")]
)
def test_without_files_completion_offers_and_prints_nothing(offered: Offered, words: tuple[str, ...]) -> None:
    assert offered(*words) == []


@contextmanager
def terminal(shell: str, home: Path) -> Iterator[int]:
    """An interactive shell in the project's folder, with a home of its own; its terminal's descriptor."""
    environment = {"HOME": str(home), "TERM": "xterm", "PS1": "ready> ", "PATH": path_of_programs(), "COLUMNS": "200"}
    ours, its = pty.openpty()
    command = ["setsid", "--ctty", shell, "-i"]
    process = subprocess.Popen(command, stdin=its, stdout=its, stderr=its, cwd=ROOT, env=environment)
    os.close(its)
    try:
        yield ours
    finally:
        os.close(ours)  # hangs up
        process.wait(WAIT_S)


def path_of_programs() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def typed(descriptor: int, keys: str, until: str) -> None:
    """Type into a terminal, and read until the line on it ends with `until`."""
    os.write(descriptor, keys.encode())
    shown, ends = "", time.monotonic() + WAIT_S
    while until not in ESCAPE.sub("", shown):
        assert time.monotonic() < ends, f"after {keys!r} no {until!r} in {shown!r}"
        if select.select([descriptor], [], [], 0.2)[0]:
            shown += os.read(descriptor, 65536).decode(errors="replace")


@pytest.mark.parametrize("shell", [pytest.param(shell, marks=pytest.mark.needs(shell)) for shell in ("bash", "zsh")])
def test_a_real_shell_completes_after_the_installation(shell: str, tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": path_of_programs()}
    program = shutil.which(shell)
    assert program is not None
    subprocess.run([program, "-c", "harness --install-completion; true"], env=environment, check=True, capture_output=True)
    with (tmp_path / f".{shell}rc").open("a") as file:
        file.write("\nPS1='ready> '\n")
    with terminal(program, tmp_path) as descriptor:
        typed(descriptor, "", "ready> ")
        typed(descriptor, "harness ru\t", "run ")
        typed(descriptor, "pap\t", "paper ")
        typed(descriptor, "--devi\t", "--device ")
        typed(descriptor, "cu\t", "cuda ")
