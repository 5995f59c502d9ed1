"""argv -> the command it names; each is a module of its own, imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from harness.errors import EXIT_BAD_INPUT

# Command -> what it does. A command is the module `harness.<command>` with `main(argv) -> exit code`.
COMMANDS: Mapping[str, str] = {
    "run": "plan an experiment, train what is due, report",
    "sweep": "search, confirm the best trials on fresh seeds, report",
    "submit": "the same on a SLURM cluster: arrays of workers, then the report",
    "status": "where plans and runs stand, and how runs differ",
    "report": "write the reports again from what is there",
    "new": "write a first experiment for any training script",
    "doctor": "whether this machine is ready: accelerators, data, logins, disk, versions",
    "verify": "whether the results are whole, and a run trained again gives the same bits",
    "sync": "deliver to Weights & Biases what has not arrived there",
    "worker": "train a plan's runs or a search's trials (what run and sweep start)",
}


def main(argv: Sequence[str] | None = None) -> int:
    """The `harness` command; its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0 if arguments else EXIT_BAD_INPUT
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"no command {name!r}; allowed: {', '.join(COMMANDS)}", file=sys.stderr)
        return EXIT_BAD_INPUT
    command = cast(Callable[[Sequence[str]], int], importlib.import_module(f"harness.{name}").main)
    return command(rest)


def overview() -> str:
    """What `harness --help` prints."""
    lines = ["Usage: harness COMMAND ...", "", "Ablations that end in a verdict.", "", "Commands:"]
    lines += [f"  {name:<8} {what}" for name, what in COMMANDS.items()]
    lines += ["", "Example: harness run experiments/leakyrelu_vs_relu.yaml --profile smoke", "More: harness COMMAND --help"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
