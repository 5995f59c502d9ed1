"""Settings -> the checks; the end of one -> its state, figures and reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from evidence import equality, resume
from evidence.budget import Step
from evidence.process import Ended
from evidence.records import State
from evidence.settings import ROOT, Settings, python

STEPS = "steps"  # the check without which nothing can be trained
SMALL = {"stem_width": 4, "widths": [4, 8], "depths": [1, 1]}
Part = Callable[[Mapping[str, Any], Callable[[Mapping[str, Any]], None]], dict[str, Any]]
PARTS: Mapping[str, Part] = {
    "equality": equality.compare,
    "resume": resume.compare,
}


@dataclass(frozen=True)
class Outcome:
    """How a check ended."""

    state: State
    figures: Mapping[str, Any]
    reason: str = ""


@dataclass(frozen=True)
class Check:
    """`command` writes its figures to `output`; `impossible`: why it cannot be done here; `read`: the end -> its outcome."""

    step: Step
    command: list[str]
    output: Path
    impossible: str | None
    read: Callable[[Ended, Path], Outcome]


def checks(settings: Settings) -> list[Check]:
    """In the order in which they are done: whether training works at all comes first."""
    folder = settings.evidence / "checks"
    only_cuda = "not possible on cpu" if settings.device == "cpu" else None
    lacking = [name for name in ("pytest", "hypothesis") if find_spec(name) is None]
    small = settings.rehearse
    steps = {
        "data": settings.data,
        "model": SMALL if small else {},
        "device": settings.device,
        "precisions": ["bf16", "fp32"],
    }
    killed = {
        "data": settings.data | ({"train_limit": 320} if small else {}),
        "model": SMALL if small else {},
        "training": {"batch_size": 32, "precision": "fp32"} if small else {},
        "device": settings.device,
        "folder": str(settings.evidence / "resume"),
        "checkpoint_every": "0.1s" if small else "0.5s",
    }
    tests = folder / "tests.xml"
    return [
        Check(
            Step(STEPS, 0.0 if small else 240.0),
            part("equality", steps, folder / "steps.figures.json"),
            folder / "steps.figures.json",
            only_cuda,
            _steps,
        ),
        Check(
            Step("tests", 0.0 if small else 240.0),
            python("-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", f"--junitxml={tests}", *gpu_tests()),
            tests,
            only_cuda or (f"not possible without {' and '.join(lacking)}" if lacking else None),
            _tests,
        ),
        Check(
            Step("resume", 0.0 if small else 180.0),
            part("resume", killed, folder / "resume.figures.json"),
            folder / "resume.figures.json",
            None,
            _resume,
        ),
    ]


def is_training_possible(record: Mapping[str, Any]) -> bool:
    """Whether anything can be trained after a check that ended in this way."""
    failed = record["name"] == STEPS and record["state"] == "failed"
    return not failed or equality.is_training_possible(record["figures"])


def part(name: str, request: Mapping[str, Any], output: Path) -> list[str]:
    """The command by which this program does a check in a process of its own."""
    return python(str(ROOT / "scripts" / "gpu_evidence.py"), "--part", name, json.dumps(request), str(output))


def run_part(name: str, request: str, output: str) -> int:
    """The main function of such a process."""

    def keep(found: Mapping[str, Any]) -> None:
        Path(output).write_text(json.dumps(found, indent=2) + "\n")

    keep(PARTS[name](json.loads(request), keep))
    return 0


def gpu_tests() -> list[str]:
    """The test modules with tests that need a GPU."""
    return [str(path) for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in path.read_text(encoding="utf-8")]


def _steps(ended: Ended, output: Path) -> Outcome:
    found = json.loads(output.read_text()) if output.exists() else {}
    said = [*equality.problems(found), *([_died(ended)] if ended.code != 0 or not found else [])]
    return Outcome("failed" if said else "passed", found, "; ".join(said))


def _resume(ended: Ended, output: Path) -> Outcome:
    if ended.code != 0 or not output.exists():
        return Outcome("failed", {}, _died(ended))
    found = json.loads(output.read_text())
    said = resume.problems(found)
    return Outcome("failed" if said else "passed", found, "; ".join(said))


def _tests(ended: Ended, output: Path) -> Outcome:
    if not output.exists():
        return Outcome("failed", {}, _died(ended))
    suite = next(ElementTree.parse(output).getroot().iter("testsuite"))
    counts = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
    passed = counts["tests"] - counts["failures"] - counts["errors"] - counts["skipped"]
    bad = [case.get("name") for case in suite.iter("testcase") if {"failure", "error"} & {child.tag for child in case}]
    figures = {**counts, "passed": passed, "failed_tests": bad}
    if bad or ended.code != 0:
        return Outcome("failed", figures, f"{len(bad)} of {counts['tests']} tests failed: {', '.join(map(str, bad))}")
    if counts["skipped"] or not passed:
        return Outcome("failed", figures, f"{counts['skipped']} of {counts['tests']} tests were skipped")
    return Outcome("passed", figures)


def _died(ended: Ended) -> str:
    return f"the command ended with code {ended.code}; its log says why"
