"""Versions of code in experiment files and plans."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from repositories import COMMAND, LOSS, MAIN, commit, experiment, git, planned, repository

from harness.errors import InputError, PlanChanged
from harness.execution.stages import next_plan, resolve_plan, save_resolved_plan
from harness.experiment import load_experiment
from harness.experiment.changes import reconcile
from harness.experiment.plan import Plan, make_plan
from harness.store.holder import Holder
from harness.store.lease import Timing, Watch, take
from harness.store.records import Record, Store
from harness.tasks.command.code import place

SWITCHED = {**MAIN, "train.py": MAIN["train.py"] + "# --lr\n"}


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CHECKOUTS", str(tmp_path / "checkouts"))
    return repository(tmp_path / "repo", fast={"rate.py": "RATE = 0.3\n"}, docs={"README.md": "Words.\n", "notes.txt": "More.\n"})


def problems(path: Path, *settings: str) -> str:
    with pytest.raises(InputError) as caught:
        planned(path, *settings)
    return str(caught.value)


def test_refs_become_commits_whose_files_make_the_ids(repo: Path, tmp_path: Path) -> None:
    plan = planned(experiment(tmp_path, repo, "main", "fast"))
    commits = {label: git(repo, "rev-parse", label) for label in ("main", "fast")}
    assert {label: config["code"] for label, config in plan.variants.items()} == commits
    assert {label: (version.ref, version.commit) for label, version in plan.code.items()} == {
        label: (label, found) for label, found in commits.items()
    }
    assert [change.path for change in plan.code["fast"].changes if change.counts] == ["rate.py"]
    assert plan.baseline == "main"
    assert plan.data["main"].startswith("train.py ")
    assert Plan.model_validate_json(plan.model_dump_json(by_alias=True)) == plan


def test_ids_are_those_of_the_same_program_without_versions(repo: Path, tmp_path: Path) -> None:
    versions = planned(experiment(tmp_path, repo, "main", "fast"))
    text = f"question: q\ntask: {{directory: repo, command: '{COMMAND}', metrics: {{loss: {json.dumps(LOSS)}}}}}\nseeds: {{n: 1, first: 1}}\n"
    (tmp_path / "plain.yaml").write_text(text)
    plain = planned(tmp_path / "plain.yaml")
    assert plain.runs[0].id == versions.runs[0].id
    assert plain.code == {}
    assert '"code"' not in plain.model_dump_json()
    assert not {"repository", "link", "prepare"} & plain.program.model_dump(mode="json").keys()  # type: ignore[union-attr]


def test_ids_do_not_depend_on_the_name_of_the_version_nor_on_links(repo: Path, tmp_path: Path) -> None:
    (repo / "data").mkdir()
    one = planned(experiment(tmp_path, repo, "fast"))
    other = planned(experiment(tmp_path, repo, git(repo, "rev-parse", "fast")[:10], link=["data"]))
    assert one.runs[0].id == other.runs[0].id


def test_prepare_is_part_of_the_ids(repo: Path, tmp_path: Path) -> None:
    one = planned(experiment(tmp_path, repo, "fast"))
    other = planned(experiment(tmp_path, repo, "fast", prepare="{python} --version"))
    assert one.runs[0].id != other.runs[0].id


def test_files_beside_the_directory_have_names_that_do_not_depend_on_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CHECKOUTS", str(tmp_path / "checkouts"))
    files = {"sub/run.sh": "python ../lib/train.py\n", "lib/train.py": "print('step 1: loss 1')\n"}
    other = repository(tmp_path / "other", files, fast={"lib/train.py": "print('step 1: loss 2')\n"})
    plan = planned(experiment(tmp_path, other, "main", "fast", command="bash run.sh --seed={seed}", directory="sub"))
    assert all("checkouts" not in data for data in plan.data.values())
    assert "../lib/train.py " in plan.data["fast"]
    assert [change.counts for change in plan.code["fast"].changes] == [True]


def test_other_environments_and_builds_are_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CHECKOUTS", str(tmp_path / "checkouts"))
    files = {**MAIN, "uv.lock": "torch 2.7\n", "build.sh": "cat build.cfg\n", "build.cfg": "fast: no\n"}
    made = repository(tmp_path / "repo", files, locked={"uv.lock": "torch 2.8\n"}, built={"build.cfg": "fast: yes\n"})
    plan = planned(experiment(tmp_path, made, "main", "locked", "built", prepare="bash build.sh"))
    assert len({run.id for run in plan.runs}) == 3
    assert [change.counts for label in ("locked", "built") for change in plan.code[label].changes] == [True, True]
    only = {"prepare": "bash build.sh", "inputs": {"only": ["train.py", "rate.py"]}}
    assert "the same code" in problems(experiment(tmp_path, made, "main", "locked", **only))


def test_a_change_counts_if_a_submodule_or_a_link_contains_an_input_and_not_if_it_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CHECKOUTS", str(tmp_path / "checkouts"))
    made = repository(tmp_path / "repo", {**MAIN, "train.py": MAIN["train.py"] + "import library.lib, linked\n"})
    library = repository(tmp_path / "library", {"lib.py": "LIB = 1\n"})
    git(made, "submodule", "--quiet", "add", library.as_uri(), "library")
    (made / "linked.py").symlink_to("real.txt")
    git(made, "branch", "old", commit(made, {"real.txt": "A = 1\n", "data/a.csv": "1\n", "data/a.cache": "1\n"}))
    commit(made / "library", {"lib.py": "LIB = 2\n"})
    commit(made, {"real.txt": "A = 2\n", "data/a.csv": "2\n", "data/a.cache": "2\n"})
    plan = planned(experiment(tmp_path, made, "old", "main", inputs=["data", "!*.cache"]))
    assert {change.path: change.counts for change in plan.code["main"].changes} == {
        "library": True,
        "real.txt": True,
        "data/a.csv": True,
        "data/a.cache": False,
    }


def test_a_plan_of_a_checkout_whose_code_was_changed_is_refused(repo: Path, tmp_path: Path) -> None:
    path = experiment(tmp_path, repo, "main", "fast")
    plan = planned(path)
    (folder,) = (tmp_path / "checkouts").glob(f"{plan.code['fast'].commit[:12]}-*/")
    (folder / "rate.py").chmod(0o644)
    (folder / "rate.py").write_text("RATE = 0.9\n")
    assert "these files were changed since it was checked out: rate.py" in problems(path)


def test_settings_vary_together_with_versions_and_versions_can_be_a_factor(repo: Path, tmp_path: Path) -> None:
    command, knobs = f"{COMMAND} {{knobs}}", {"lr": 0.01}
    both = {"main": {"code": "main"}, "fast": {"code": "fast", "lr": 0.02}}
    plan = planned(experiment(tmp_path, repo, command=command, knobs=knobs, variants=both))
    assert (plan.variants["main"]["lr"], plan.variants["fast"]["lr"]) == (0.01, 0.02)
    grid = {"code": ["main", "fast"], "lr": [0.01, 0.1]}
    plan = planned(
        experiment(tmp_path, repo, command=command, knobs=knobs, factors=grid, design="grid", baseline="code=main, lr=0.01")
    )
    assert list(plan.variants) == ["code=main, lr=0.01", "code=main, lr=0.1", "code=fast, lr=0.01", "code=fast, lr=0.1"]
    assert plan.code["code=fast, lr=0.1"].ref == "fast"
    assert len({run.id for run in plan.runs}) == 4


def test_a_version_given_on_the_command_line_is_a_rehearsal_of_its_own_name(repo: Path, tmp_path: Path) -> None:
    path = experiment(tmp_path, repo, command=f"{COMMAND} {{knobs}}", knobs={"lr": 0.1}, factors={"lr": [0.1, 0.2]})
    assert load_experiment(path, None, ["code=fast"]).name != load_experiment(path).name
    plan = planned(path, "code=fast")
    assert {version.ref for version in plan.code.values()} == {"fast"}


def test_the_working_tree_is_one_commit_in_all_variants(repo: Path, tmp_path: Path) -> None:
    (repo / "rate.py").write_text("RATE = 0.2\n")
    both = {"main": {"code": "main"}, "now": {"code": "."}, "hot": {"code": ".", "lr": 1.0}}
    plan = planned(experiment(tmp_path, repo, command=f"{COMMAND} {{knobs}}", knobs={"lr": 0.1}, variants=both))
    assert plan.code["now"].commit == plan.code["hot"].commit
    assert plan.code["now"].parent == git(repo, "rev-parse", "main")
    assert [change.path for change in plan.code["now"].changes] == ["rate.py"]


def test_equal_code_is_nothing_to_compare(repo: Path, tmp_path: Path) -> None:
    main, docs = git(repo, "rev-parse", "main")[:7], git(repo, "rev-parse", "docs")[:7]
    said = problems(experiment(tmp_path, repo, "main", "docs"))
    assert f"'docs' has the same code as 'main' (commits {main}, {docs}): nothing to compare" in said
    assert (
        "they differ only in files that are not inputs of the command: README.md, notes.txt; if they matter, list them in inputs"
        in said
    )
    git(repo, "branch", "again", "main")
    assert f"'again' has the same code as 'main' (commit {main}): nothing" in problems(
        experiment(tmp_path, repo, "main", "again")
    )
    assert len(planned(experiment(tmp_path, repo, "main", "docs", inputs=["README.md"])).runs) == 2


def test_an_unknown_version_is_told_with_file_line_and_value(repo: Path, tmp_path: Path) -> None:
    path = experiment(tmp_path, repo, "main", "fats")
    lines = path.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "code: fats" in text)
    assert f"versions.yaml:{line}:11: variants.fats.code: no version 'fats' in" in problems(path)
    assert "--set code=fsat: code: no version 'fsat'" in problems(experiment(tmp_path, repo, "main", "fast"), "code=fsat")


def test_a_full_commit_that_does_not_exist_is_told_with_file_and_value(repo: Path, tmp_path: Path) -> None:
    said = problems(experiment(tmp_path, repo, variants={"main": {"code": "1" * 40}}))
    assert said.startswith(f"{tmp_path}/versions.yaml: code: no version '{'1' * 40}' in {repo}; fetch this commit")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"link": ["nothing"]}, "task.link: 'nothing' not found"),
        ({"link": ["../outside"]}, "is not a file or folder of the repository"),
        ({"directory": "../outside"}, "use a folder relative to the top of the repository"),
        ({"prepare": "uv sync && touch x"}, "but there is no shell"),
        ({"prepare": "uv sync --seed={seed}"}, "unknown placeholder {seed}"),
        (
            {"command": COMMAND + " {knobs}", "knobs": {"code": 1}},
            "'code' is the version of the code in a program with repository",
        ),
        ({"directory": "missing"}, "task.directory: no folder missing in the version"),
    ],
)
def test_bad_fields_are_told(fields: dict[str, object], says: str, repo: Path, tmp_path: Path) -> None:
    assert says in problems(experiment(tmp_path, repo, "main", "fast", **fields))


def test_a_folder_that_is_no_repository_is_told(tmp_path: Path) -> None:
    assert "versions.yaml:3:15: task.repository: folder not found" in problems(experiment(tmp_path, tmp_path / "nowhere", "main"))


def test_fields_of_versions_need_a_repository(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    text = "question: q\ntask: {command: 'python train.py --seed={seed}', prepare: make, metrics: {a: {goal: minimize, text: 'a {value}'}}}\nseeds: 1\n"
    (tmp_path / "e.yaml").write_text(text)
    assert "task.prepare: has no effect without repository" in problems(tmp_path / "e.yaml")


def test_paths_into_the_working_tree_are_refused(repo: Path, tmp_path: Path) -> None:
    command = f"{{python}} {repo}/train.py --seed={{seed}}"
    assert "train.py leads to the working tree, not to a version" in problems(experiment(tmp_path, repo, "main", command=command))
    given = {"PYTHONPATH": str(repo)}
    assert "leads to the working tree" in problems(experiment(tmp_path, repo, "main", environment=given))


def test_versions_are_not_chosen_by_results(repo: Path, tmp_path: Path) -> None:
    tune = {"space": {"code": ["main", "fast"]}, "seeds": 2}
    assert "cannot be chosen by results" in problems(experiment(tmp_path, repo, tune=tune, variants={"main": {}}))


def test_a_tuned_experiment_keeps_the_version_of_each_variant(repo: Path, tmp_path: Path) -> None:
    tune = {"space": {"lr": [0.1, 0.2]}, "seeds": 2}
    fields = {"command": f"{COMMAND} {{knobs}}", "knobs": {"lr": 0.1}, "tune": tune}
    plan = planned(experiment(tmp_path, repo, "main", "fast", **fields))
    assert {label: version.ref for label, version in plan.code.items()} == {
        "main, lr=0.1": "main",
        "main, lr=0.2": "main",
        "fast, lr=0.1": "fast",
        "fast, lr=0.2": "fast",
    }
    assert plan.selection is not None
    assert set(plan.selection.then.code) == {"main", "fast"}


def test_the_plan_after_a_tuning_has_the_commits_of_the_tuning(repo: Path, tmp_path: Path) -> None:
    tune = {"space": {"lr": [0.1, 0.2]}, "seeds": 2}
    fields = {"command": f"{COMMAND} {{knobs}}", "knobs": {"lr": 0.1}, "tune": tune}
    path = experiment(tmp_path, repo, "main", "fast", **fields)
    first = planned(path)
    git(repo, "checkout", "--quiet", "fast")
    commit(repo, {"README.md": "More words.\n"})
    plan = reconcile(first, planned(path))
    records = {run.id: Record(run.id, "completed", metrics={"loss": run.seed}) for run in plan.runs}
    then = next_plan(plan, records)
    assert then is not None
    assert {label: version.commit for label, version in then.code.items()} == {
        label: config["code"] for label, config in then.variants.items()
    }
    assert then.code["fast"] == first.code["fast, lr=0.1"]


def test_a_branch_that_moved_is_not_trained_silently(repo: Path, tmp_path: Path) -> None:
    path = experiment(tmp_path, repo, "main", "fast", seeds=2)
    first = planned(path)
    git(repo, "checkout", "--quiet", "fast")
    commit(repo, {"rate.py": "RATE = 0.4\n"})
    old, new = first.code["fast"].commit[:12], git(repo, "rev-parse", "fast")[:12]
    with pytest.raises(PlanChanged) as caught:
        reconcile(first, planned(path))
    said = str(caught.value)
    assert f"variant 'fast': code: fast was {old}, fast is {new}" in said
    assert "inputs: changed: rate.py" in said
    assert f"write its commit: fast: {{code: {old}}}" in said
    assert "--replan" in said
    pinned = planned(experiment(tmp_path, repo, seeds=2, variants={"main": {"code": "main"}, "fast": {"code": old}}))
    assert reconcile(first, pinned).runs == first.runs


def test_a_branch_that_moved_to_equal_inputs_goes_on_with_the_planned_commit(repo: Path, tmp_path: Path) -> None:
    path = experiment(tmp_path, repo, "main", "fast", seeds=2)
    first = planned(path)
    git(repo, "checkout", "--quiet", "fast")
    commit(repo, {"README.md": "More words.\n"})
    again = reconcile(first, planned(path, seeds=3))
    assert again.code == first.code
    assert again.variants == first.variants
    assert len(again.runs) == 6


def test_a_planned_commit_that_is_lost_is_replaced_by_one_with_equal_inputs(repo: Path, tmp_path: Path) -> None:
    path = experiment(tmp_path, repo, "main", "fast", seeds=2)
    store = Store.open(tmp_path / "results")
    first = save_resolved_plan(store, planned(path))
    git(repo, "checkout", "--quiet", "fast")
    git(repo, "commit", "--quiet", "--amend", "--message", "the same files")
    folder = store.paths.run(first.runs[0].id).folder
    folder.mkdir(parents=True)
    with take(folder, Watch(Timing(), Holder.here())):  # a run has started
        assert resolve_plan(store, planned(path))[0].code == first.code
        # As in a new clone, with the results of another one.
        lost = first.code["fast"].commit
        for checkout in place.checkouts_folder().glob(f"{lost[:12]}-*-??????"):
            place.remove(checkout, repo)
        git(repo, "update-ref", "-d", f"refs/harness/{lost}")
        git(repo, "reflog", "expire", "--expire=now", "--all")
        git(repo, "gc", "--quiet", "--prune=now")
        again, _ = resolve_plan(store, planned(path))
    assert again.variants["fast"]["code"] == again.code["fast"].commit == git(repo, "rev-parse", "fast")
    assert again.code["main"] == first.code["main"]
    assert again.runs == first.runs


def test_a_plan_can_be_read_without_the_repository(repo: Path, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "results")
    plan = save_resolved_plan(store, planned(experiment(tmp_path, repo, "main", "fast")))
    repo.rename(tmp_path / "moved")
    loaded = store.load_plan("versions")
    assert loaded is not None
    assert loaded.code == plan.code


def test_a_mapping_has_versions_too(repo: Path) -> None:
    fields = {
        "question": "q",
        "task": {"repository": str(repo), "command": COMMAND, "metrics": {"loss": LOSS}},
        "variants": {"main": {"code": "main"}, "fast": {"code": "fast"}},
        "seeds": {"n": 1, "first": 1},
    }
    plan = make_plan(load_experiment(fields, name="versions"))
    assert plan.code["fast"].commit == git(repo, "rev-parse", "fast")
