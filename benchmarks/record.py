"""A benchmark's figures -> benchmarks/results/<name>.json, with the machine they were measured on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from harness.store.provenance import device_name

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("pydantic", "typer", "rich", "pandas", "pyarrow")


def machine() -> dict[str, str | int]:
    """What the figures depend on: processor, usable cores, Python, system, the libraries that are imported."""
    return {
        "processor": device_name("cpu"),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **{package: version(package) for package in PACKAGES},
    }


def write(name: str, figures: Mapping[str, object]) -> None:
    """Print the figures, and write them over the last ones of this name."""
    document = {"benchmark": name, "date": datetime.now(UTC).date().isoformat(), "machine": machine(), "figures": figures}
    text = json.dumps(document, indent=2)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(text + "\n")
    print(text)
