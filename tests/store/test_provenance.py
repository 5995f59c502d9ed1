import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.store import device, provenance
from harness.tasks import environment


def git(folder, *arguments):
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "a.py").write_text("a = 1\n")
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    provenance.code.cache_clear()
    return package


def read(package):
    provenance.code.cache_clear()
    return provenance.code(package)


def test_a_clean_repository_gives_its_commit(repository):
    code = read(repository)
    assert len(code.commit) == 40
    assert code.dirty is False


def test_an_untracked_file_changes_the_digest(repository):
    before = read(repository)
    (repository / "b.py").write_text("b = 1\n")
    after = read(repository)
    assert after.digest != before.digest
    assert (after.commit, after.dirty) == (before.commit, True)


def test_ignored_files_and_other_kinds_of_files_change_nothing(repository):
    before = read(repository)
    (repository / "ignored.py").write_text("")
    (repository / "new_experiment.yaml").write_text("")
    assert read(repository) == before


def test_a_deleted_file_changes_the_digest(repository):
    before = read(repository)
    (repository / "a.py").unlink()
    (repository / "c.py").write_text("")
    assert read(repository).digest != before.digest


def test_without_git_the_package_itself_is_digested(tmp_path):
    (tmp_path / "a.py").write_text("a = 1\n")
    before = read(tmp_path)
    (tmp_path / "a.py").write_text("a = 2\n")
    assert before.commit is None
    assert before.dirty is None
    assert read(tmp_path).digest != before.digest


def test_an_installed_package_is_not_part_of_the_repository_around_it(repository):
    installed = repository.parent / "ignored"
    installed.mkdir()
    (repository.parent / ".gitignore").write_text("ignored/\n")
    (installed / "x.py").write_text("")
    assert read(installed).commit is None


def test_a_programs_folder_has_a_commit_and_a_digest_of_its_own(repository):
    program, beside = repository / "a.py", repository.parent / "beside.py"
    before = provenance.program_code(repository)
    assert (len(before.commit), before.dirty) == (40, False)
    beside.write_text("")
    assert provenance.program_code(repository) == before, "what lies beside the folder is not part of it"
    (repository / "written_by_a_run.py").write_text("")
    assert provenance.program_code(repository) == before, "nor what nobody has added"
    program.write_text("a = 2\n")
    after = provenance.program_code(repository)
    assert (after.commit, after.dirty) == (before.commit, True)
    assert after.digest != before.digest


def test_an_unreadable_file_is_not_part_of_a_programs_code(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("a = 1\n")
    before, read_bytes = provenance.program_code(tmp_path), Path.read_bytes
    (tmp_path / "b.py").write_text("b = 1\n")

    def closed(path):
        if path.name == "b.py":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", closed)
    assert provenance.program_code(tmp_path) == before


def test_without_git_a_programs_folder_has_a_digest_alone(tmp_path):
    before = provenance.program_code(tmp_path / "not there yet")
    (tmp_path / "a.py").write_text("a = 1\n")
    after = provenance.program_code(tmp_path)
    assert (after.commit, after.dirty) == (None, None)
    assert after.digest != before.digest


@pytest.mark.torch
def test_provenance_holds_no_environment(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "s3cret-value")
    seen = provenance.observe("cpu", 2, ("harness", "run"), "host")
    assert "s3cret-value" not in seen.model_dump_json()
    assert seen.threads == 2
    assert seen.packages["torch"]


def test_restarts_keep_the_first_starts_facts():
    first = provenance.observe("cpu", 2, ("a",), "one")
    again = provenance.restarted(first, provenance.observe("cpu", 8, ("b",), "two"), epoch=5)
    assert (again.host, again.threads, again.started) == ("one", 2, first.started)
    assert [(start.host, start.epoch) for start in again.restarts] == [("two", 5)]
    assert provenance.finished(again).ended is not None


def test_the_processor_has_a_name():
    assert device.device_name("cpu")


def driver(folder, *models):
    """The files of the driver on a machine with these GPUs."""
    for number, model in enumerate(models):
        (folder / f"0000:0{number}:00.0").mkdir(parents=True)
        (folder / f"0000:0{number}:00.0/information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 42\n")
    return folder


def using(monkeypatch, name):
    """Simulate that torch is loaded and uses the GPU `name` (None: no GPU)."""
    cuda = SimpleNamespace(is_initialized=lambda: name is not None, get_device_name=lambda: name)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))


