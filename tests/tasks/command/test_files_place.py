"""Where a metric's file is."""

import pytest
from followed import everything, follower, plain

from harness.tasks.command.files.place import alike, natural, wrong_path
from harness.tasks.protocol import TrainingFailed


def put(folder, name, *numbers):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("step,acc\n" + "".join(f"{number},0.{number}\n" for number in numbers))
    return path


def acc(run_dir, file, **options):
    return follower(run_dir, acc={"file": file}, **options)


@pytest.mark.parametrize(
    "file",
    ["logs/version_0/metrics.csv", "{run_dir}/logs/version_0/metrics.csv", "logs/*/metrics.csv", "**/metrics.csv", "**/*.csv", "*/*_0/m*.csv"],
)  # fmt: skip
def test_a_file_is_named_by_its_path_or_a_pattern(tmp_path, file):
    put(tmp_path, "logs/version_0/metrics.csv", 1)
    put(tmp_path, "metrics.csv.old", 2)
    assert everything(acc(tmp_path, file)) == [(1, {"acc": 0.1})]


def test_only_stars_are_special(tmp_path):
    put(tmp_path, "a[1]?.csv", 1)
    put(tmp_path, "a1x.csv", 2)
    assert everything(acc(tmp_path, "a[1]?.csv")) == everything(acc(tmp_path, "*[1]?.csv")) == [(1, {"acc": 0.1})]


def test_several_files_are_an_error_that_names_them(tmp_path):
    found = acc(tmp_path, "*/m.csv")
    put(tmp_path, "b/m.csv", 1)
    assert plain(found.poll()) == [(1, {"acc": 0.1})]
    put(tmp_path, "a/m.csv", 1)
    with pytest.raises(TrainingFailed, match=r"\*/m\.csv in {run_dir} matches several files: a/m\.csv, b/m\.csv; name one"):
        found.end()


def test_a_link_to_a_file_is_no_other_file(tmp_path):
    target = put(tmp_path, "run_7.csv", 1)
    (tmp_path / "latest.csv").symlink_to(target)
    assert everything(acc(tmp_path, "*.csv")) == [(1, {"acc": 0.1})]


def test_after_a_resume_the_files_are_read_in_natural_order(tmp_path):
    for version in range(9, 11):
        put(tmp_path, f"version_{version}/m.csv", version)
    found = acc(tmp_path, "version_*/m.csv", resumes=True)
    assert plain(found.poll()) == [(9, {"acc": 0.9})]
    put(tmp_path, "version_11/m.csv", 11)
    assert plain(found.poll()) == [(10, {"acc": 0.1}), (11, {"acc": 0.11})]
    assert found.end() == []


def test_names_that_differ_in_words_are_an_error_even_after_a_resume(tmp_path):
    put(tmp_path, "train/m.csv", 1)
    put(tmp_path, "test/m.csv", 1)
    with pytest.raises(TrainingFailed, match="they differ in more than numbers"):
        acc(tmp_path, "*/m.csv", resumes=True)


def test_of_documents_the_last_one_counts_after_a_resume(tmp_path):
    for step in (500, 1000):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "state.json").write_text(f'{{"loss": {step}}}')
    assert everything(follower(tmp_path, resumes=True, loss={"file": "*/state.json"})) == [(None, {"loss": 1000.0})]


def test_a_file_that_never_came_is_explained_by_those_that_did(tmp_path):
    found = acc(tmp_path, "results.csv")
    assert everything(found) == []
    assert found.why_missing("acc") == (
        "file results.csv was not found in {run_dir}; it is empty: let the program write there, by {run_dir} in the command"
    )
    for name in ("a.txt", "deep/er/log.csv", "ckpt.pt"):
        put(tmp_path, name)
    assert found.why_missing("acc") == "file results.csv was not found in {run_dir}; there are: deep/er/log.csv, a.txt, ckpt.pt"


def test_folders_may_vanish_while_files_are_searched(tmp_path, monkeypatch):
    import os

    put(tmp_path, "b/m.csv", 1)
    gone = put(tmp_path, "a/n.csv", 1).parent
    walk = os.walk

    def vanishing(top, **options):
        for root, folders, names in walk(top, **options):
            if gone.exists():
                (gone / "n.csv").unlink()
                gone.rmdir()
            yield root, folders, names

    monkeypatch.setattr(os, "walk", vanishing)
    assert everything(acc(tmp_path, "**/m.csv")) == [(1, {"acc": 0.1})]


def test_a_folder_of_that_name_is_no_file(tmp_path):
    (tmp_path / "results.csv").mkdir()
    assert everything(acc(tmp_path, "results.csv")) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/tmp/results.csv", "is not in {run_dir}"),
        ("../results.csv", "is not in {run_dir}"),
        ("{run_dir}/../results.csv", "is not in {run_dir}"),
        ("~/results.csv", "is not in {run_dir}"),
        ("{seed}/results.csv", "has {seed}; use * instead"),
        ("logs/{run_dir}/r.csv", "has {run_dir}"),
        ("a**/r.csv", "has ** within a name"),
        ("logs/**", "names folders only"),
        (".", "is not in {run_dir}"),
    ],
)
def test_paths_that_lead_elsewhere_are_refused(text, words):
    assert words in wrong_path(text)


def test_other_paths_are_accepted():
    assert [wrong_path(text) for text in ("r.csv", "{run_dir}/a/r.csv", "**/r.csv", "a b/{x.csv", "..a/r.csv")] == [None] * 5


def test_names_are_sorted_and_compared_by_their_numbers():
    assert sorted(["v10", "v9", "v1/b", "v1/a"], key=natural) == ["v1/a", "v1/b", "v9", "v10"]
    assert (alike(["v1/m.csv", "v22/m.csv"]), alike(["a/m.csv", "b/m.csv"]), alike([])) == (True, False, True)
