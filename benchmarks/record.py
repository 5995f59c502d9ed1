"""A benchmark's figures -> benchmarks/results/<name>[_<part>].json, with the machine they were measured on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from harness.store.provenance import device_name

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("pydantic", "typer", "rich", "pandas", "pyarrow")


def machine(packages: Sequence[str] = PACKAGES) -> dict[str, str | int]:
    """What the figures depend on: processor, usable cores, Python, system, the libraries that are imported."""
    return {
        "processor": device_name("cpu"),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **{package: version(package) for package in packages},
    }


def write(name: str, figures: Mapping[str, object], part: str = "", about: Mapping[str, str | int] | None = None) -> None:
    """Print the figures, and write them over the last ones of this name. A script that measures several things names the `part`.

    `about` stands for the machine where more than `machine()` knows of matters.
    """
    document = {
        "benchmark": name,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine() if about is None else about,
        "figures": figures,
    }
    text = json.dumps(document, indent=2)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}{part and '_' + part}.json").write_text(text + "\n")
    print(text)
