"""Results folders that do not respond for a while, that go away, and that cannot be used at all."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import doctor, run, status, worker
from harness.common import patience, results_root
from harness.errors import StoreError
from harness.store import atomic, temporaries
from harness.store import root as store_root
from harness.store.records import Store


def failing(times: int, number: int, then: Callable[[], object] = lambda: "done") -> Callable[[], object]:
    """An operation whose first calls fail."""
    left = [times]

    def operation() -> object:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(number, os.strerror(number))
        return then()

    return operation


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.ENOTCONN])
def test_an_operation_is_repeated_and_both_ends_of_the_wait_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    assert patience.repeat(tmp_path, failing(3, number)) == "done"
    first, last = capsys.readouterr().err.splitlines()
    assert "does not respond" in first
    assert "responds again" in last


def test_other_errors_are_raised_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        patience.repeat(tmp_path, failing(1, errno.ENOSPC))


def test_a_stop_request_shortens_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "STOP_S", 0.2)
    began = time.monotonic()
    with patience.waiting_up_to(600.0, lambda: True), pytest.raises(OSError, match="Input/output"):
        patience.repeat(tmp_path, failing(10**9, errno.EIO))
    assert time.monotonic() - began < 60


def test_a_link_whose_reply_was_lost_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.link, []

    def link(source: Path, target: Path) -> None:
        real(source, target)
        calls.append(target)
        if len(calls) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", link)
    assert atomic.publish(tmp_path / "result.json", b"ours") is True
    assert not atomic.publish(tmp_path / "result.json", b"theirs")
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_rename_whose_reply_was_lost_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("a")
    real, calls = Path.rename, []

    def rename(source: Path, target: Path) -> Path:
        moved = real(source, target)
        calls.append(target)
        if len(calls) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return moved

    monkeypatch.setattr(Path, "rename", rename)
    atomic.move(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "a"


@pytest.mark.parametrize("instead", ["nothing", "an empty folder", "another results folder"])
def test_a_folder_that_was_moved_is_not_made_anew(store: Store, instead: str) -> None:
    root = store.paths.root
    root.rename(root.with_name("elsewhere"))
    if instead == "an empty folder":
        root.mkdir()
    elif instead == "another results folder":
        (root / "runs").mkdir(parents=True)
    before = sorted(root.rglob("*"))
    with patience.waiting_up_to(0.2):
        for action in (
            lambda: atomic.make_folder(store.paths.reports / "x"),
            lambda: atomic.make_folder(store.paths.ledger),
            lambda: store_root.confirm(root),
        ):
            with pytest.raises(StoreError, match="was moved or unmounted") as caught:
                action()
            assert not atomic.is_transient(caught.value)
    assert sorted(root.rglob("*")) == before
    assert root.exists() == (instead != "nothing")


def test_a_folder_that_comes_back_is_waited_for(store: Store) -> None:
    root = store.paths.root
    root.rename(root.with_name("elsewhere"))
    threading.Timer(0.5, lambda: root.with_name("elsewhere").rename(root)).start()
    atomic.make_folder(store.paths.reports / "x")
    assert (store.paths.reports / "x").is_dir()


def test_a_copy_in_another_place_with_the_same_marker_is_the_same_folder(store: Store) -> None:
    root = store.paths.root
    shutil.copytree(root, root.with_name("copy"))
    shutil.rmtree(root)
    root.with_name("copy").rename(root)
    assert not results_root.is_away(root)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_nothing_is_written_to_the_bare_mount_point(tmp_path: Path) -> None:
    place = tmp_path / "mounted"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no tmpfs can be mounted here")
    store = Store.open(place / "results")
    subprocess.run(["umount", str(place)], check=True)
    with patience.waiting_up_to(0.2), pytest.raises(StoreError, match="was moved or unmounted"):
        atomic.make_folder(store.paths.run("0123456789ab").folder)
    assert list(place.iterdir()) == []


def test_a_file_system_without_hard_links_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(_source: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(StoreError, match=r"this file system has no hard links.*results need a POSIX file system"):
        Store.open(tmp_path / "results")
    found = doctor.disk(tmp_path)
    assert found.state == "problem"
    assert "no hard links" in found.what
    assert errno.EPERM in temporaries.NO_LINKS


@pytest.mark.needs("mkfs.vfat", "/usr/sbin/mkfs.vfat", "/sbin/mkfs.vfat")
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_vfat_is_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image, place = tmp_path / "image", tmp_path / "stick"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(4 << 20)
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    subprocess.run(["mkfs.vfat", image], check=True, capture_output=True, env=environment)
    if subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, check=False).returncode:
        pytest.skip("no image can be mounted here")
    try:
        monkeypatch.chdir(tmp_path)
        Path("toys.yaml").write_text("question: How far?\ntask: toy_task:TOY\nseeds: 1\n")
        assert run.main(["toys.yaml", "--results", "stick"]) == 2
        assert "this file system has no hard links" in capsys.readouterr().err
        found = doctor.disk(Path("stick"))
        assert (found.state, "no hard links" in found.what) == ("problem", True)
        assert not list(place.rglob("result.json"))
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("target", ["nowhere", "results"])
def test_a_link_to_nothing_or_to_itself_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("results").symlink_to(target)
    words = "which does not exist" if target == "nowhere" else "which leads back to itself"
    for main, arguments in ((status.main, []), (worker.main, ["results/plans/toys.json"])):
        assert main(arguments) == 2
        assert f"results: is a link to {target}, {words}" in capsys.readouterr().err
    for create in (True, False):
        with pytest.raises(StoreError, match=words):
            Store.open(Path("results"), create=create)
    assert doctor.disk(Path("results")).state == "problem"
