"""Variants in training, as rows, blocks or groups."""

from __future__ import annotations

from harness.terminal.live_layout import VariantProgress, variant_lines
from harness.terminal.training import Now
from harness.terminal.wrapping import wrap_part, wrap_parts

NOW = Now("seed 1", 120, 400, "94.1 %", 41_000.0, 360.0)


def lines(variants: list[VariantProgress], width: int, height: int) -> list[str]:
    return [line.plain for line in variant_lines(variants, width, height)]


def test_a_variant_is_a_row_with_its_count_and_what_trains() -> None:
    variants = [VariantProgress("base *", 2, 3, [NOW]), VariantProgress("other", 3, 3), VariantProgress("third", 0, 3, pending=3)]
    assert lines(variants, 100, 10) == [
        "  variant   done   now",
        "  base *     2/3   seed 1, epoch 120/400, 94.1 %, 41,000/s, 6 min left",
        "  other      3/3   complete",
        "  third      0/3   3 pending",
    ]


def test_on_a_narrow_terminal_a_variant_is_a_block() -> None:
    long = VariantProgress("a rather long name of a variant, with a value=0.125", 1, 3, [NOW], [("FAILED", 1)])
    assert lines([long, VariantProgress("other", 3, 3)], 40, 10) == [
        "  a rather long name of a variant,",
        "  with a value=0.125",
        "    1/3 done",
        "    1 FAILED",
        "    seed 1, epoch 120/400, 94.1 %,",
        "    41,000/s, 6 min left",
        "  other   3/3 done",
    ]


def test_too_many_variants_are_those_that_train_and_counts_of_the_others() -> None:
    variants = [VariantProgress(f"variant {number:02}", 0, 3, pending=3) for number in range(40)]
    variants[:4] = [VariantProgress(f"variant {number:02}", 3, 3) for number in range(4)]
    variants[4] = VariantProgress("variant 04", 1, 3, [], [("FAILED", 1)], 1)
    variants[5] = VariantProgress("variant 05", 2, 3, pending=1)
    variants[30:32] = [VariantProgress(f"variant {number}", 2, 3, [NOW]) for number in (30, 31)]
    assert lines(variants, 100, 10) == [
        "  variant      done   now",
        "  variant 30    2/3   seed 1, epoch 120/400, 94.1 %, 41,000/s, 6 min left",
        "  variant 31    2/3   seed 1, epoch 120/400, 94.1 %, 41,000/s, 6 min left",
        "  variant 04    1/3   1 FAILED, 1 pending",
        "  1 variant partly done, 32 pending, 4 complete",
    ]
    assert lines(variants, 100, 2) == [
        "  variant 30    2/3   seed 1, epoch 120/400, 94.1 %, 41,000/s, 6 min left",
        "  1 variant running, 1 with failed or stopped runs, 1 partly done, 32 pending, 4 complete",
    ]
    assert lines(variants, 40, 2) == ["  40 variants"]
    assert lines(variants, 40, 0) == []


def test_each_running_run_of_a_variant_has_a_line() -> None:
    both = VariantProgress("base", 0, 3, [NOW, Now("seed 2", 0, 400, "", None, None)], best="best so far lr=0.1: 94.4 %")
    assert lines([both], 100, 10)[1:] == [
        "  base       0/3   best so far lr=0.1: 94.4 %",
        "                   seed 1, epoch 120/400, 94.1 %, 41,000/s, 6 min left",
        "                   seed 2, starting",
    ]


def test_parts_are_kept_whole_and_a_part_that_is_too_wide_is_broken_at_commas_then_spaces() -> None:
    assert wrap_parts(["seed 1", "epoch 2/4", "94.1 %"], 17) == ["seed 1,", "epoch 2/4,", "94.1 %"]
    assert wrap_parts(["12/24 runs done", "2 running, 10 pending"], 21, " · ") == ["12/24 runs done", "2 running, 10 pending"]
    assert wrap_part("9 h left, from 12 finished runs", 24) == ["9 h left,", "from 12 finished runs"]
    assert wrap_parts(["a path/that/is/too/long", "hint"], 10, " · ") == ["a", "path/that/", "is/too/", "long", "hint"]
