"""`harness compare` on small git repositories, with real worker processes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import TESTS
from repositories import MAIN, TRAIN, commit, git, repository

from harness import compare, report, run
from harness.experiment import load_experiment
from harness.experiment.plan import make_plan
from harness.launch import experiment as experiment_plans

LOSS = "loss=step {step}: loss {value}"
FAST = {"rate.py": "RATE = 0.5\n"}


# The tests that do not name it only need it to be the current folder.
@pytest.fixture(autouse=True)
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the branches main, fast, slow and docs (as main, with another README), which is the current folder."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    monkeypatch.delenv("HARNESS_CHECKOUTS", raising=False)
    slow, docs = {"rate.py": "RATE = 0.05\n"}, {"README.md": "A very small training.\n"}
    made = repository(tmp_path / "repo", {**MAIN, ".gitignore": "results\n"}, **{"fast": FAST, "slow": slow, "docs": docs})
    monkeypatch.chdir(made)
    return made


def words(*refs: str, command: str = "{python} train.py --seed={seed}", margin: str | None = "0.1") -> list[str]:
    found = [*refs, "--command", command, "--metric", LOSS, "--track", "none"]
    return found if margin is None else [*found, "--margin", margin]


def compared(*arguments: str, code: int = 0, capsys: pytest.CaptureFixture[str]) -> Any:
    """The document of a comparison."""
    capsys.readouterr()
    assert compare.main([*arguments, "--json"]) == code, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def plans() -> list[str]:
    return sorted(path.stem for path in Path("results/plans").glob("*.json"))


@pytest.mark.slow
def test_versions_are_compared_and_one_that_was_trained_before_is_not_trained_again(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = compared(*words("main", "fast"), "--seeds", "3", capsys=capsys)
    (verdict,) = first["verdicts"]
    assert (verdict["verdict"], verdict["n"], verdict["registered"]) == ("supported", 3, True)
    assert verdict["mean"] == pytest.approx(-1.2)
    assert (len(first["used"]["trained"]), first["used"]["found"]) == (6, [])
    assert {label: version["commit"] for label, version in first["code"].items()} == {
        label: git(repo, "rev-parse", label) for label in ("main", "fast")
    }
    third = compared(*words("main", "slow"), "--seeds", "3", "--require", "not-refuted", code=3, capsys=capsys)
    assert (len(third["used"]["trained"]), len(third["used"]["found"])) == (3, 3)
    assert third["cost"]["trained_seconds"] < third["cost"]["seconds"]
    assert third["required"] == {
        "requirement": "not-refuted", "met": False, "unmet": [{"claim": 1, "verdict": "refuted", "lack": "verdict"}]
    }  # fmt: skip
    assert len(plans()) == 2


def test_a_dry_run_shows_the_plan_and_writes_no_plan(capsys: pytest.CaptureFixture[str]) -> None:
    document = compared(*words("main", "fast"), "--seeds", "3,5,8,12,20", "--dry-run", capsys=capsys)
    assert document["looks"] == [3, 5, 8, 12, 20]
    assert document["name"].startswith("compare-main-fast-")
    assert [claim["variants"] for claim in document["claims"]] == [["fast"]]
    assert document["baseline"] == "main"
    assert not plans()


def test_a_dry_run_computes_the_power_for_a_spread(capsys: pytest.CaptureFixture[str]) -> None:
    document = compared(*words("main", "fast"), "--seeds", "5", "--dry-run", "--sd", "0.1", capsys=capsys)
    assert document["power"]["spread"]["sd"] == 0.1
    assert compare.main([*words("main", "fast"), "--sd", "0.1"]) == 2
    assert "--sd has no effect without --dry-run" in capsys.readouterr().err


def test_a_dry_run_names_files_of_the_command_that_only_the_working_tree_has(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo / "seeded.cfg").write_text("x")
    found = words("main", "fast", command="{python} train.py --seed={seed} seeded.cfg")
    assert compare.main([*found, "--dry-run"]) == 0
    first = git(repo, "rev-parse", "main")[:7]
    shown = " ".join(capsys.readouterr().out.split())
    assert f"seeded.cfg is in the working tree, but not in the version {first}: commit it, or list it in link" in shown
    assert compare.main([*found, "--dry-run", "--link", "seeded.cfg"]) == 0
    assert "but not in the version" not in capsys.readouterr().out


def name_of(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    return str(compared(*arguments, "--dry-run", capsys=capsys)["name"])


@pytest.mark.slow
def test_the_plan_is_named_by_what_is_trained(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = name_of(*words("main", "fast"), capsys=capsys)
    assert name_of(*words("main", "fast", margin="0.5"), "--seeds", "8", "--claim", "no_loss: fast", capsys=capsys) == name
    commit(repo, {"README.md": "Another text.\n"})
    assert name_of(*words("main", "fast"), capsys=capsys) == name, "the code is the same"
    others = [
        name_of(*words("fast", "main"), capsys=capsys),
        name_of(*words("main", "fast", command="{python} train.py --seed {seed}"), capsys=capsys),
        name_of(*words("main", "fast"), "--set", "steps=3", capsys=capsys),
        name_of(*words("main", "fast"), "--first-seed", "5", capsys=capsys),
    ]
    commit(repo, {"rate.py": "RATE = 0.2\n"})
    others.append(name_of(*words("main", "fast"), capsys=capsys))
    assert len({name, *others}) == 6


def test_the_working_tree_and_relative_refs_have_labels_that_claims_may_name(
    repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(repo, {"rate.py": "RATE = 0.2\n"})
    (repo / "rate.py").write_text("RATE = 0.3\n")
    document = compared(
        *words("HEAD~1", "."), "--claim", "no_loss: .", "--claim", "{worsens: ., over: HEAD~1}", "--dry-run", capsys=capsys
    )
    assert list(document["variants"]) == ["HEAD-1", "working tree"]
    assert [(claim["kind"], claim["variants"], claim["over"]) for claim in document["claims"]] == [
        ("no_loss", ["working tree"], ["HEAD-1"]), ("worsens", ["working tree"], ["HEAD-1"])
    ]  # fmt: skip


def test_a_branch_in_another_script_has_a_readable_label(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(repo, "branch", "实验", "fast")
    document = compared(*words("main", "实验"), "--dry-run", "--claim", "improves: 实验", capsys=capsys)
    assert [claim["variants"] for claim in document["claims"]] == [["version"]]


def test_an_input_that_versions_lack_is_told_with_a_way_out(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repo / "data.bin").write_text("x")
    assert compare.main([*words("main", "fast"), "--input", "data.bin", "--dry-run"]) == 2
    assert "relative to the program's directory, and list in link what git does not track" in capsys.readouterr().err
    assert compare.main([*words("main", "fast"), "--input", "data.bin", "--link", "data.bin", "--dry-run"]) == 0


def test_a_full_commit_has_a_short_label(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sha = git(repo, "rev-parse", "fast")
    document = compared(*words("main", sha), "--claim", f"no_loss: {sha}", "--dry-run", capsys=capsys)
    assert list(document["variants"]) == ["main", sha[:12]]
    assert document["claims"][0]["variants"] == [sha[:12]]


def test_a_commit_that_is_a_number_in_yaml_may_be_named_in_claims(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(repo, "tag", "1234567", "fast")
    git(repo, "tag", "12e4567", "slow")
    document = compared(
        *words("main", "1234567", "12e4567"), "--claim", "improves: [1234567, 12e4567]", "--dry-run", capsys=capsys
    )
    assert document["claims"][0]["variants"] == ["1234567", "12e4567"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (words("main", "fats"), "version 2: no version 'fats' in {repo}; did you mean fast?"),
        (words("main"), "nothing to compare 'main' with; name another branch, tag or commit"),
        (words("main", "fast", "main"), "'main' is named twice; name each version once"),
        (words("main", "fast", margin=None), "missing option --margin; give the smallest difference that matters"),
        (words("main", "fast", margin="-1"), "--margin: -1.0 is out of range; expected a number above 0"),
        (
            [*words("main", "fast"), "--claim", "improvs: fast"],
            "--claim 'improvs: fast': no kind of claim; did you mean improves?",
        ),
        (
            [*words("main", "fast"), "--claim", "improves: fats"],
            "--claim 'improves: fats': no variant 'fats'; did you mean fast?",
        ),
        ([*words("main", "fast"), "--seeds", "3,x"], "invalid value for --seeds: '3,x'; expected a number of seeds, or looks"),
        ([*words("main", "fast"), "--seeds", "5,3"], "--seeds: [5, 3] is not increasing; expected increasing numbers of seeds"),
        ([*words("main", "fast"), "--futility", "0.1"], "--futility has no effect without looks"),
        ([*words("main", "fast"), "--set", "rate=1,2"], "--set 'rate=1,2': has several values; give one"),
        ([*words("main", "fast"), "--set", "rate"], "--set 'rate': has no value; expected NAME=VALUE"),
        ([*words("main", "fast"), "--set", "a=1", "--set", "a=2"], "--set 'a': is given twice; use each name once"),
        ([*words("main", "fast"), "--metric", "loss=the loss {value}"], "--metric 'loss': is given twice; use each name once"),
        ([*words("main", "fast"), "--input", "data"], "task.inputs: data: not found"),
        ([*words("main", "fast"), "--link", "data"], "data"),
        ([*words("main", "fast"), "--directory", "nowhere"], "no folder nowhere in the version"),
        (words("main", "fast", command="{python} train.py {sed}"), "--command: unknown placeholder {sed}; did you mean seed?"),
        (words("main", "fast", command="{python} 'train.py"), "cannot be split into words"),
        (words("main", "two\nlines"), "contains unprintable characters"),
    ],
)
def test_a_mistake_is_named_with_its_option(
    repo: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare.main(arguments) == 2
    assert message.replace("{repo}", str(repo)) in capsys.readouterr().err
    assert not plans()


def test_a_folder_without_a_repository_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert compare.main(words("main", "fast")) == 2
    assert "is not in a git repository" in capsys.readouterr().err


def test_the_same_code_is_nothing_to_compare_and_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.main(words("main", "docs")) == 0
    shown = capsys.readouterr().out
    assert "'docs' has the same code as 'main'" in shown
    assert "nothing to compare; they differ only in files that are not inputs of the command: README.md" in shown
    assert compare.main([*words("main", "docs"), "--claim", "no_loss: docs", "--require", "supported"]) == 0
    document = compared(*words("main", "docs"), "--require", "supported", code=3, capsys=capsys)
    assert document["same_code"] == {"docs": "main"}
    assert document["required"] == {"requirement": "supported", "met": False, "unmet": []}
    assert compare.main(words("main", "fast", "docs")) == 2
    assert "'docs' has the same code as 'main'" in capsys.readouterr().err
    assert not plans()


def test_versions_that_cannot_be_told_apart_are_not_the_same_code(capsys: pytest.CaptureFixture[str]) -> None:
    command = """{python} -c "print('step 1: loss 0.5')" --seed={seed}"""
    assert compare.main([*words("main", "fast", command=command), "--claim", "no_loss: fast", "--require", "supported"]) == 2
    assert "no file of the repository is known to be an input of the command" in capsys.readouterr().err


def test_a_program_that_imports_the_working_tree_is_refused_though_the_inputs_are_equal(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(repo), os.environ["PYTHONPATH"]]))
    (tmp_path / "program.py").write_text("import rate\nprint('step 1: loss', rate.RATE)\n")
    command = f"{{python}} {tmp_path}/program.py --seed={{seed}}"
    found = words("main", "fast", command=command)
    assert compare.main([*found, "--input", "README.md", "--claim", "no_loss: fast", "--require", "supported"]) == 2
    assert "the working tree of the repository" in capsys.readouterr().err


def test_the_command_runs_in_the_folder_where_it_is_written(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repo, "checkout", "--quiet", "-b", "nested")
    commit(repo, {"project/train.py": TRAIN, "project/rate.py": "RATE = 0.1\n"})
    commit(repo, {"project/rate.py": "RATE = 0.4\n"})
    monkeypatch.chdir(repo / "project")
    inside = compared(*words("HEAD~1", "HEAD"), "--dry-run", capsys=capsys)
    monkeypatch.chdir(repo)
    outside = compared(*words("HEAD~1", "HEAD"), "--directory", "project", "--dry-run", capsys=capsys)
    assert inside["runs"] == outside["runs"]
    assert inside["program"]["directory"] == "project"


@pytest.mark.slow
def test_the_file_of_a_comparison_has_the_same_plan(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(repo, "tag", "v1.0", "slow")
    (repo / "data").mkdir()
    (repo / ".git" / "info" / "exclude").write_text("data\nexperiments\n")
    asked = [
        *words("main", "fast", "v1.0"), "--seeds", "3,5", "--first-seed", "2", "--futility", "0.1", "--alpha", "0.1",
        "--claim", "improves: fast", "--claim", "{worsens: v1.0, margin: 0.00001}", "--set", "note=it's: a",
        "--link", "data", "--prepare", "{python} -c 'print(1)'", "--question", "Which: one?",
    ]  # fmt: skip
    assert compare.main([*asked, "--into", "experiments"]) == 0
    (path,) = map(Path, capsys.readouterr().out.split())
    planned = make_plan(load_experiment(path), "cpu")
    document = compared(*asked, "--dry-run", "--device", "cpu", capsys=capsys)
    same = ("name", "question", "looks", "alpha", "futility", "margin", "claims_digest", "variants", "data", "code", "baseline")
    stored = planned.model_dump(mode="json", by_alias=True)
    assert {key: stored[key] for key in same} == {key: document[key] for key in same}
    assert [run["id"] for run in stored["runs"]] == [run["id"] for run in document["runs"]]
    assert yaml.safe_load(path.read_text())["task"]["repository"] == ".."
    assert run.main([str(path), "--track", "none"]) == 0
    again = compared(*asked, capsys=capsys)
    assert again["used"]["trained"] == []
    assert plans() == [path.stem]
    assert compare.main([*asked, "--into", "experiments"]) == 0, "the same file again"
    path.write_text("question: mine\n")
    assert compare.main([*asked, "--into", "experiments"]) == 2
    assert "already exists with other content" in capsys.readouterr().err


@pytest.mark.slow
def test_another_commit_with_the_same_code_continues_the_plan(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = compared(*words("main", "fast"), "--seeds", "3", "--require", "supported", capsys=capsys)
    git(repo, "checkout", "--quiet", "fast")
    commit(repo, {"README.md": "Only the text.\n"})
    second = compared(*words("main", "fast"), "--seeds", "3", "--require", "supported", capsys=capsys)
    assert (second["name"], second["used"]["trained"]) == (first["name"], [])
    assert second["verdicts"] == first["verdicts"]
    assert second["verdicts"][0]["registered"]


def test_a_plan_has_the_commits_by_which_it_was_named(
    repo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main = git(repo, "rev-parse", "main")
    name = compared(*words("main", "fast"), "--dry-run", capsys=capsys)["name"]
    planned = experiment_plans.plan_experiment

    def moved(*arguments: Any, **options: Any) -> Any:
        """The branch moves after the plan was named, such as while a long prepare runs."""
        commit(repo, {"rate.py": "RATE = 0.2\n"})
        return planned(*arguments, **options)

    monkeypatch.setattr(experiment_plans, "plan_experiment", moved)
    document = compared(*words("main", "fast"), "--dry-run", capsys=capsys)
    assert (document["name"], document["code"]["main"]["commit"]) == (name, main)


@pytest.mark.slow
def test_results_that_were_edited_meet_no_requirement(capsys: pytest.CaptureFixture[str]) -> None:
    asked = [*words("main", "fast"), "--seeds", "3", "--require", "supported"]
    assert compared(*asked, capsys=capsys)["required"]["met"]
    path = next(Path("results/runs").glob("*/result.json"))
    result = json.loads(path.read_text())
    path.write_text(json.dumps({**result, "loss": result["loss"] - 0.01}))
    capsys.readouterr()
    assert compare.main([*asked, "--json"]) == 1
    shown = capsys.readouterr()
    assert not json.loads(shown.out)["required"]["met"]
    assert "NOT CONSISTENT" in shown.err
    assert report.main(["--require", "supported", *plans()]) == 1
