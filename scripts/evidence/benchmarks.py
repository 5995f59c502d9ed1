"""Settings -> the measurements of benchmarks/throughput.py; their figures -> how many runs train at the same time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evidence.budget import Step, best_workers
from evidence.records import Records
from evidence.settings import ROOT, Settings, python

KIND = "benchmarks"
TOGETHER = (2, 4)
WAYS = ("the harness, eager", "the harness, recorded as a graph", "the harness, compiled and recorded")
IMAGES_AN_EPOCH = 390 * 128


@dataclass(frozen=True)
class Benchmark:
    """`output`: the folder of its JSON file; `impossible`: why it cannot be done here."""

    step: Step
    command: list[str]
    output: Path
    impossible: str | None = None


def benchmarks(settings: Settings) -> list[Benchmark]:
    """The plain loop, then several processes on the device, then the ways to execute a step, which show why.

    Expected times: by the steps of a turn, for 15,000 samples/s of the harness and 7,000 of the plain loop's four loader workers.
    """
    network = "smoke" if settings.rehearse else "paper"
    common = ["--network", network, "--device", settings.device]
    common += ["--images", settings.benchmark_images] if settings.benchmark_images else []
    common += ["--turns", "1", "--steps", "2"] if settings.rehearse else []
    found: list[tuple[str, list[str], float, bool]] = [("plain_loop", [], 240.0, False)]
    found += [(f"together_{count}", ["--together", str(count)], 180.0, False) for count in TOGETHER]
    if settings.rehearse:
        found = found[:2]
    else:
        found.append(("ways", ["--versions", *WAYS], 600.0, True))
    lacking = settings.device == "cuda" and settings.benchmark_images is None
    made = []
    for name, arguments, expected_s, optional in found:
        output = settings.evidence / KIND / name
        command = python(str(ROOT / "benchmarks" / "throughput.py"), *common, *arguments, "--output", str(output))
        step = Step(name, 0.0 if settings.rehearse else expected_s, optional)
        made.append(Benchmark(step, command, output, "not possible without --images" if lacking else None))
    return made


def figures(output: Path) -> dict[str, Any]:
    """The document that throughput.py has written to its folder. Raises ValueError if there is none."""
    (file,) = output.glob("throughput_*.json")
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def rates(records: Records) -> dict[int, float]:
    """Processes on the device -> samples/s of all together, as far as they were measured."""
    found = {}
    for name in ("plain_loop", *(f"together_{count}" for count in TOGETHER)):
        measured = _measured(records, name)
        if "harness_samples_per_second" in measured:
            found[1] = float(measured["harness_samples_per_second"])
        elif "processes" in measured:
            found[int(measured["processes"])] = float(measured["samples_per_second_of_all"])
    return found


def workers(settings: Settings, records: Records) -> int:
    """How many runs train at the same time: as many as give the most samples/s; on a CPU one."""
    return 1 if settings.device == "cpu" else best_workers(rates(records))


def epoch_seconds(records: Records, count: int) -> float | None:
    """How long an epoch of a run takes with `count` at the same time, without evaluation; None if that was not measured."""
    rate = rates(records).get(count)
    return None if rate is None else count * IMAGES_AN_EPOCH / rate


def _measured(records: Records, name: str) -> Mapping[str, Any]:
    record = records.read(KIND, name)
    found: Mapping[str, Any] = {} if record is None else record["figures"].get("figures", {})
    return found
