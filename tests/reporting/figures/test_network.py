"""The drawing of a network tells its parts, and nothing that they do not say."""

from __future__ import annotations

from pathlib import Path

import pytest
from subjects import overlapping, words

from harness.reporting.figures import network, save
from harness.reporting.figures.network import amount
from harness.tasks.protocol import Part


def block(name: str, *, beside: bool) -> Part:
    chain = (Part("conv1", "1×1", (4, 8, 8), 16, 1024), Part("conv2", "3×3", (8, 8, 8), 288, 18432))
    shortcut = (Part("shortcut", "1×1, stride 2", (8, 8, 8), 32, 2048, beside=True),) if beside else ()
    return Part(name, "batch norm everywhere", (8, 8, 8), 336, 21504, parts=(*chain, *shortcut))


BLOCKS = (block("block 1", beside=True), block("block 2", beside=False))
PARTS = (
    Part("images", "normalised", (3, 16, 16), 0, 0),
    Part("stem", "3×3", (4, 16, 16), 108, 27648),
    Part("stage 1", "2 × toy", (8, 8, 8), 672, 1_000_000, parts=BLOCKS),
    Part("head", "mean, linear", (10,), 90, 80),
)


def test_every_part_has_its_shape_parameters_and_cost() -> None:
    said = words(network(PARTS))
    for expected in (
        "3 × 16 × 16",
        "4 × 16 × 16",
        "8 × 8 × 8",
        "10",
        "108",
        "672",
        "90",
        "27.6 k (3 %)",
        "1 M (97 %)",
        "80 (<1 %)",
    ):
        assert expected in said.split(" | ")
    assert "870 parameters; 1.03 M multiply-adds an image, forward; batch norm everywhere" in said


def test_a_block_with_a_shortcut_of_its_own_and_one_without_are_drawn() -> None:
    said = words(network(PARTS))
    assert "stage 1, block 1" in said
    assert "1×1, stride 2, batch norm: 8 × 8 × 8" in said
    assert "stage 1, block 2" in said
    assert "unchanged" in said


def test_boxes_shrink_with_their_images() -> None:
    boxes = [patch for patch in network(PARTS).axes[0].patches if hasattr(patch, "get_height")]
    flow = [boxes[0], boxes[1], boxes[2], boxes[5]]  # the stage's two blocks lie in between
    heights = [box.get_height() for box in flow]
    assert heights[0] == heights[1] > heights[2] > heights[3]


@pytest.mark.parametrize("stages", [1, 3, 5])
def test_no_words_lie_over_others(stages: int) -> None:
    flow = [
        Part(f"stage {place}", "20 × bottleneck, dropout 0.25", (1024, 8, 8), 13_746_816, 1_264_000_000, parts=BLOCKS)
        for place in range(stages)
    ]
    assert overlapping(network([*PARTS[:2], *flow, PARTS[-1]], "REHEARSAL: not evidence")) == []


def test_a_network_without_blocks_is_its_flow_alone() -> None:
    whole, flat = network(PARTS), network([PARTS[0], PARTS[1], PARTS[3]])
    assert flat.get_figheight() < whole.get_figheight()
    assert "block" not in words(flat)


def test_amounts_are_short() -> None:
    numbers = (7, 999, 1000, 27648, 736_995_328, 999_900_000, 4_420_000_000)
    assert [amount(number) for number in numbers] == ["7", "999", "1 k", "27.6 k", "737 M", "1 G", "4.42 G"]


def test_files_are_the_same_bits_each_time(tmp_path: Path) -> None:
    first, second = (save(network(PARTS), tmp_path / name, "network") for name in ("one", "two"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
