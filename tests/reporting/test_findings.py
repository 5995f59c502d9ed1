"""scripts/make_findings.py: the page, sentences and pictures of a results folder in any state; the published ones are current."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from examples import changed
from reported import planned
from simulated import comparison

from harness.errors import InputError
from harness.experiment.claims import DeclineClaim, ThresholdClaim
from harness.experiment.plan import Plan
from harness.store.provenance import Provenance, restarted
from harness.store.records import Store

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "published" / "small"
PICTURES = ROOT / "docs" / "pictures"
LARGEST = 150_000  # bytes of a picture
BASE = (63.1, 62.8, 63.3, 63.0, 62.9)
BETTER, WORSE, SAME = ([value + gain for value, gain in zip(BASE, gains, strict=True)] for gains in (
    (1.1, 1.0, 1.2, 0.9, 1.0), (-1.1, -1.0, -1.2, -0.9, -1.0), (0.02, -0.03, 0.01, 0.0, -0.02)
))  # fmt: skip
ONLY_HERE = pytest.mark.skipif(not RESULTS.is_dir(), reason="results/published/small is not there yet")


@pytest.fixture(scope="module")
def script() -> Iterator[dict[str, Any]]:
    """The names of scripts/make_findings.py, which extends the path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        yield runpy.run_path(str(ROOT / "scripts" / "make_findings.py"))


def experiment(store: Store, name: str, values: Mapping[str, Sequence[float | str]], *claims: Any, **fields: Any) -> Plan:
    """A plan of an experiment of the lessons, with made-up results."""
    return planned(store, values, claims, name=name, question=f"What of {name}?", source=f"The report says {name}.", **fields)


def lessons(store: Store, ending: str) -> None:
    """Plans with one claim each: supported, refuted, equivalent, still running; the recipe itself; the others have not begun."""
    base = {"base": BASE}
    experiment(store, f"leakyrelu_vs_relu{ending}", {**base, "leaky_relu": BETTER}, comparison("improves", "leaky_relu"))
    experiment(store, f"lookahead{ending}", {**base, "lookahead": WORSE}, comparison("improves", "lookahead"))
    experiment(store, f"learning_rates{ending}", {**base, "lr=0.1": SAME}, comparison("improves", "lr=0.1"))
    experiment(store, f"augmentations{ending}", {**base, "bare": WORSE[:2]}, comparison("improves", "bare"))
    recipe = f"small{ending.removeprefix('_small')}" if ending.startswith("_small") else f"paper{ending}"
    claim = ThresholdClaim(kind="at_least", metric="test_accuracy", variant="base", value=86.968)
    experiment(store, recipe, {"base": BASE}, claim)


@pytest.mark.parametrize("ending", ["_small@jpeg", ""])
def test_the_page_has_every_lesson_with_its_verdict_large_or_small(
    script: dict[str, Any], store: Store, tmp_path: Path, ending: str
) -> None:
    lessons(store, ending)
    page = script["text"](script["found_results"].load(store.paths.root), tmp_path / "docs" / "findings.md")
    (sentence,) = re.findall(r"^Of .* claims .*$", page, re.MULTILINE)
    assert sentence == (
        "Of 4 claims about the lessons, 1 is supported, 1 refuted and 1 equivalent; 1 is not decided yet. "
        "Of 1 claim beyond them, 1 is refuted. "
        "Refuted: lookahead improves on base (-1.04 pp [-1.18, -0.90]); base reaches at least 86.968 (63.02 % [62.78, 63.26]). "
        "Experiments without results so far: "
        "dropout_sweep, channel_width, bottleneck_vs_basic, schedulers, label_smoothing and search."
    )
    rows = {line.split(" | ")[1]: line for line in page.splitlines() if line.startswith("|")}
    assert "**supported** | +1.04 pp [" in rows["leaky_relu improves on base"]
    assert "**refuted** | -1.04 pp [" in rows["lookahead improves on base"]
    assert "**equivalent** | -0.00 pp [" in rows["lr=0.1 improves on base"].replace("+0.00", "-0.00")
    assert "**still running**: 7 of 10 runs" in rows["bare improves on base"]
    assert rows["dropout_sweep"].count("not begun") == 1
    assert f"> The report says lookahead{ending}." in page
    assert f"[lookahead{ending}](../results/reports/lookahead{ending}/index.html) ([as text](../results/reports/" in page
    assert "A processor, 1 thread a run" in page
    assert "commit `0123456789`" in page
    headings = re.findall(r"^### \((.)\)", page, re.MULTILINE)
    assert "".join(headings) == "abcdefg"


