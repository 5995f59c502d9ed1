"""Whether a process that holds a lease has ended."""

from __future__ import annotations

import os
import subprocess
import sys

from harness.store import holder
from harness.store.holder import Holder


def test_the_same_process_id_on_another_machine_says_nothing():
    here = Holder.here()
    foreign = Holder.model_validate({**dict(here), "machine": "another boot", "process_start": "1"})
    assert not foreign.is_dead_here(here)


def test_a_live_process_that_proc_hides_is_not_dead(monkeypatch):
    here = Holder.here()
    monkeypatch.setattr(holder, "_process", lambda _pid: ("", ""))  # as where /proc is mounted with hidepid
    assert not here.is_dead_here(here)


def test_a_zombie_is_dead():
    child = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    try:
        start = holder._process(child.pid)[1]
        here = Holder.here()
        assert Holder.model_validate({**dict(here), "pid": child.pid, "process_start": start}).is_dead_here(here)
    finally:
        child.wait()
