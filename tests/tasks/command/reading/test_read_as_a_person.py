"""10,000 made-up lines of output, each with the number that a person would read in it."""

import math
import random

from harness.tasks.command.measure import Measure
from harness.tasks.command.reading.finder import Finder
from harness.tasks.protocol import TrainingFailed

LABELS = ("loss", "val_loss", "reward", "Acc@1", "eval/accuracy", "val loss", "ppl (val)", "mean_return", "[test] acc", "F1")
SEPARATORS = (" ", ": ", "=", " = ", ":", "  |  ", "\t", " -> ", ":\t")
BEFORE = (
    "",
    "epoch 3/20: ",
    "INFO 2026-01-01 12:30:01,123 ",
    "[12:30] step 100 | ",
    "train_{label}{sep}0.123 ",
    "\x1b[32m",
    "| ",
)
AFTER = ("", ", ", " |", " (best)", " lr 0.1", "; next 7", "\x1b[0m", ".", " - time 3.2s", " ± 0.01", "%", ")", " 12 it/s")
# Renderings that a person cannot read with certainty, or that are not numbers: reading them as another number is the fault.
UNCLEAR = ("{:_.0f}k", "{:.3f}e", "0x{:.0f}f", "{:.1f}/100", "{:.0f}:30", "{:.1f}-2.5", "{:.2f}x10^3", "{:.1f}ms", "{:.1f}M")


def rendered(draw: random.Random) -> tuple[str, float | None]:
    """A number as programs print it, with its value; None: not to be read with certainty."""
    size = draw.choice((1e-4, 1.0, 100.0, 1e4, 1e8))
    value = draw.choice((-1, 1)) * draw.uniform(0.0, size)
    kind = draw.randrange(9)
    if kind == 0:
        text = f"{value:.{draw.randrange(1, 7)}f}"
    elif kind == 1:
        text = f"{value:.{draw.randrange(1, 7)}e}"
    elif kind == 2:
        text = f"{value:.{draw.randrange(1, 5)}g}"
    elif kind == 3:
        text = f"{value:,.{draw.randrange(1, 4)}f}"
        return text, float(text.replace(",", ""))
    elif kind == 4:
        text = f"{round(value):,d}"
        return text, None if text.count(",") == 1 else float(text.replace(",", ""))
    elif kind == 5:
        text = f"{value:.2f}".replace(".", ",")
        return text, None
    elif kind == 6:
        text = draw.choice(("nan", "inf", "-inf", "NaN", "Infinity"))
    elif kind == 7:
        text = draw.choice(UNCLEAR).format(abs(value) + 1)
        return text, None
    else:
        digits = f"{abs(value):.2f}"
        return digits.translate({ord("0") + n: 0x0660 + n for n in range(10)}), None
    return text, float(text)


def test_ten_thousand_lines():
    draw, wrong, read, refused = random.Random(18), [], 0, 0
    for _ in range(10_000):
        label, sep = draw.choice(LABELS), draw.choice(SEPARATORS)
        text, value = rendered(draw)
        after = draw.choice(AFTER)
        line = draw.choice(BEFORE).format(label=label, sep=sep) + label + sep + text + after
        try:
            found = Finder("m", Measure(goal="minimize", text=f"{label}{sep}{{value}}")).find(_plain(line))
        except TrainingFailed:
            found, refused = None, refused + 1
            if value is not None and not _twice(line, label, sep):
                wrong.append((line, value, "refused"))
            continue
        got = None if found is None else found.value
        read += got is not None
        same = got == value or (got is not None and value is not None and math.isnan(got) and math.isnan(value))
        if not same:
            wrong.append((line, value, got))
    assert wrong == []
    assert read > 5000
    assert refused > 2000


def _plain(line: str) -> str:
    from harness.tasks.command.reading.lines import Lines

    return Lines().add(line.encode() + b"\n")[0]


def _twice(line: str, label: str, sep: str) -> bool:
    """Whether the text is in the line twice at the beginning of a word: a person would ask which is meant."""
    return line.count(label + sep) > 1 and not label[0].isalnum()
