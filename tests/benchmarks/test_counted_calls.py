"""What the benchmark of a shared folder counts: the calls on the folder, cut at a worker's messages."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ROOT = Path("/data/results")
LOG = r"""
7 100.000001 execve("/usr/bin/python3", ["python3", "/data/results/plans/toys.json"], 0x7ffe /* 30 vars */) = 0
7 100.000002 openat(AT_FDCWD</home>, "/data/results/plans/toys.json", O_RDONLY|O_CLOEXEC) = 3</data/results/plans/toys.json>
7 100.000003 read(3</data/results/plans/toys.json>, "{}", 4096) = 2
7 100.000004 newfstatat(AT_FDCWD</home>, "/data/results2/other", 0x7ffe, 0) = -1 ENOENT (No such file or directory)
7 100.000005 write(1</dev/pts/0>, "/data/results/plans", 19) = 19
7 100.000006 write(2</dev/null>, "aaaaaaaaaaaa  base  seed 0: started", 36) = 36
7 100.000007 write(2</dev/null>, "aaaaaaaaaaaa  base  seed 0: completed", 36) = 36
7 100.100001 getdents64(3</data/results/runs>, 0x55 /* 4 entries */, 32768) = 120
7 100.100002 mkdir("/data/results/runs/bbbbbbbbbbbb", 0777 <unfinished ...>
8 100.100003 pwrite64(4</data/results/runs/aaaaaaaaaaaa/lease.1>, "000000000001 held\n", 18, 0) = 18
7 100.100004 <... mkdir resumed>) = 0
7 100.100005 link("/data/results/runs/bbbbbbbbbbbb/.lease.1.tmp", "/data/results/runs/bbbbbbbbbbbb/lease.1") = 0
7 100.100006 write(2</dev/null>, "bbbbbbbbbbbb  base  seed 1: started", 36) = 36
7 100.100007 fsync(5</data/results/runs/bbbbbbbbbbbb/result.json>) = 0
7 100.100008 write(2</dev/null>, "bbbbbbbbbbbb  base  seed 1: completed", 36) = 36
"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a script of benchmarks/."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def test_calls_count_that_name_a_path_in_the_folder_or_a_file_opened_there(script: Any) -> None:
    found = [call for call in script("system_calls").calls(LOG.splitlines(), ROOT) if call.path is not None]
    assert [(call.thread, call.name, call.path) for call in found] == [
        (7, "openat", "plans/toys.json"),
        (7, "read", "plans/toys.json"),
        (7, "getdents64", "runs"),
        (7, "mkdir", "runs/bbbbbbbbbbbb"),
        (8, "pwrite64", "runs/aaaaaaaaaaaa/lease.1"),
        (7, "link", "runs/bbbbbbbbbbbb/.lease.1.tmp"),
        (7, "fsync", "runs/bbbbbbbbbbbb/result.json"),
    ]


def test_a_worker_is_cut_at_its_messages_and_its_lease_counts_apart_from_its_look(script: Any) -> None:
    shared_folder = script("shared_folder")
    workers = shared_folder.by_process(script("system_calls").calls(LOG.splitlines(), ROOT))
    assert list(workers) == [7]
    taken = shared_folder.split(workers[7])
    assert taken.start == 2
    assert [[call.name for call in calls] for calls in taken.takes] == [["getdents64"]]
    assert [[call.name for call in calls] for calls in taken.leases] == [["mkdir", "link"]]
    assert [[call.name for call in calls] for calls in taken.own] == [["fsync"]]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_strace_sees_each_call_on_the_folder(script: Any, tmp_path: Path) -> None:
    folder, log, system_calls = tmp_path / "results", tmp_path / "log", script("system_calls")
    folder.mkdir()
    program = "import os, sys; d = os.open(sys.argv[1], os.O_CREAT | os.O_RDWR); os.write(d, b'x'); os.fsync(d); os.close(d)"
    subprocess.run(system_calls.traced([sys.executable, "-c", program, str(folder / "file")], log), check=True)
    calls = [call for call in system_calls.read(log, folder) if call.path is not None]
    assert [(call.name, call.path) for call in calls] == [(name, "file") for name in ("openat", "write", "fsync", "close")]
