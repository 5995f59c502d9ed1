"""Samples per second of the plain loop and of the harness, in turns on one machine, and their ratio.

    python benchmarks/throughput.py --network smoke|paper [--device cpu|cuda] [--images cifar10|FOLDER] [--breakdown]
    python benchmarks/throughput.py --network smoke|paper [--device cpu|cuda] [--images cifar10|FOLDER] --versions NAME [NAME ...]
    python benchmarks/throughput.py --network smoke|paper [--device cpu|cuda] [--images cifar10|FOLDER] --together 2

Same images, network, batch and recipe; each side a process of its own (see sides.py), the harness through the protocol that its
workers use. A turn is some training steps, then all test images. `--breakdown` times what lies between the two as well: the plain
loop with one idea more at a time, then the harness's own ways to carry out a step. The images are the shipped miniature's unless
`--images` names others: `cifar10`, or an image folder. On a GPU it has to, for epochs of 390 steps. `--versions` times the
harness and those that it names.

`--together N` compares N of the harness's processes at once, each with its share of the processors as workers have it, with one.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from record import RESULTS, machine, write
from roofline import measure, work
from sides import Side, answer, ask_together, ratios
from versions import HARNESS, PLAIN, VERSIONS, worker

from harness.execution.machine.processors import cpus
from harness.tasks.cifar_resnet.config import Config

NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "smoke": {"stem_width": 16, "widths": (16, 32, 64), "depths": (1, 1, 1)},
}
# Long enough to average out noise, short enough for both sides to meet the same noise.
STEPS = {("cpu", "smoke"): 15, ("cpu", "paper"): 2, ("cuda", "smoke"): 390, ("cuda", "paper"): 390}
TURNS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--network", choices=sorted(NETWORKS), required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--images", help="cifar10, an image folder or a tar of one; default: the shipped miniature")
    parser.add_argument("--loader-workers", type=int, default=min(4, len(os.sched_getaffinity(0))))
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--steps", type=int, help="training steps of a turn; default: by device and network")
    parser.add_argument("--breakdown", action="store_true")
    parser.add_argument(
        "--versions", nargs="+", default=[], metavar="NAME", help="these alone, besides the harness; see versions.py"
    )
    parser.add_argument("--together", type=int, help="this many at once, against one")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the JSON file; default: benchmarks/results")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.steps = arguments.steps or STEPS[arguments.device, arguments.network]
    if arguments.side:
        config = configured(arguments.network, arguments.device, arguments.images)
        answer(lambda: worker(VERSIONS[arguments.side], config, arguments.device, arguments.loader_workers))
        return
    known = [name for name, version in VERSIONS.items() if arguments.device in version.devices and name != PLAIN]
    if unknown := [name for name in arguments.versions if name not in known]:
        parser.error(f"invalid value for --versions: {unknown[0]!r}; choose from: {', '.join(known)}")
    if arguments.device == "cuda" and not arguments.images:
        parser.error("--device cuda needs --images: the miniature's epochs of 15 steps end before anything can be timed there")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that no stopped process remains
    if arguments.together:
        together(arguments)
    else:
        compare(arguments, known if arguments.breakdown else [*arguments.versions, HARNESS])


def configured(network: str, device: str, images: str | None) -> Config:
    """The source's recipe; 400 epochs, so that training does not finish while it is timed."""
    data = {"dataset": "cifar10"} if images == "cifar10" else {"dataset": "image_folder", "root": images}
    data = data if images else {"dataset": "cifar10_mini"}
    precision = "bf16" if device == "cuda" else "fp32"
    return Config.model_validate({"data": data, "model": NETWORKS[network], "training": {"precision": precision}})


