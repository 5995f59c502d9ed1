"""What the harness costs around training: rates of runs, waits of people; beside an earlier version and other tools, in turns.

    python benchmarks/orchestration.py [--old FOLDER] [--peers PYTHON] [--turns 3] [--parts toys programs waits]

FOLDER holds another version of this project, PYTHON is an interpreter with optuna and, if installed, hydra-core, ray[tune] and
submitit. Every turn starts a new results folder; within a turn, all sides follow one another. A ratio is that of a side's figure
to the first side's in the same turn. Median, lowest and highest of the turns are written.

toys      runs of the toy task a second, between the first and the last result, for plans of several sizes (of the large ones the
          first SECONDS), with one worker; and with two
programs  100 runs of a program that sleeps for 20 ms and writes when it starts: the mean time from one start to the next
waits     from the command to the first program's start; from the last result to the verdict on the terminal (a pseudo-terminal of
          100 columns), and to the end of the command, which draws the report
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from record import write

from harness.errors import EXIT_INTERRUPTED, EXIT_OK

HERE = Path(__file__).parent
PEERS = HERE / "orchestration_peers.py"
SECONDS = 15
SEEDS = 1_000
SIZES = (1_000, 4_000, 20_000)
PROGRAM_RUNS = 100
SLOW_PEERS = {"ray": 20, "submitit": 20}  # runs: each takes more than a second
TOYS = """
question: What does a run cost?
task: toy_task:TOY
factors: {{effect: [{effects}]}}
seeds: {seeds}
"""
CLAIM = """
question: How long does a verdict take?
task: toy_task:TOY
variants: {plain: {}, more: {effect: 5.0}}
baseline: plain
margin: 1
claims: [{improves: more}]
seeds: 50
"""
VERDICT = b"SUPPORTED"
PROGRAM = """#!/bin/sh
date +%s.%N >> "$STARTS"
sleep 0.02
echo "loss 0.5$1"
"""
OF_PROGRAM = """
question: What does a program's run cost?
task:
  command: sh {program} {{seed}}
  metrics: {{loss: {{text: "loss {{value}}", goal: minimize}}}}
