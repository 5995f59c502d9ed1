"""Colours on dark screens: light enough to be seen, of the same hue, and greys inverted."""

from __future__ import annotations

import colorsys

import pytest

from harness.reporting.figures.dark import GREY, PAPER, contrast, for_dark
from harness.reporting.figures.style import COLOURS


def parts(colour: str) -> list[float]:
    return [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]


def hue(colour: str) -> float:
    return colorsys.rgb_to_hls(*parts(colour))[0]


HUES = [colour for colour in COLOURS if max(parts(colour)) - min(parts(colour)) >= GREY]


@pytest.mark.parametrize("colour", COLOURS)
def test_every_line_stands_out_from_dark_paper(colour: str) -> None:
    assert contrast(for_dark(colour), PAPER) >= 4


@pytest.mark.parametrize("colour", HUES)
def test_a_colour_keeps_its_hue(colour: str) -> None:
    assert hue(for_dark(colour)) == pytest.approx(hue(colour), abs=0.02)


def test_white_is_the_paper_of_dark_pages_and_black_is_almost_white() -> None:
    assert for_dark("#ffffff") == PAPER
    assert contrast(for_dark("#222222"), PAPER) > 10


def test_variants_stay_distinct() -> None:
    assert len({for_dark(colour) for colour in COLOURS}) == len(COLOURS)