def compare(arguments: argparse.Namespace, names: Sequence[str]) -> None:
    """Measure these versions, print and write."""
    network, device = arguments.network, arguments.device
    config = configured(network, device, arguments.images)
    found = {name: against_plain(name, arguments, config) for name in names}
    ours = found[HARNESS]
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    rooftop = measure(device, dtype)
    ceiling = work(config.model, 10, config.data.image_size).ceiling(rooftop, dtype.itemsize)
    figures = {
        "network": network,
        "device": device,
        "batch": config.training.batch_size,
        "steps_a_turn": arguments.steps,
        "turns": arguments.turns,
        "loader_workers": arguments.loader_workers,
        "ratio": ours["ratio"],
        "evaluation_ratio": ours["evaluation_ratio"],
        "plain_samples_per_second": ours["plain_samples_per_second"],
        "harness_samples_per_second": ours["samples_per_second"],
        "plain_evaluated_per_second": ours["plain_evaluated_per_second"],
        "harness_evaluated_per_second": ours["evaluated_per_second"],
        "plain_peak_memory_bytes": ours["plain_peak_memory_bytes"],
        "harness_peak_memory_bytes": ours["peak_memory_bytes"],
        "ceiling_samples_per_second": round(ceiling, 1),
        "share_of_ceiling": round(ours["samples_per_second"] / ceiling, 3),
        "matrix_flops": round(rooftop.flops / 1e9) * 10**9,
        "copy_bytes_per_second": round(rooftop.bandwidth / 1e9) * 10**9,
        "load_average": round(os.getloadavg()[0], 1),
    }
    if len(names) > 1:
        kept = ("ratio", "samples_per_second", "first_step_seconds", "peak_memory_bytes")
        figures["versions"] = {name: {key: numbers[key] for key in kept} for name, numbers in found.items()}
    part = f"{network}_{device}_versions" if arguments.versions else f"{network}_{device}"
    write("throughput", figures, part, about(device), arguments.output)
    print("\n".join(rows(figures)), file=sys.stderr)


def about(device: str) -> dict[str, str | int]:
    """The machine."""
    known = {**machine(("torch", "torchvision", "numpy", "pillow")), "threads": torch.get_num_threads()}
    return {**known, "gpu": torch.cuda.get_device_name()} if device == "cuda" else known


def side_command(arguments: argparse.Namespace) -> list[str]:
    """The command that starts a side, without its name."""
    command = [sys.executable, __file__, "--network", arguments.network, "--device", arguments.device]
    command += ["--loader-workers", str(arguments.loader_workers)]
    return [*command, *(["--images", arguments.images] if arguments.images else []), "--side"]


def against_plain(name: str, arguments: argparse.Namespace, config: Config) -> dict[str, Any]:
    """Turns of this version and of the plain loop, one after the other; medians, and the ratio with its spread."""
    steps, command = arguments.steps, side_command(arguments)
    trained: dict[str, list[float]] = {name: [], PLAIN: []}
    evaluated: dict[str, list[float]] = {name: [], PLAIN: []}
    with ExitStack() as stack:
        sides = {each: stack.enter_context(Side([*command, each], VERSIONS[each].environment)) for each in (name, PLAIN)}
        first = {each: side.ask(do="train", steps=1)["seconds"] for each, side in sides.items()}
        for turn in range(arguments.turns + 1):
            for each, side in sides.items():
                # Including the first step, so that a turn ends with an epoch: no loader works during evaluation.
                seconds = side.ask(do="train", steps=steps - (turn == 0))["seconds"]
                answered = side.ask(do="evaluate")
                if turn > 0:  # the first one warms up
                    trained[each].append(steps * config.training.batch_size / seconds)
                    evaluated[each].append(answered["images"] / answered["seconds"])
            print(f"{name}, turn {turn} of {arguments.turns}: {time.strftime('%X')}", file=sys.stderr)
        memory = {each: side.ask(do="memory")["bytes"] for each, side in sides.items()}
    return {
        "ratio": rounded(ratios(trained[name], trained[PLAIN])),
        "evaluation_ratio": rounded(ratios(evaluated[name], evaluated[PLAIN])),
        "samples_per_second": round(statistics.median(trained[name]), 1),
        "plain_samples_per_second": round(statistics.median(trained[PLAIN]), 1),
        "evaluated_per_second": round(statistics.median(evaluated[name]), 1),
        "plain_evaluated_per_second": round(statistics.median(evaluated[PLAIN]), 1),
        "first_step_seconds": round(first[name], 2),
        "peak_memory_bytes": memory[name],
        "plain_peak_memory_bytes": memory[PLAIN],
    }


