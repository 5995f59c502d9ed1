"""State dict <-> bytes, with torch."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any, cast

import torch


def dumps(state: Mapping[str, Any]) -> bytes:
    """`state` as torch.save writes it."""
    buffer = BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def loads(data: bytes) -> dict[str, Any]:
    """The state, tensors on the CPU. Loads weights only: no code in `data` is run."""
    return cast(dict[str, Any], torch.load(BytesIO(data), map_location="cpu", weights_only=True))
