"""Imports torchvision even if its compiled operators cannot be loaded.

torchvision's wheels carry operators compiled against one build of torch. Beside another build (a CPU torch, say) they do not
load, and `import torchvision` fails on the missing `torchvision::nms`, although data sets and transforms use none of them.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch

_MISSING = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@functools.cache
def import_torchvision() -> Any:
    """The module `torchvision`. If its operators can be loaded, nothing is declared."""
    _operators()
    return importlib.import_module("torchvision")


@functools.cache
def _operators() -> torch.library.Library | None:
    """Load torchvision's operators, else declare those its import asks for; the result must live as long as they do."""
    if _compiled_part_loads() or hasattr(torch.ops.torchvision, "nms"):
        return None
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name, signature in _MISSING.items():
        library.define(name + signature)  # type: ignore[no-untyped-call]
    return library


def _compiled_part_loads() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    for path in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(path)  # type: ignore[no-untyped-call]
        except OSError:  # compiled for another torch
            continue
        return True
    return False
