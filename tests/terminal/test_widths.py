"""Every screen at every width: nothing that decides is cut, no line is too wide, and a pipe gets whole tables."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping

import pytest
from rich.cells import cell_len
from rich.console import RenderableType
from screened import terminal
from screens import screens

from harness import doctor
from harness.terminal import shell

WIDTHS = (40, 60, 80, 100, 120, 200)
NAMES = (
    "results",
    "results at a look",
    "results in nats",
    "comparison of versions",
    "dry run",
    "list",
    "status of a plan",
    "status of a judged plan",
    "queue",
    "two runs",
    "status of a run",
    "dry run of a tuned experiment",
    "status of a tuning",
    "chosen settings",
    "dry run of steps",
    "steps",
    "tried output",
    "dry run of a search",
    "status of a search",
    "list with a search",
    "results of a search",
    "findings",
    "repetition",
    "existing results",
    "submission",
)
VERDICT = re.compile(r"SUPPORTED|REFUTED|EQUIVALENT|INCONCLUSIVE|WAITING|RETROSPECTIVE")
NUMBER = re.compile(r"[-+±<]?\.?\d[\d,.]*")
INTERVAL = re.compile(r"\[[-+][\d.,]+ [-+][\d.,]+\]")
UNUSED = (
    "running",
    "waiting",
    "failed",
    "done",
    "verdicts",
    "more",
)  # headings that a block leaves out where nothing is below them
COMMAND = re.compile(r"\b(?:harness \w+|scancel|sbatch|python) ")


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, RenderableType]:
    """Every screen, made once."""
    return screens(tmp_path_factory.mktemp("w"))


def on_terminal(screen: RenderableType, width: int) -> str:
    out = terminal(width, 50)
    out.print(screen, soft_wrap=True)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def in_pipe(screen: RenderableType) -> str:
    out = io.StringIO()
    shell.console(out).print(screen, soft_wrap=True)
    return out.getvalue()


def numbers(text: str) -> Counter[str]:
    """Every number outside of paths, which occur once more in a narrow table than their column."""
    return Counter(NUMBER.findall(" ".join(word for word in text.split() if "/" not in word)))


def too_wide(text: str, width: int) -> list[str]:
    """Lines that are wider, other than those with a command or a path, which are to be copied."""
    return [
        line
        for line in text.splitlines()
        if cell_len(line) > width and not COMMAND.search(line) and not any("/" in word for word in line.split() if len(word) > 24)
    ]


def test_the_names_are_those_of_all_screens(known: Mapping[str, RenderableType]) -> None:
    assert tuple(known) == NAMES


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_screen_loses_nothing_at_any_width(known: Mapping[str, RenderableType], name: str, width: int) -> None:
    whole, shown = in_pipe(known[name]), on_terminal(known[name], width)
    assert too_wide(shown, width) == []
    assert Counter(VERDICT.findall(shown)) == Counter(VERDICT.findall(whole))
    assert numbers(whole) - numbers(shown) == Counter()
    assert Counter(INTERVAL.findall(whole)) == Counter(INTERVAL.findall(shown))
    squeezed = "".join(shown.split())
    words = set(re.findall(r"[A-Za-z]+", whole)).difference(UNUSED)
    assert [word for word in words if word not in squeezed] == []
    assert ("…" in shown) <= ("…" in whole)


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_gets_what_a_terminal_shows_that_is_wide_enough(known: Mapping[str, RenderableType], name: str) -> None:
    piped, wide = in_pipe(known[name]), on_terminal(known[name], 1000)
    assert piped.split() == wide.split()
    judged = [line for line in wide.splitlines() if re.match(r"  \d+ .* [A-Z]{7,} ", line)]
    assert set(judged) <= set(piped.splitlines())


@pytest.mark.parametrize("width", WIDTHS)
def test_the_findings_of_doctor_fit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int) -> None:
    path = "/data/shared/machine-learning/cifar-10-batches-py"
    findings = [
        doctor.Finding("python", "ok", "3.11.7 on Linux x86_64"),
        doctor.Finding("accelerators", "note", "none; runs train on the CPU", "start with a small profile: --profile smoke"),
        doctor.Finding("cifar10", "problem", f"not in {path}", "the first run downloads it (170 MB); or --set data.root=FOLDER"),
    ]
    monkeypatch.setattr(doctor, "answered", lambda *_: findings)
    monkeypatch.setenv("COLUMNS", str(width))
    assert doctor.main([]) == 2
    shown = capsys.readouterr().out
    assert too_wide(shown, width) == []
    assert path in shown
    told = " ".join(shown.split())
    assert all(part in told for each in findings for part in (each.state, each.name, each.what, each.advice or ""))
