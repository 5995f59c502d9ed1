"""Colours of figures -> the colours that take their place on dark screens."""

from __future__ import annotations

import colorsys

PAPER = "#17181a"  # of dark pages
GREY = 0.12  # a colour of less saturation is a grey
LEAST_CONTRAST = 4.0  # of a line with the paper (WCAG 2 asks for 3)
STEPS = 50


def for_dark(colour: str) -> str:
    """`#0173b2` -> a lighter colour of the same hue; greys are inverted, so that white is the paper of dark pages."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_parts(colour))
    parts = _parts(colour)
    if max(parts) - min(parts) < GREY:
        low = max(_parts(PAPER))
        return _text((low + (1 - lightness) * (0.93 - low),) * 3) if lightness < 1 else PAPER
    for step in range(STEPS + 1):
        lighter = _text(colorsys.hls_to_rgb(hue, lightness + (1 - lightness) * step / STEPS, saturation))
        if contrast(lighter, PAPER) >= LEAST_CONTRAST:
            return lighter
    return lighter


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parts(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


def _text(parts: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)
