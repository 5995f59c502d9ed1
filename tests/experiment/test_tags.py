"""Tags of an experiment: words by which it is found, which decide nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from harness.errors import InputError
from harness.experiment import load_experiment
from harness.experiment.changes import reconcile
from harness.experiment.plan import Plan, make_plan

TEXT = "question: Which?\ntask: toy_task:TOY\nseeds: 3\n"


def fingerprint(_: BaseModel) -> str:
    return "toy:1"


def plan_of(folder: Path, more: str = "") -> Plan:
    path = folder / "tagged.yaml"
    path.write_text(TEXT + more)
    return make_plan(load_experiment(path), fingerprint=fingerprint)


def test_a_plan_has_the_tags_of_its_file_each_once(tmp_path: Path) -> None:
    assert plan_of(tmp_path, "tags: [paper, relu-2, paper]\n").tags == ("paper", "relu-2")


def test_tags_are_part_of_no_run_id_and_of_no_file_without_them(tmp_path: Path) -> None:
    plain, tagged = plan_of(tmp_path), plan_of(tmp_path, "tags: [paper]\n")
    assert plain.runs == tagged.runs
    assert plain.claims_digest == tagged.claims_digest
    assert "tags" not in plain.model_dump(mode="json")


def test_changed_tags_are_taken_into_the_plan(tmp_path: Path) -> None:
    before = plan_of(tmp_path, "tags: [old]\n")
    after = reconcile(before, plan_of(tmp_path, "tags: [new]\n"))
    assert after.tags == ("new",)
    assert after.amended is None


@pytest.mark.parametrize("tag", ["'two words'", "''", "'<b>'", "5"])
def test_what_is_not_a_word_is_refused_with_its_place(tmp_path: Path, tag: str) -> None:
    with pytest.raises(InputError, match=r"tagged\.yaml:4:8: tags"):
        plan_of(tmp_path, f"tags: [{tag}]\n")
