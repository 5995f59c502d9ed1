"""`harness serve`: what it prints, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import TESTS

from harness import serve
from harness.experiment.plan import Plan
from harness.store.records import Store
from harness.store.served import announced

PlanMaker = Callable[..., Plan]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_serves_and_ends_with_0(
    store: Store, toy_plan: PlanMaker, tmp_path: Path, number: signal.Signals
) -> None:
    store.save_plan(toy_plan())
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "harness.serve", "--results", str(store.paths.root), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            first, tunnel, there = (process.stderr.readline() for _ in range(3))
            url = first.partition(" at ")[2].split()[0]
            port = url.rstrip("/").rpartition(":")[2]
            assert f"ssh -N -L {port}:127.0.0.1:{port} {socket.gethostname()}" in tunnel
            assert url in there
            with urllib.request.urlopen(f"{url}api/state") as answer:
                assert b'"toys"' in answer.read()
            process.send_signal(number)
            assert process.wait(timeout=60) == 0
            assert process.stderr.read() == "the server has ended\n"
        finally:
            process.kill()  # else a failure would wait for it
    assert [path.name for path in tmp_path.glob("harness-*/*")] == []


def test_a_port_that_is_taken_and_a_missing_folder_are_errors(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve.main(["--results", str(store.paths.root), "--port", str(port)]) == 2
    assert f"--port {port}: another program listens on this port of 127.0.0.1; use a free one: --port" in capsys.readouterr().err
    assert serve.main(["--results", str(store.paths.root / "missing")]) == 2
    assert "no such results folder" in capsys.readouterr().err


def test_a_folder_that_is_served_there_already_is_named_with_its_address(
    store: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with announced(store.paths.root, "http://127.0.0.1:8123"):
        assert serve.main(["--results", str(store.paths.root), "--port", "8123"]) == 2
    assert "served there already: open http://127.0.0.1:8123/" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.com"])
def test_an_address_that_other_machines_can_reach_is_refused(store: Store, capsys: pytest.CaptureFixture[str], host: str) -> None:
    assert serve.main(["--results", str(store.paths.root), "--host", host, "--port", "0"]) == 2
    assert "loopback" in capsys.readouterr().err
