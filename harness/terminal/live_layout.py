"""The variants of a plan in training -> lines for a width and a height: one row or block each, or folded into groups. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from harness.reporting import phrases
from harness.terminal.tables import GAP, INDENT, STYLES, styled
from harness.terminal.training import Now
from harness.terminal.wrapping import printable, wrap_part, wrap_parts

LEAST_ROOM = 26  # cells for the last column of a row; with less, each variant is a block
MARGIN = " " * INDENT
ORDER = ("running", "with failed or stopped runs", "partly done", "pending", "complete")


@dataclass(frozen=True)
class VariantProgress:
    """A variant's requested runs. `lost`: the number of those that failed, diverged or stopped, by word.

    `best`: the best of its settings so far, if it is tuned.
    """

    label: str
    done: int
    requested: int
    now: Sequence[Now] = ()
    lost: Sequence[tuple[str, int]] = ()
    pending: int = 0
    best: str = ""

    @property
    def count(self) -> str:
        """Finished of requested."""
        return f"{self.done}/{self.requested}"

    @property
    def group(self) -> str:
        """What it is counted as where it has no line of its own."""
        if self.now:
            return "running"
        if self.lost:
            return "with failed or stopped runs"
        if self.done == self.requested:
            return "complete"
        return "partly done" if self.done else "pending"

    def texts(self) -> list[list[str]]:
        """What follows its count: parts of a line for each running run, or its state."""
        state = [self.best, *(f"{number} {word}" for word, number in self.lost)]
        if self.now:
            return [*([found] if (found := [part for part in state if part]) else []), *(now.parts for now in self.now)]
        state = [*state, f"{self.pending} pending" if self.pending and not self.best else ""]
        return [found] if (found := [part for part in state if part]) else [["complete"]]


def variant_lines(variants: Sequence[VariantProgress], width: int, height: int) -> list[Text]:
    """At most `height` lines of at most `width` cells. Too many variants: those that train now, then counts of the others."""
    layout = _Rows.of(variants, width) or _Blocks(width)
    heading = layout.heading()
    if len(heading) + len(variants) <= height:
        every = [line for variant in variants for line in layout.lines(variant)]
        if len(heading) + len(every) <= height:
            return [*heading, *every]
    first = sorted((one for one in variants if one.now or one.lost), key=lambda one: not one.now)[:height]
    blocks = [layout.lines(variant) for variant in first]
    others = Counter(variant.group for variant in variants) - Counter(variant.group for variant in first)
    for shown in range(len(first), -1, -1):
        found = [*(line for block in blocks[:shown] for line in block), *_groups(others, width)]
        if len(found) <= height:
            return [*(heading if shown and len(heading) + len(found) <= height else []), *found]
        others += Counter(variant.group for variant in first[shown - 1 : shown])
    return [styled(MARGIN, phrases.plural(len(variants), "variant"))][:height]


def _groups(variants: Mapping[str, int], width: int) -> list[Text]:
    """`31 variants pending, 4 complete`. `variants`: the number of those in each group."""
    present = [name for name in ORDER if variants.get(name)]
    counted = [f"{variants[name]:,d} {name}" for name in present]
    if present:
        counted[0] = f"{phrases.plural(variants[present[0]], 'variant')} {present[0]}"
    return [styled(MARGIN, line) for line in wrap_parts(counted, width - INDENT)]


@dataclass(frozen=True)
class _Rows:
    """A line for each variant, and further ones for more than one running run or where the line is too long."""

    label: int  # cells
    count: int
    width: int

    @classmethod
    def of(cls, variants: Sequence[VariantProgress], width: int) -> _Rows | None:
        """None: too narrow."""
        label = max(len("variant"), *(cell_len(printable(variant.label)) for variant in variants))
        count = max(len("done"), *(2 * len(str(variant.requested)) + 1 for variant in variants))
        return cls(label, count, width) if width - INDENT - label - count - 2 * GAP >= LEAST_ROOM else None

    def heading(self) -> list[Text]:
        """The names of the columns."""
        gap = " " * GAP
        return [styled(f"{MARGIN}{'variant':<{self.label}}{gap}{'done':>{self.count}}{gap}now")]

    def lines(self, variant: VariantProgress) -> list[Text]:
        """Its name and count, then what it does."""
        label = printable(variant.label)
        start = f"{MARGIN}{label}{' ' * (self.label - cell_len(label) + GAP)}{variant.count:>{self.count}}{' ' * GAP}"
        room, found = self.width - cell_len(start), []
        for parts in variant.texts():
            for line in wrap_parts(parts, room):
                found.append(styled(start, *coloured(line)))
                start = " " * cell_len(start)
        return found


@dataclass(frozen=True)
class _Blocks:
    """The name and count of each variant, and below it what it does: for narrow terminals."""

    width: int

    def heading(self) -> list[Text]:
        """None: the counts say what they are."""
        return []

    def lines(self, variant: VariantProgress) -> list[Text]:
        """A variant that does not train takes one line, if it fits."""
        room = self.width - INDENT
        done, texts = f"{variant.count} done", [] if variant.group == "complete" and not variant.best else variant.texts()
        head = [printable(variant.label), done]
        if not variant.now and cell_len("   ".join([*head, ", ".join(texts[0] if texts else [])])) <= room:
            head, texts = [*head, *([", ".join(texts[0])] if texts else [])], []
        top = "   ".join(head)
        lines = [top] if cell_len(top) <= room else [*wrap_part(head[0], room), f"  {done}"]
        lines += [f"  {line}" for parts in texts for line in wrap_parts(parts, room - 2)]
        return [styled(MARGIN, *coloured(line)) for line in lines]


def coloured(line: str) -> list[str | tuple[str, str]]:
    """The line in pieces, with the styles of states."""
    for word, style in STYLES.items():
        before, found, after = line.partition(f" {word}")
        if found and word.isupper() and before[-1:].isdigit():
            return [before + " ", (word, style), *coloured(after)]
    return [line]