def test_gpus_of_one_kind_have_its_name_and_others_only_once_one_is_used(tmp_path, monkeypatch):
    alike, mixed = (
        driver(tmp_path / "alike", "NVIDIA H200", "NVIDIA H200"),
        driver(tmp_path / "mixed", "NVIDIA T4", "NVIDIA H200"),
    )
    using(monkeypatch, None)
    assert device.device_name("cuda", alike) == "NVIDIA H200"
    assert device.device_name("cuda", mixed) == "cuda"
    assert device.device_name("cuda", tmp_path / "none") == "cuda"
    using(monkeypatch, "NVIDIA H200")
    assert device.device_name("cuda", mixed) == "NVIDIA H200"
    assert device.device_name("cuda", tmp_path / "none") == "NVIDIA H200"


def test_a_run_ends_with_the_name_of_the_gpu_that_it_used(monkeypatch):
    using(monkeypatch, None)
    begun = provenance.observe("cuda", 2, ("a",), "one").model_copy(update={"device": "cuda"})
    using(monkeypatch, "NVIDIA H200")
    monkeypatch.setattr(device, "_field", lambda *_: None)  # whatever this machine has
    assert provenance.finished(begun).device == "NVIDIA H200"


def test_what_the_worker_imported_is_recorded_at_the_start_that_imported_it():
    first = provenance.observe("cpu", 2, ("a",), "one", environment=environment.own().environment)
    assert "pytest" not in first.packages
    started = provenance.finished(first)
    assert started.packages["pytest"] == metadata.version("pytest")
    resumed = provenance.finished(provenance.restarted(first, first, epoch=5))
    assert "pytest" not in resumed.packages
    assert resumed.restarts[0].packages["pytest"] == metadata.version("pytest")
    assert resumed.restarts[0].python == first.python


def test_what_the_worker_imported_says_nothing_of_a_program():
    program = environment.Environment(of="program")
    seen = provenance.finished(provenance.observe("cpu", 2, ("a",), "one", environment=program))
    assert "pytest" not in seen.packages
    before = provenance.finished(provenance.observe("cpu", 2, ("a",), "one"))
    assert before.packages == seen.packages


def test_files_from_before_environments_were_recorded_are_read():
    seen = provenance.observe("cpu", 2, ("a",), "one", environment=environment.own().environment)
    written = provenance.restarted(seen, seen, epoch=1).model_dump(mode="json", by_alias=True)
    del written["environment"]
    for name in ("python", "packages", "environment"):
        del written["restarts"][0][name]
    old = provenance.Provenance.model_validate(written)
    assert old.environment is None
    assert (old.restarts[0].python, old.restarts[0].packages, old.restarts[0].environment) == (None, {}, None)


def test_a_digest_of_packages_cannot_lead_out_of_the_folder():
    with pytest.raises(ValueError, match="packages"):
        environment.Environment(of="program", packages="../" * 20 + "0000")


def test_git_is_asked_ahead_and_once(monkeypatch):
    threads, ask = [], provenance._git
    monkeypatch.setattr(provenance, "_git", lambda *words: threads.append(threading.current_thread().name) or ask(*words))
    provenance.code.cache_clear()
    provenance.code_ahead.cache_clear()
    assert provenance.code_ahead(None) is provenance.code_ahead(None)
    first = provenance.observe("cpu", 1, ("worker",), "here")
    asked = list(threads)
    assert {*asked} == {"code"}
    assert provenance.observe("cpu", 1, ("worker",), "here").code == first.code
    assert threads == asked
