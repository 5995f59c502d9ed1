"""Figures of a benchmark -> benchmarks/results/<name>[_<part>].json, with the machine they were measured on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from harness.store.device import device_name

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("pydantic", "typer", "rich", "pandas", "pyarrow")


def machine(packages: Sequence[str] = PACKAGES) -> dict[str, str | int]:
    """The environment: processor, usable cores, Python, system, the libraries that are imported."""
    return {
        "processor": device_name("cpu"),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **{package: version(package) for package in packages},
    }


def write(
    name: str,
    figures: Mapping[str, object],
    part: str = "",
    about: Mapping[str, str | int] | None = None,
    folder: Path = RESULTS,
) -> None:
    """Print the figures, and write them to the file of this name (and `part`, for scripts with several), replacing earlier ones.

    `about` replaces `machine()` if other properties matter.
    """
    document = {
        "benchmark": name,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine() if about is None else about,
        "figures": figures,
    }
    text = json.dumps(document, indent=2)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}{part and '_' + part}.json").write_text(text + "\n")
    print(text)
