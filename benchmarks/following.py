"""Cost of following the files that a program writes, in processor time of the worker.

    python benchmarks/following.py

Measured in turns in one process: a run whose metrics are in files, and one that prints the same lines. Without the limit that
keeps a worker from spending more than 5 % of its time on files (pace.py): these are the costs that it limits.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from record import machine, write

from harness.tasks.command.files.followers import followers
from harness.tasks.command.files.reading import Follower
from harness.tasks.command.measure import Measure
from harness.tasks.command.reading.lines import Lines
from harness.tasks.command.reading.output import Output

TURNS = 7
POLLS = 1000
ROWS, ROWS_A_POLL = 10_000, 10
REWRITTEN = 1000  # rows, and as many rewritings
OTHER_FILES = 1000  # beside those that are followed, as checkpoints of a run
PATTERN = r"epoch (?P<step>\d+): loss (?P<value>\S+)"
# Name -> where a metric is, and the file of it.
UNCHANGED = {
    "CSV": ({"file": "r.csv", "column": "loss"}, "r.csv"),
    "CSV, by a pattern": ({"file": "**/r.csv", "column": "loss"}, "r.csv"),
    "JSON lines": ({"file": "r.jsonl", "key": "loss"}, "r.jsonl"),
    "TensorBoard": ({"tensorboard": "loss"}, "events.out.tfevents.1"),
    "W&B": ({"wandb": "loss"}, "run-1.wandb"),
}
CONTENT = {".csv": "epoch,loss\n1,0.5\n", ".jsonl": '{"epoch": 1, "loss": 0.5}\n', ".wandb": ":W&B...", ".1": ""}


def main() -> None:
    figures = {
        "seconds_per_1000_polls_of_an_unchanged_file": {name: median(lambda name=name: unchanged(name)) for name in UNCHANGED},
        "seconds_per_10000_rows": {
            **{name: median(lambda name=name: appended(name)) for name in ("CSV", "JSON lines")},
            "printed": median(printed),
        },
        f"seconds_per_{REWRITTEN}_rewritings_up_to_{REWRITTEN}_rows": {
            name: median(lambda name=name: rewritten(name)) for name in ("the same text", "another text")
        },
    }
    rows = figures["seconds_per_10000_rows"]
    figures["times_the_cost_of_printed_rows"] = {
        name: round(seconds / rows["printed"], 2) for name, seconds in rows.items() if name != "printed"
    }
    write("following", figures, "cpu", machine(("pydantic", "tensorboard", "wandb")))
    for title, found in figures.items():
        print(f"{title}: {found}", file=sys.stderr)


def median(measure: Callable[[], float]) -> float:
    """Of several turns [s]."""
    return round(statistics.median(measure() for _ in range(TURNS)), 5)


def unchanged(name: str) -> float:
    """Seconds of polls while nothing changes, in a folder with many other files."""
    fields, file = UNCHANGED[name]
    with tempfile.TemporaryDirectory() as folder:
        for number in range(OTHER_FILES):
            Path(folder, f"checkpoint-{number}.pt").touch()
        path = Path(folder, file)
        path.write_text(CONTENT[path.suffix])
        found = follower(Path(folder), fields)
        began = time.process_time()
        for _ in range(POLLS):
            found.poll()
        return time.process_time() - began


def appended(name: str) -> float:
    """Seconds of polls while rows are appended, a few before each poll."""
    fields, file = UNCHANGED[name]
    with tempfile.TemporaryDirectory() as folder, Path(folder, file).open("w") as written:
        found, spent, count = follower(Path(folder), fields), 0.0, 0
        if name == "CSV":
            written.write("epoch,lr,note,loss\n")
        for first in range(0, ROWS, ROWS_A_POLL):
            for row in range(first, first + ROWS_A_POLL):
                loss = 1 / (row + 1)
                line = f"{row},0.1,warm,{loss}" if name == "CSV" else f'{{"epoch": {row}, "lr": 0.1, "loss": {loss}}}'
                written.write(line + "\n")
            written.flush()
            began = time.process_time()
            count += len(found.poll())
            spent += time.process_time() - began
        assert count == ROWS
        return spent


def printed() -> float:
    """Seconds for the same rows as lines of output, read in the same portions."""
    lines, rows, spent = Lines(), Output({"loss": Measure(goal="minimize", pattern=PATTERN)}), 0.0
    for first in range(0, ROWS, ROWS_A_POLL):
        data = "".join(f"epoch {row}: loss {1 / (row + 1)}\n" for row in range(first, first + ROWS_A_POLL)).encode()
        began = time.process_time()
        for line in lines.add(data):
            rows.line(line)
        spent += time.process_time() - began
    return spent


def rewritten(name: str) -> float:
    """Seconds of polls of a file that is written anew for each of its rows; another text must be parsed to be recognised."""
    with tempfile.TemporaryDirectory() as folder:
        path, other = Path(folder, "r.csv"), Path(folder, "next")
        found, spent, lines, count = follower(Path(folder), {"file": "r.csv", "column": "loss"}), 0.0, [], 0
        for row in range(REWRITTEN):
            lines.append(f"{row},{1 / (row + 1)}")
            header = "epoch,loss" if name == "the same text" or row % 2 else "epoch ,loss"
            other.write_text("\n".join([header, *lines, ""]))
            other.replace(path)
            began = time.process_time()
            count += len(found.poll())
            spent += time.process_time() - began
        assert count == REWRITTEN
        return spent


def follower(run_dir: Path, fields: dict[str, str]) -> Follower:
    """With a clock that stands still, so that nothing limits its polls."""
    measure = Measure.model_validate({"goal": "minimize", **fields})
    (found,) = followers({"loss": measure}, run_dir, clock=lambda: 0.0)
    return found


if __name__ == "__main__":
    main()
