"""A worker that starts before there is a plan: it imports meanwhile, then gets its arguments, variables, log and leases.

The process that plans holds the other end of its standard input. When that is closed, also by a kill, the worker ends without a
word; once it trains, it stops because of it, as every worker of `harness run` does.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from harness.common import python_command
from harness.execution.machine.processors import cpus

WAIT = "--wait-for-arguments"
HEADER = 4  # bytes of the length of the message
DESCRIPTORS = 64  # most that it can be given: its log, and the leases of its GPUs

_waiting: list[subprocess.Popen[bytes]] = []


@contextmanager
def early_worker() -> Iterator[None]:
    """Start a worker now, which `handed_over` makes the first one of a plan; it ends here if it has got nothing to do.

    None is started where no second processor can import meanwhile, or where a process cannot be started now.
    """
    if cpus() > 1:
        with suppress(OSError):  # then the first worker is started when it is needed, which reports the error
            _waiting.append(_started())
    try:
        yield
    finally:
        while _waiting:
            _end(_waiting.pop())


def handed_over(
    arguments: Sequence[str], environment: Mapping[str, str], log: int, leases: Sequence[int]
) -> subprocess.Popen[bytes] | None:
    """The process that started early, which now works with `arguments` and writes to the descriptor `log`; None: there is none.

    `leases` are descriptors that it inherits.
    """
    while _waiting and len(leases) < DESCRIPTORS:
        process = _waiting.pop()
        assert process.stdin is not None
        data = json.dumps({"arguments": [*arguments], "environment": {**environment}}).encode()
        data = len(data).to_bytes(HEADER, "big") + data
        with socket.socket(fileno=os.dup(process.stdin.fileno())) as ours:
            try:
                sent = socket.send_fds(ours, [data], [log, *leases])
                ours.sendall(data[sent:])
            except OSError:  # it has died
                _end(process)
            else:
                return process
    return None


def is_early(process: subprocess.Popen[bytes]) -> bool:
    """Whether a worker was started by `early_worker`."""
    return isinstance(process.args, list) and WAIT in process.args


def received() -> list[str] | None:
    """In the worker: its arguments, once they have come; everything else that it got is in effect. None: it is to end."""
    with socket.socket(fileno=os.dup(0)) as ours:
        data, descriptors, _, _ = socket.recv_fds(ours, HEADER, DESCRIPTORS)
        while len(data) < HEADER or len(data) < HEADER + int.from_bytes(data[:HEADER], "big"):
            more = ours.recv(1 << 16)
            if not more:
                return None
            data += more
    log, *leases = descriptors
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
    for lease in leases:  # a worker may replace its program by a new one, which keeps them
        os.set_inheritable(lease, True)
    message = json.loads(data[HEADER:])
    os.environ.clear()
    os.environ.update(message["environment"])
    arguments: list[str] = message["arguments"]
    return arguments


def _started() -> subprocess.Popen[bytes]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(
            [*python_command.command("harness.worker"), WAIT],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        process.stdin = os.fdopen(ours.detach(), "wb", buffering=0)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.kill()  # it has touched nothing, so that it need not be waited for until it has imported everything
    process.wait()
