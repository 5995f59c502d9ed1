"""Processes in which calls on a results folder fail: each test forks one from a server that has imported everything.

`python -m faulty PLAN ...` is that server (with the compiled faulty_calls.c preloaded): it trains these plans, so that everything
is imported and known, then reads one JSON object a line from standard input, `{"plan", "options", "first", "last", "error",
"reply", "function", "burst"}`, trains that plan in a fork of itself, and answers with `{"code", "calls", "said"}`.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import TESTS

OPTIONS = ("--track", "none", "--checkpoint-every", "0s")
SOURCE = TESTS / "support" / "faulty_calls.c"


@dataclass(frozen=True)
class Trained:
    """How a worker ended: exit code, the calls that could fail (function:file), its messages."""

    code: int
    calls: tuple[str, ...]
    said: str


class Server:
    """Trains plans below `folder` in processes whose calls there fail; the plans `known`, which are elsewhere, before."""

    def __init__(self, folder: Path, library: Path, known: Sequence[Path]) -> None:
        environment = {**os.environ, "LD_PRELOAD": str(library), "FAULTY_FOLDER": str(folder)}
        environment["PYTHONPATH"] = os.pathsep.join([str(TESTS), str(TESTS.parent), str(TESTS / "support")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faulty", *map(str, known)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def train(
        self,
        plan: Path,
        first: int = -1,
        last: int | None = None,
        *,
        error: int = 5,
        reply: bool = False,
        function: str = "",
        burst: tuple[float, float] | None = None,
        options: Mapping[str, object] | None = None,
    ) -> Trained:
        """Train `plan`. Calls number `first` to `last` fail with `error`, or are made and then their reply is lost (`reply`).

        `function`: only calls of this one count. `burst`: seconds from now until every call fails, and for how long. `options`: WorkerOptions.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        words = {"plan": str(plan), "first": first, "last": first if last is None else last, "error": error, "reply": reply}
        self._process.stdin.write(json.dumps({**words, "function": function, "burst": burst, "options": options or {}}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Trained(answer["code"], tuple(answer["calls"].splitlines()), answer["said"])

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def call_sites(calls: Sequence[str]) -> list[int]:
    """The numbers, from 1, of calls that differ from all earlier ones in function, kind of file, or the call before them."""
    kinds = [re.sub(r"[0-9a-f]{8,}|[0-9]+", "#", call) for call in calls]
    return sorted(
        {pair: number for number, pair in reversed([*enumerate(zip(["", *kinds], kinds, strict=False), start=1)])}.values()
    )


@contextmanager
def faulty_server(folder: Path, known: Sequence[Path]) -> Iterator[Server]:
    """A server for plans below `folder`, which is made; `known`: see `Server`."""
    folder.mkdir(exist_ok=True)
    library = folder.parent / "faulty.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    server = Server(folder, library, known)
    try:
        yield server
    finally:
        server.close()


def _train(words: dict[str, Any], answer: int) -> int:
    from harness import worker

    library = ctypes.CDLL(None)
    library.faulty_names.restype = ctypes.c_char_p
    library.faulty_burst.argtypes = [ctypes.c_double, ctypes.c_double, ctypes.c_int]
    with tempfile.TemporaryFile("w+") as said:
        os.dup2(said.fileno(), 2)
        os.dup2(said.fileno(), 1)
        sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
        sys.stdout = sys.stderr
        library.faulty_arm(words["first"], words["last"], words["error"], int(words["reply"]), words["function"].encode())
        if words["burst"]:
            library.faulty_burst(*words["burst"], words["error"])
        code = worker.main([words["plan"], *OPTIONS, "--options-json", json.dumps(words["options"])])
        found = {"code": code, "calls": library.faulty_names().decode()}
        library.faulty_arm(-1, -1, 0, 0, b"")
        sys.stderr.flush()
        said.seek(0)
        os.write(answer, json.dumps({**found, "said": said.read()}).encode() + b"\n")
    return 0


def main(argv: Sequence[str]) -> int:
    """Serve."""
    from harness import worker

    for plan in argv:
        if worker.main([plan, *OPTIONS]):
            return 1
    answer = os.dup(1)
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            os._exit(_train(json.loads(line), answer))
        _, status = os.waitpid(pid, 0)
        if status:
            os.write(answer, json.dumps({"code": -1, "calls": "", "said": f"status {status}"}).encode() + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