def test_claims_that_do_not_count_as_evidence_are_named_apart(script: dict[str, Any], store: Store, tmp_path: Path) -> None:
    values = {"base": BASE, "lookahead": BETTER}
    registered = experiment(store, "lookahead", values, comparison("improves", "lookahead"))
    store.save_plan(changed(registered, known=[run.id for run in registered.runs]))
    experiment(store, "label_smoothing", {"base": BASE, "on": BETTER}, comparison("improves", "on"), overrides=("a=1",))
    experiment(store, "augmentations", {"base": BASE, "bare": WORSE}, comparison("improves", "bare"))
    page = script["text"](script["found_results"].load(store.paths.root), tmp_path / "findings.md")
    assert (
        "Of 1 claim about the lessons, 1 is refuted. 2 more claims do not count as evidence: retrospective, or of a rehearsal. Refuted: bare"
        in page
    )


def test_two_plans_of_one_experiment_are_refused(script: dict[str, Any], store: Store) -> None:
    for name in ("lookahead", "lookahead_small@jpeg"):
        experiment(store, name, {"base": BASE, "lookahead": BETTER}, comparison("improves", "lookahead"))
    with pytest.raises(InputError, match="are both plans of lookahead; remove one"):
        script["found_results"].load(store.paths.root)


def test_a_claim_about_several_variants_has_a_verdict_for_each(script: dict[str, Any], store: Store, tmp_path: Path) -> None:
    unsure = [value + gain for value, gain in zip(BASE, (1.6, -1.5, 1.3, -1.4, 1.1), strict=True)]
    values = {"base": BASE, "lr=0.05": WORSE, "lr=0.1": unsure, "lr=0.2": BETTER}
    experiment(store, "learning_rates", values, comparison("no_gain", "lr=0.05", "lr=0.1", "lr=0.2"))
    page = script["text"](script["found_results"].load(store.paths.root), tmp_path / "findings.md")
    assert "**refuted** | 1 supported, 1 inconclusive, 1 refuted |" in page
    assert re.search(r"^  - lr=0.05: supported, .*\n  - lr=0.1: inconclusive, .*\n  - lr=0.2: refuted, ", page, re.MULTILINE)


def test_interruptions_are_counted_from_provenances_and_logs(script: dict[str, Any], store: Store) -> None:
    plan = experiment(store, "lookahead", {"base": BASE, "lookahead": SAME}, comparison("improves", "lookahead"))
    facts = script["page"].training_facts
    assert facts.interruptions(facts.trained(store)) == "none"
    starts = "".join(f"--- 2026-01-02T03:0{number}:00+00:00 lease {number}, node1, process 7\n" for number in (1, 2, 3))
    store.paths.run(plan.runs[0].id).log.write_text(starts)
    path = store.paths.run(plan.runs[1].id).provenance
    origin = Provenance.model_validate_json(path.read_bytes())
    path.write_text(restarted(origin, origin, epoch=4).model_dump_json(by_alias=True))
    assert facts.interruptions(facts.trained(store)) == (
        "1 run resumed from a checkpoint, 1 time in all; 1 run began again before the first checkpoint, 2 times in all"
    )


def test_the_block_of_the_readme_is_between_its_markers(script: dict[str, Any], store: Store) -> None:
    lessons(store, "")
    found = script["found_results"].load(store.paths.root)
    readme = "Before.\n<!-- findings -->\nold\n<!-- end of findings -->\nAfter.\n"
    new = script["with_block"](readme, found)
    assert new.startswith(
        "Before.\n<!-- findings -->\nThe lessons of a report on CIFAR-10 were tested with 4 epochs. Of 4 claims about the lessons,"
    )
    assert new.endswith("\n<!-- end of findings -->\nAfter.\n")
    assert script["with_block"]("No markers.", found) == "No markers."


@pytest.mark.slow
def test_the_overview_is_small_and_reproducible(script: dict[str, Any], store: Store) -> None:
    claims = [comparison("improves", "lookahead"), DeclineClaim(metric="test_accuracy", factor="dose", beyond=1)]
    experiment(store, "lookahead", {"base": BASE, "lookahead": WORSE}, claims[0])
    first, again = (script["pictures"](script["found_results"].load(store.paths.root)) for _ in range(2))
    assert first == again
    assert [*first] == ["findings_verdicts.png"]
    assert len(first["findings_verdicts.png"]) < LARGEST


@ONLY_HERE
def test_the_published_page_is_that_of_the_published_results(script: dict[str, Any]) -> None:
    found = script["found_results"].load(RESULTS)
    again = "write it anew: .venv/bin/python scripts/make_findings.py"
    assert (ROOT / "docs" / "findings.md").read_text() == script["text"](found), again
    readme = (ROOT / "README.md").read_text()
    assert script["with_block"](readme, found) == readme, again
    names = {path.name for path in PICTURES.glob("findings_*")}
    assert names == set(script["NAMES"])
    assert not [name for name in names if (PICTURES / name).stat().st_size > LARGEST]


@ONLY_HERE
@pytest.mark.slow
def test_the_published_pictures_are_those_of_the_published_results(script: dict[str, Any]) -> None:
    drawn = script["pictures"](script["found_results"].load(RESULTS))
    assert {name: (PICTURES / name).read_bytes() for name in drawn} == drawn
