import signal
import subprocess
import sys
import threading

import pytest

from harness.common.stopping import Stop


def test_the_clock_asks_to_stop_when_the_time_is_up():
    now = [0.0]
    stop = Stop(after_s=60.0, clock=lambda: now[0])
    assert not stop()
    now[0] = 60.0
    assert stop()


def in_a_child(body, timeout=None):
    script = f"import os, signal\nfrom harness.common.stopping import Stop\nstop = Stop()\nstop.on_signals()\n{body}"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, input="", timeout=timeout)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"])
def test_signals_ask_to_stop_and_do_not_kill(name):
    done = in_a_child(f"assert not stop()\nos.kill(os.getpid(), signal.{name})\nassert stop()\nprint('alive')")
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_a_second_interrupt_stops_at_once():
    twice = "os.kill(os.getpid(), signal.SIGINT)\nos.kill(os.getpid(), signal.SIGINT)\nprint('still here')"
    done = in_a_child(twice)
    assert done.stdout == ""
    assert "KeyboardInterrupt" in done.stderr
    assert done.returncode in (1, -signal.SIGINT)


def test_a_terminate_after_an_interrupt_is_no_second_interrupt():
    done = in_a_child("os.kill(os.getpid(), signal.SIGINT)\nos.kill(os.getpid(), signal.SIGTERM)\nprint('still here')")
    assert done.stdout == "still here\n", done.stderr


def test_a_signal_that_arrives_at_any_moment_of_a_wait_is_taken():
    body = (
        "signal.signal(signal.SIGALRM, stop._signalled)\n"
        "signal.setitimer(signal.ITIMER_REAL, 5e-4, 5e-4)\n"
        "for _ in range(500_000): stop.wait(0)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "print('awake')"
    )
    done = in_a_child(body, timeout=60)
    assert (done.returncode, done.stdout) == (0, "awake\n"), done.stderr[-500:]


def test_a_wait_ends_early_when_another_thread_asks():
    stop = Stop()
    thread = threading.Timer(0.05, stop.request)
    thread.start()
    stop.wait(60.0)
    thread.join()
    assert stop()


def test_the_end_of_standard_input_asks_to_stop():
    done = in_a_child("stop.with_parent()\nstop.wait(30)\nassert stop()\nprint('asked')")
    assert done.stdout == "asked\n", done.stderr
