"""Device -> what was measured on: its model, driver, libraries, and the code."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evidence.settings import ROOT, Settings, python
from harness.errors import DeviceError
from harness.execution.machine.gpus import visible_gpus
from harness.store.device import device_name

CODE = ("harness", "benchmarks", "scripts/evidence", "tests/tasks")
# In a process of its own: a context on the GPU would stay as long as this program runs.
PROBE = """
import json, platform, torch
found = {"torch": torch.__version__, "cuda": torch.version.cuda, "python": platform.python_version()}
if torch.cuda.is_available():
    properties = torch.cuda.get_device_properties(0)
    found |= {"model": properties.name, "memory_bytes": properties.total_memory, "cudnn": torch.backends.cudnn.version()}
    found |= {"capability": list(torch.cuda.get_device_capability(0)), "gpus": torch.cuda.device_count()}
print(json.dumps(found))
"""
SAME = ("device", "model", "torch", "cuda", "code")  # what a check or a benchmark holds for


def observe(settings: Settings) -> dict[str, Any]:
    """The machine and the code. Raises DeviceError if the device cannot be used."""
    ended = subprocess.run(python("-c", PROBE), capture_output=True, text=True, check=False, env=settings.environment)
    if ended.returncode != 0:
        raise DeviceError(f"torch cannot be used here: {_last_line(ended.stderr)}")
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    if settings.device == "cuda" and "model" not in found:
        built = "" if found["cuda"] else f" (torch {found['torch']} is built without it)"
        raise DeviceError(f"--device cuda: torch finds no CUDA device here{built}; --device cpu --rehearse rehearses without one")
    processor = device_name("cpu")
    if settings.device == "cpu":
        found["model"] = processor
    return {
        **found,
        "device": settings.device,
        "processor": processor,
        "visible_gpus": len(visible_gpus()),  # to the harness, which reads the driver's files
        "driver": driver() if settings.device == "cuda" else None,
        "code": code_digest(),
        "commit": commit(),
        "rehearsal": settings.rehearse,
    }


def differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What has changed, in words; empty: checks and benchmarks of `earlier` hold for `now`."""
    changed = [name for name in SAME if earlier.get(name) != now.get(name)]
    return [f"{name} ({_short(earlier.get(name))}, now {_short(now.get(name))})" for name in changed]


def code_digest(root: Path = ROOT) -> str:
    """SHA-256 over the Python files that are checked and measured; the same with and without git."""
    digest = hashlib.sha256()
    for folder in CODE:
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(f"{path.relative_to(root)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def commit() -> str | None:
    """The commit of this checkout; None without git."""
    return _answer(["git", "-C", str(ROOT), "rev-parse", "HEAD"])


def driver() -> str | None:
    """The version of NVIDIA's driver; None where nothing says it."""
    answer = _answer(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"])
    if answer:
        return answer.splitlines()[0]
    try:
        return Path("/proc/driver/nvidia/version").read_text().splitlines()[0]
    except OSError:
        return None


def _answer(command: list[str]) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.stdout.strip() or None if ended.returncode == 0 else None


def _short(value: object) -> str:
    """As it is, but of a digest only the beginning."""
    text = str(value)
    return text[:12] if len(text) == 64 else text


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else "no message"