def together(arguments: argparse.Namespace) -> None:
    """Turns of N harness processes at once, and of one alone; samples per second of all, and the ratio with its spread."""
    steps, count, device = arguments.steps, arguments.together, arguments.device
    samples = steps * configured(arguments.network, device, arguments.images).training.batch_size
    environment = VERSIONS[HARNESS].environment
    share = {**environment, "OMP_NUM_THREADS": str(max(1, cpus() // count))}
    all_rates, one_rates = [], []
    with ExitStack() as stack:
        command = [*side_command(arguments), HARNESS]
        several = [stack.enter_context(Side(command, share)) for _ in range(count)]
        alone = stack.enter_context(Side(command, environment))
        for turn in range(arguments.turns + 1):
            seconds = max(answer["seconds"] for answer in ask_together(several, do="train", steps=steps))
            alone_seconds = alone.ask(do="train", steps=steps)["seconds"]
            if turn > 0:
                all_rates.append(count * samples / seconds)
                one_rates.append(samples / alone_seconds)
            print(f"{count} at once, turn {turn} of {arguments.turns}: {time.strftime('%X')}", file=sys.stderr)
    figures = {
        "network": arguments.network,
        "device": device,
        "processes": count,
        "steps_a_turn": steps,
        "turns": arguments.turns,
        "ratio": rounded(ratios(all_rates, one_rates)),
        "samples_per_second_of_all": round(statistics.median(all_rates), 1),
        "samples_per_second_of_one_alone": round(statistics.median(one_rates), 1),
        "load_average": round(os.getloadavg()[0], 1),
    }
    write("throughput", figures, f"{arguments.network}_{device}_together", about(device), arguments.output)
    print("\n".join(rows(figures)), file=sys.stderr)


def rows(figures: Mapping[str, Any]) -> list[str]:
    """The rows of the tables in docs/performance.md, which a test compares."""
    name = f"{figures['network']}, {figures['device']}"
    if "processes" in figures:
        speeds = [figures["samples_per_second_of_one_alone"], figures["samples_per_second_of_all"]]
        return [
            f"| {name}, {figures['processes']} at once | {shown(speeds[0])} | {shown(speeds[1])} | {spread(figures['ratio'])} |"
        ]
    sides = [
        (shown(figures[f"{side}_samples_per_second"]), figures[f"{side}_peak_memory_bytes"] / 1e9)
        for side in ("plain", "harness")
    ]
    speeds = " | ".join(f"{speed} ({memory:.1f} GB)" for speed, memory in sides)
    found = [f"| {name} | {speeds} | {spread(figures['ratio'])} | {100 * figures['share_of_ceiling']:.0f} % |"]
    evaluated = [shown(figures[f"{side}_evaluated_per_second"]) for side in ("plain", "harness")]
    found.append(f"| {name}, evaluation | {evaluated[0]} | {evaluated[1]} | {spread(figures['evaluation_ratio'])} | |")
    for version, numbers in figures.get("versions", {}).items():
        cells = f"{shown(numbers['samples_per_second'])} | {spread(numbers['ratio'])} | {numbers['first_step_seconds']:.1f} s"
        found.append(f"| {name}: {version} | {cells} | {numbers['peak_memory_bytes'] / 1e9:.1f} GB |")
    return found


def spread(ratio: Mapping[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['lowest']:.2f} to {ratio['highest']:.2f})"


def shown(speed: float) -> str:
    """Samples per second, three digits."""
    return f"{speed:.1f}" if speed < 100 else f"{speed:,.0f}"


def rounded(spread: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in spread.items()}


if __name__ == "__main__":
    main()
