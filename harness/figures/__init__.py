"""Frame -> figure. Each design's main figure stands beside `curves`; `style` holds what they share."""

from harness.figures.curves import curves
from harness.figures.style import save

__all__ = ["curves", "save"]