seeds: {runs}
"""

Side = Callable[[Path], Mapping[str, float]]  # figures, measured in a new, empty folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--old", type=Path)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS])
    arguments = parser.parse_args()
    versions = {"now": HERE.parent} | ({"before": arguments.old.resolve()} if arguments.old else {})
    for part in arguments.parts:
        figures: dict[str, Any] = {"turns": arguments.turns, "load_average": round(os.getloadavg()[0], 1)}
        for sides in PARTS[part](versions, arguments.peers):
            figures |= in_turns(sides, arguments.turns)
        write("orchestration", figures, part)
        print("\n".join(rows(figures)), file=sys.stderr)


def in_turns(sides: Mapping[str, Side], turns: int) -> dict[str, Any]:
    """For each figure: median, lowest and highest of each side, and of its ratio to the first side in the same turn."""
    measured: dict[str, dict[str, list[float]]] = {}
    for _ in range(turns):
        for side, measure in sides.items():
            with tempfile.TemporaryDirectory() as folder:
                for figure, value in measure(Path(folder)).items():
                    print(f"{figure}, {side}: {value:.4g}", file=sys.stderr, flush=True)
                    measured.setdefault(figure, {}).setdefault(side, []).append(value)
    found = {}
    for figure, values in measured.items():
        first = next(iter(values.values()))
        found[figure] = {
            side: {"values": spread(of_side), "ratios": spread([a / b for a, b in zip(of_side, first, strict=True)])}
            for side, of_side in values.items()
        }
    return found


def spread(values: Sequence[float]) -> list[float]:
    """Median, lowest and highest."""
    return [round(value, 4) for value in (statistics.median(values), min(values), max(values))]


# Parts: for each figure, its sides


def toys(versions: Mapping[str, Path], _: str) -> list[dict[str, Side]]:
    rates = [partial(rate, f"toy runs a second, plan of {size:,}", size=size) for size in SIZES]
    by_size: list[dict[str, Side]] = [{name: partial(of_size, code) for name, code in versions.items()} for of_size in rates]
    together: dict[str, Side] = {
        f"{name}, {workers} worker{'s' * (workers > 1)}": partial(rate, "toy runs a second", code, size=SIZES[0], workers=workers)
        for name, code in versions.items()
        for workers in (1, 2)
    }
    return [*by_size, together]


def programs(versions: Mapping[str, Path], python: str) -> list[dict[str, Side]]:
    sides: dict[str, Side] = {"xargs": lambda folder: interval(folder, xargs(folder), PROGRAM_RUNS)}
    for name, code in versions.items():
        sides[name] = lambda folder, code=code: interval(folder, of_program(folder, PROGRAM_RUNS), PROGRAM_RUNS, code)
    installed = subprocess.run([python, str(PEERS)], check=True, capture_output=True, text=True).stdout.split()
    for name in installed:
        sides[name] = lambda folder, name=name: interval(folder, of_peer(folder, python, name), runs_of(name))
    return [sides]


def waits(versions: Mapping[str, Path], _: str) -> list[dict[str, Side]]:
    return [{name: partial(measure, code) for name, code in versions.items()} for measure in (to_start, to_verdict)]


PARTS: Mapping[str, Callable[[Mapping[str, Path], str], list[dict[str, Side]]]]
PARTS = {"toys": toys, "programs": programs, "waits": waits}


# Figures


def rate(figure: str, code: Path, folder: Path, *, size: int, workers: int = 1) -> dict[str, float]:
    """Runs a second, from the first result to the last one."""
    effects = ", ".join(map(str, range(max(2, size // SEEDS))))
    (folder / "toys.yaml").write_text(TOYS.format(effects=effects, seeds=min(SEEDS, size // 2)))
    command = [*run(folder, "toys"), "--workers", str(workers), "--stop-after", f"{SECONDS}s"]
    code_of_exit = subprocess.run(command, check=False, capture_output=True, env=environment(code, folder), cwd=folder).returncode
    ended = results(folder)
    assert code_of_exit in (EXIT_OK, EXIT_INTERRUPTED), f"{command}: exit code {code_of_exit} after {len(ended)} runs"
    return {figure: (len(ended) - 1) / (ended[-1] - ended[0])}


def interval(folder: Path, command: Sequence[str], runs: int, code: Path = HERE.parent) -> dict[str, float]:
    """Mean seconds from one start of the program to the next."""
    subprocess.run(command, check=True, capture_output=True, env=environment(code, folder), cwd=folder)
    started = starts(folder)
    assert len(started) == runs, f"{command[:3]}: the program started {len(started)} times"
    return {"ms from one program's start to the next": 1000 * (started[-1] - started[0]) / (runs - 1)}


def to_start(code: Path, folder: Path) -> dict[str, float]:
    """Seconds from the command to the start of its first program."""
    command, began = of_program(folder, 1), time.time()
    subprocess.run(command, check=True, capture_output=True, env=environment(code, folder), cwd=folder)
    return {"seconds from `harness run` to the first program's start": starts(folder)[0] - began}


def to_verdict(code: Path, folder: Path) -> dict[str, float]:
    """Seconds from the last of 100 results to the verdict on a terminal, and to the end of the command."""
    (folder / "verdict.yaml").write_text(CLAIM)
    seen, shown = 0.0, b""
    with on_terminal(run(folder, "verdict"), environment(code, folder), folder) as pieces:
        for piece in pieces:
            shown += piece
            if not seen and VERDICT in shown:
                seen = time.time()
    ended, last = time.time(), results(folder)[-1]
    assert seen, f"no verdict in {shown[-500:]!r}"
    return {
        "seconds from the last result to the verdict": seen - last,
        "seconds from the last result to the end of the command": ended - last,
    }


# Commands


def run(folder: Path, name: str) -> list[str]:
    arguments = [str(folder / f"{name}.yaml"), "--results", str(folder / "results"), "--track", "none"]
    return [sys.executable, "-m", "harness.run", *arguments]


def of_program(folder: Path, runs: int) -> list[str]:
    (folder / "program.yaml").write_text(OF_PROGRAM.format(program=program(folder).name, runs=runs))
    return run(folder, "program")


def xargs(folder: Path) -> list[str]:
    return ["sh", "-c", f"seq {PROGRAM_RUNS} | xargs -n 1 sh {program(folder)}"]


def of_peer(folder: Path, python: str, name: str) -> list[str]:
    return [python, str(PEERS), name, str(runs_of(name)), str(program(folder))]


def runs_of(peer: str) -> int:
    return SLOW_PEERS.get(peer, PROGRAM_RUNS)


def program(folder: Path) -> Path:
    path = folder / "program.sh"
    path.write_text(PROGRAM)
    return path


def environment(code: Path, folder: Path) -> dict[str, str]:
    """Of a command of the version `code`; it must start in `folder`, as Python looks for packages in the current folder first."""
    modules = os.pathsep.join([str(code), str(HERE.parent / "tests")])
    own = {"PYTHONPATH": modules, "STARTS": str(folder / "starts"), "HARNESS_CACHE": str(folder / "cache")}
    return {**os.environ, **own, "TERM": "xterm-256color"}


def starts(folder: Path) -> list[float]:
    """When the program started, in seconds since 1970."""
    return sorted(map(float, (folder / "starts").read_text().split()))


def results(folder: Path) -> list[float]:
    """When the results were written, in seconds since 1970."""
    return sorted(path.stat().st_mtime for path in folder.glob("results/runs/*/result.json"))


@contextmanager
def on_terminal(command: Sequence[str], variables: Mapping[str, str], folder: Path) -> Iterator[Iterator[bytes]]:
    """What the command writes to a terminal of 40 lines of 100 columns, piece by piece; it must succeed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables, cwd=folder, start_new_session=True
    )
    os.close(theirs)

    def pieces() -> Iterator[bytes]:
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # the last process with the terminal has ended
                return
            yield piece

    try:
        yield pieces()
        assert process.wait() == 0
    finally:
        process.kill()
        os.close(ours)


# The page


def rows(figures: Mapping[str, Any]) -> list[str]:
    """The rows of the tables in docs/performance.md, which a test compares."""
    found = []
    for figure, sides in figures.items():
        for side, found_in in sides.items() if isinstance(sides, Mapping) else ():
            value, ratio = ("{} ({} to {})".format(*map(shown, found_in[kind])) for kind in ("values", "ratios"))
            found.append(f"| {figure} | {side} | {value} | {ratio} |")
    return found


def shown(value: float) -> str:
    """Three significant digits, or a whole number."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main()
