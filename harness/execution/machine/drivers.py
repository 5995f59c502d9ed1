"""The GPUs that the drivers' files show to this process, in the order of the drivers: UUID and model of each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

Facts = tuple[str | None, str | None]  # UUID and model; None: no file tells


def nvidia(root: Path = Path("/")) -> list[Facts]:
    """NVIDIA's, in the order of the PCI bus; without those that a control group, such as a SLURM job's, hides."""
    nodes = {int(path.name[6:]): path for path in (root / "dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)}
    listed = sorted((root / "proc/driver/nvidia/gpus").glob("*"))
    if not listed:
        return [(None, None) for _, path in sorted(nodes.items()) if _usable(path)]
    found: list[Facts] = []
    for folder in listed:
        facts = _fields(folder / "information", ":")
        minor = facts.get("Device Minor", "")
        # Without any device file they are not made yet: the first program that uses CUDA has the driver make them.
        hidden = bool(nodes) and minor.isdigit() and not _usable(nodes.get(int(minor)))
        if not hidden and facts.get("GPU Excluded") != "Yes":
            found.append((facts.get("GPU UUID"), facts.get("Model")))
    return found


def rocm(root: Path = Path("/")) -> list[Facts]:
    """AMD's, in the order of the compute driver's nodes; none without its device file, which containers may lack."""
    if not (root / "dev/kfd").exists():
        return []
    renderers = {path.name: path for path in (root / "dev/dri").glob("renderD*")}
    topology = root / "sys/class/kfd/kfd/topology/nodes"
    if not topology.is_dir():
        return [(None, _product(root, name)) for name in sorted(renderers) if _usable(renderers[name])]
    return list(_rocm_nodes(root, topology, renderers))


def _rocm_nodes(root: Path, topology: Path, renderers: Mapping[str, Path]) -> Iterator[Facts]:
    for folder in sorted((path for path in topology.iterdir() if path.name.isdigit()), key=lambda path: int(path.name)):
        facts = _fields(folder / "properties", " ")
        if int(facts.get("simd_count", "0")) == 0:
            continue  # a processor, or the driver hides its properties
        renderer = f"renderD{facts.get('drm_render_minor')}"
        if renderers and not _usable(renderers.get(renderer)):
            continue
        number = int(facts.get("unique_id", "0"))
        yield f"GPU-{number:016x}" if number else None, _product(root, renderer)


def _product(root: Path, renderer: str) -> str | None:
    """The model behind a device file; not all AMD GPUs tell it."""
    try:
        return (root / "sys/class/drm" / renderer / "device/product_name").read_text().strip() or None
    except OSError:
        return None


def _usable(node: Path | None) -> bool:
    """Whether this process may open a device file; control groups count too."""
    return node is not None and os.access(node, os.R_OK | os.W_OK)


def _fields(path: Path, separator: str) -> dict[str, str]:
    """Name -> value of lines of text; empty if it cannot be read."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition(separator) for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs if value.strip()}
