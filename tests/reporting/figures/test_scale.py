"""Where a factor's levels stand."""

from __future__ import annotations

import pytest

from harness.reporting.figures.scale import scale


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ((0, 0.1, 0.2, 0.3), "linear"),
        ((16, 32, 48, 64), "linear"),
        ((0, 0.05, 0.1, 0.2), "linear"),
        ((0.0125, 0.025, 0.05, 0.1, 0.2), "log"),
        ((1, 3, 10, 30, 100), "log"),
        ((0, 1e-5, 1e-4, 1e-3), "even"),
        ((-1, 0, 100), "even"),
    ],
)
def test_levels_are_spaced_as_can_be_read(numbers: tuple[float, ...], kind: str) -> None:
    found = scale({f"{number:g}": number for number in numbers})
    assert found.kind == kind
    assert found.places[0] == 0
    assert found.places[-1] == 1


def test_levels_are_sorted_by_number() -> None:
    found = scale({"0.5": 0.5, "0": 0.0, "0.1": 0.1})
    assert found.levels == ("0", "0.1", "0.5")
    assert found.places == pytest.approx((0, 0.2, 1))


def test_a_number_between_levels_stands_between_them() -> None:
    assert scale({"0": 0.0, "1": 1.0, "4": 4.0}).place(2) == pytest.approx(0.5)
    assert scale({"1": 1.0, "100": 100.0}).place(10) == pytest.approx(1 / 11)
    assert scale({"1": 1.0, "10": 10.0, "100": 100.0}).place(10**0.5) == pytest.approx(0.25)
    assert scale({"0": 0.0, "1e-4": 1e-4, "1": 1.0}).place(0.5) == pytest.approx(0.75, abs=1e-3)


def test_a_number_beyond_the_levels_stands_at_the_end() -> None:
    found = scale({"1": 1.0, "10": 10.0, "100": 100.0})
    assert (found.place(0), found.place(1000)) == (0, 1)


def test_words_keep_the_files_order_and_stand_evenly() -> None:
    found = scale({"none": None, "0.5": 0.5, "0.1": 0.1})
    assert found.levels == ("none", "0.5", "0.1")
    assert found.places == (0, 0.5, 1)
    assert found.suffix == ""


def test_the_axis_says_how_it_is_spaced() -> None:
    assert scale({"1": 1.0, "10": 10.0, "100": 100.0}).suffix == ", log scale"
    assert scale({"0": 0.0, "1e-5": 1e-5, "1": 1.0}).suffix == ", levels evenly spaced"


def test_a_single_level_stands_in_the_middle() -> None:
    assert scale({"7": 7.0}).places == (0.5,)
