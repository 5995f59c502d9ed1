"""`harness doctor`: its findings, exit codes, and that keys are never shown."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from machines import nvidia, nvidia_smi, nvidia_uuid, rocm

from harness import doctor
from harness.doctor import Finding
from harness.execution.machine.gpu_leases import GpuLeases
from harness.execution.machine.gpus import Gpu
from harness.execution.machine.packages import Package

KEY = "0123456789abcdef0123456789abcdef01234567"


def test_wandb_login_is_found_by_key_or_netrc_file(tmp_path: Path) -> None:
    assert doctor.wandb({}, tmp_path).state == "note"
    assert doctor.wandb({"WANDB_API_KEY": KEY}, tmp_path).state == "ok"
    assert doctor.wandb({"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, tmp_path).state == "note"
    (tmp_path / ".netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n")
    assert doctor.wandb({}, tmp_path).state == "ok"
    assert doctor.wandb({"WANDB_BASE_URL": "https://wandb.example.org:8080/x"}, tmp_path).state == "note"
    assert doctor.wandb({"NETRC": str(tmp_path / "elsewhere")}, tmp_path).state == "note"


def test_the_wandb_key_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"machine api.wandb.ai login user password {KEY}")
    for environment in ({}, {"WANDB_API_KEY": KEY}):
        assert KEY[:6] not in repr(doctor.wandb(environment, tmp_path))


def test_a_results_folder_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    assert doctor.disk(tmp_path / "results").state == "problem"
    assert doctor.disk(tmp_path / "results/deeper").state == "problem"
    assert "GB free" in doctor.disk(tmp_path / "new/results").what


def test_the_full_data_set_is_found_in_the_cache(tmp_path: Path) -> None:
    missing = doctor.images(tmp_path)
    assert missing.state == "note"
    assert "cifar-10-python.tar.gz" in (missing.advice or "")
    (tmp_path / "cifar-10-batches-py").mkdir()
    assert doctor.images(tmp_path).state == "ok"


def test_sbatch_is_looked_for_on_the_path(tmp_path: Path) -> None:
    assert doctor.slurm(str(tmp_path)).state == "note"
    sbatch = tmp_path / "sbatch"
    sbatch.write_text("#!/bin/sh\n")
    sbatch.chmod(0o755)
    assert doctor.slurm(str(tmp_path)) == Finding("SLURM", "ok", str(sbatch))


def test_fewer_threads_than_cores_give_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert doctor.threads({"OMP_NUM_THREADS": "1"}).state == "note"
    assert doctor.threads({"OMP_NUM_THREADS": "4"}) == Finding("threads", "ok", "4 usable")
    assert doctor.threads({"OMP_NUM_THREADS": "4,2"}).state == "ok"


def test_python_and_packages_here_are_fine() -> None:
    assert doctor.python().state == "ok"
    assert "torch" in doctor.packages().what


@pytest.mark.torch
def test_slow_checks_are_noted_when_their_time_is_over_and_the_others_answer(tmp_path: Path) -> None:
    found = {each.name: each for each in doctor.answered(tmp_path / "results", {**os.environ}, 0.0)}
    assert found["python"].state == "ok"
    assert found["torch"].state == "note"
    assert found["torch"].what.endswith("; not tried to the end within 0 s")
    assert found["cifar10_mini"].advice == "to wait longer: harness doctor --wait 1m"


def test_what_packages_print_is_not_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = 'print(\'hello\'); print(\'{}\'); print(\'{"name": "torch", "state": "ok", "what": "9.9"}\')'
    monkeypatch.setattr(doctor, "PROBE", said)
    found = {each.name: each for each in doctor.answered(tmp_path / "results", {**os.environ}, 60.0)}
    assert found["torch"] == Finding("torch", "ok", "9.9")
    assert found["torchvision"].state == "problem"
    assert "ended without an answer" in found["torchvision"].what


def test_a_missing_package_and_a_wrong_version_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    missing, old = Package("cmaes", ">=0.12", None, False), Package("numpy", ">=2.0", "1.26", False)
    monkeypatch.setattr(doctor, "required", lambda: [missing, old, Package("regex", ">=2024", "2026", True)])
    found = doctor.packages()
    assert (found.state, found.what) == (
        "problem",
        "missing: cmaes (searches with the sampler cmaes); numpy 1.26, but >=2.0 is needed",
    )
    assert found.advice == "python -m pip install 'cmaes>=0.12' 'numpy>=2.0'"


@pytest.mark.torch
def test_torch_and_torchvision_built_for_different_devices_are_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "built_apart", lambda: "torch 2.13.0+cpu, torchvision 0.28.0+cu130")
    monkeypatch.setattr(doctor, "build", {"torch": "2.13.0+cpu", "torchvision": "0.28.0+cu130"}.get)
    found = doctor.builds(tmp_path)
    assert found.what.startswith("torch 2.13.0+cpu, torchvision 0.28.0+cu130: built for different devices")
    same = "python -m pip install --force-reinstall --no-deps torchvision==0.28.0"
    assert found.advice == f"{same} --index-url https://download.pytorch.org/whl/cpu"
    monkeypatch.setattr(doctor, "built_apart", lambda: None)
    assert doctor.builds(tmp_path).state == "ok"


def test_a_system_that_cannot_train_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    assert doctor.python().state == "problem"


def test_a_problem_gives_exit_code_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = Finding("one", "note", "missing", "get it"), Finding("other", "problem", "broken [x]", "mend it")
    monkeypatch.setattr(doctor, "answered", lambda *_: [good])
    assert doctor.main(["--results", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == ["  note      one   missing", "                  get it"]
    monkeypatch.setattr(doctor, "answered", lambda *_: [good, bad])
    assert doctor.main(["--results", str(tmp_path)]) == 2
    assert "problem   other   broken [x]" in capsys.readouterr().out
    assert doctor.main(["--json", "--results", str(tmp_path)]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["ready"] is False
    assert document["findings"][0] == {"name": "one", "state": "note", "what": "missing", "advice": "get it"}


@pytest.mark.torch
def test_every_check_gives_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--json", "--results", str(tmp_path / "results")]) == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [finding["name"] for finding in findings][:6] == [
        "python",
        "packages",
        "builds",
        "torch",
        "torchvision",
        "accelerators",
    ]
    assert {finding["state"] for finding in findings} <= {"ok", "note"}


@pytest.mark.torch
def test_gpus_are_named_with_their_users(tmp_path: Path) -> None:
    path = nvidia_smi(tmp_path / "bin", [f"{nvidia_uuid(1)}, 4711, 1024 MiB", f"{nvidia_uuid(0)}, {os.getpid()}, 9 MiB"])
    environment = {"HARNESS_GPU_LOCKS": str(tmp_path / "leases"), "PATH": path}
    root, leases = nvidia(tmp_path / "nvidia", 3), GpuLeases(tmp_path / "leases")
    lease = leases.take(Gpu("0", uuid=nvidia_uuid(0)))
    assert lease is not None
    with subprocess.Popen(["sleep", "600"], pass_fds=[lease]) as child:
        os.close(lease)
        finding = doctor.accelerators(environment, root)
        child.kill()
    assert finding.what.endswith(
        f"GPU 0 in use by harness: process {child.pid} (sleep 600); GPU 1 in use by process 4711 (1024 MiB)"
    )
    assert finding.what.startswith("3 NVIDIA GPU found, but this torch cannot use it; ")


@pytest.mark.torch
@pytest.mark.parametrize("value", ["NoDevFiles", "", "-1"])
def test_a_variable_that_hides_the_gpus_is_named(tmp_path: Path, value: str) -> None:
    finding = doctor.accelerators({"CUDA_VISIBLE_DEVICES": value}, nvidia(tmp_path, 2))
    assert finding.what == f"none; CUDA_VISIBLE_DEVICES={value} hides the GPUs of this machine"


@pytest.mark.torch
def test_amd_gpus_are_named(tmp_path: Path) -> None:
    finding = doctor.accelerators({"HARNESS_GPU_LOCKS": str(tmp_path / "leases"), "PATH": ""}, rocm(tmp_path, 2))
    assert finding.what == "2 AMD GPU found, but this torch cannot use it"
    assert finding.advice is not None
    assert "ROCm" in finding.advice
