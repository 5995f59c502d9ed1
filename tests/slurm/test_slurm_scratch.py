"""A node's copy of the cache: made once by many tasks that start together, whole, and brought up to date."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TESTS

from harness.slurm import scratch
from harness.tasks.cifar_resnet import decoded
from harness.tasks.cifar_resnet.decoded import Source


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    for name, data in (("decoded/a.npy", bytes(2_000_000)), ("decoded/a.json", b"{}"), ("workers/x/worker-0.log", b"log")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "decoded/.a.npy.123.tmp").write_bytes(b"half")
    return folder


def copies(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_files_read_by_training_are_copied_with_their_times(cache: Path, tmp_path: Path) -> None:
    assert scratch.stage(cache, tmp_path / "near") == tmp_path / "near"
    wanted = {name: kept for name, kept in copies(cache).items() if name in ("decoded/a.npy", "decoded/a.json")}
    assert copies(tmp_path / "near") == wanted


def test_many_tasks_at_once_copy_each_file_once(cache: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness.slurm.scratch", str(cache), str(tmp_path / "near")]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(TESTS.parent)})
        for _ in range(6)
    ]
    said = [process.communicate()[0].strip() for process in started]
    assert said == [str(tmp_path / "near")] * 6
    assert [process.returncode for process in started] == [0] * 6
    assert len(copies(tmp_path / "near")) == 2
    inode = (tmp_path / "near/decoded/a.npy").stat().st_ino
    scratch.stage(cache, tmp_path / "near")
    assert (tmp_path / "near/decoded/a.npy").stat().st_ino == inode


def test_new_and_torn_files_are_copied_again(cache: Path, tmp_path: Path) -> None:
    scratch.stage(cache, tmp_path / "near")
    (tmp_path / "near/decoded/a.npy").write_bytes(b"torn")
    (cache / "decoded/b.json").write_bytes(b"new")
    scratch.stage(cache, tmp_path / "near")
    near = copies(tmp_path / "near")
    assert near["decoded/a.npy"] == copies(cache)["decoded/a.npy"]
    assert near["decoded/b.json"][0] == b"new"


def test_decoded_images_are_used_from_the_copy_without_decoding_again(tmp_path: Path) -> None:
    import numpy as np

    def images() -> Source:
        return Source([0, 1], 1, lambda: iter((index, np.full((4, 4, 3), index, np.uint8)) for index in range(2)))

    def never() -> Source:
        raise AssertionError("made again")

    decoded.decoded(tmp_path / "cache/decoded", "two", 4, images)
    near = scratch.stage(tmp_path / "cache", tmp_path / "near")
    again = decoded.decoded(near / "decoded", "two", 4, never)
    assert again.pixels[1].max() == 1


def test_without_a_usable_disk_the_cache_itself_is_used(cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert scratch.main([str(cache), str(tmp_path / "file/near")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"using {cache} directly" in err


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_another_users_folder_is_not_used(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    os.chown(tmp_path / "near", 65534, 65534)
    assert scratch.main([str(cache), str(tmp_path / "near")]) == 2


def test_an_empty_cache_gives_an_empty_copy(tmp_path: Path) -> None:
    assert copies(scratch.stage(tmp_path / "none", tmp_path / "near")) == {}
