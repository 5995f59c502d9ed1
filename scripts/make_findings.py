#!/usr/bin/env python3
"""Write the page of findings, its figures, and the block of the README: python scripts/make_findings.py [RESULTS].

RESULTS is a results folder with the experiments of the source's lessons, large or small, in any state; it is only read. Every
number on the page comes from it; `scripts/findings/lessons.py` says which experiment tests which lesson.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "scripts" / "findings")]

import found_claims  # noqa: E402
import found_results  # noqa: E402
import page  # noqa: E402
import source_figures  # noqa: E402
import verdict_figure  # noqa: E402
from lessons import FURTHER, LESSONS, Lesson  # noqa: E402
from trained_size import scale  # noqa: E402

from harness.errors import HarnessError  # noqa: E402
from harness.reporting import figures, phrases  # noqa: E402

RESULTS = ROOT / "results" / "published" / "small"
PAGE = ROOT / "docs" / "findings.md"
README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=<!-- findings -->\n).*?(?=<!-- end of findings -->)", re.DOTALL)
COLOURS = 64  # of a PNG
WIDTH = 130  # of the lines in the README
NAMES = ("findings_verdicts.png", *(f"findings_{name}.svg" for name in source_figures.NAMES))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS, help="default: results/published/small")
    parser.add_argument(
        "--page", type=Path, default=PAGE, help="default: docs/findings.md; its pictures are beside it, in pictures/"
    )
    arguments = parser.parse_args(argv)
    target = arguments.page.resolve()
    try:
        found = found_results.load(arguments.results.resolve())
        target.write_text(text(found, target))
        for name, drawn in pictures(found, target).items():
            (target.parent / "pictures").mkdir(exist_ok=True)
            (target.parent / "pictures" / name).write_bytes(drawn)
    except HarnessError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_code
    if target == PAGE:
        README.write_text(with_block(README.read_text(), found))
    return 0


def text(found: found_results.Evidence, target: Path = PAGE) -> str:
    """The page."""
    return page.page(found, target.parent, f"pictures/{target.stem}_")


def with_block(readme: str, found: found_results.Evidence) -> str:
    """The README with what was found between its markers; unchanged without them."""
    claims = [[each for _, each in _claims(found, lessons)] for lessons in (LESSONS, FURTHER)]
    said = f"The lessons of a report on CIFAR-10 were tested {scale(found)}. {found_claims.sentences(*claims)}"
    return BLOCK.sub(lambda _: "\n".join(wrap(said, WIDTH, break_long_words=False, break_on_hyphens=False)) + "\n", readme)


def pictures(found: found_results.Evidence, target: Path = PAGE) -> dict[str, bytes]:
    """Name -> content of each picture of the page; the same results give the same bytes."""
    overview = verdict_figure.verdict_figure(_claims(found, (*LESSONS, *FURTHER)), phrases.rehearsal(found.plan))
    drawn = {f"{target.stem}_verdicts.png": _small(figures.rendered(overview, "figure")["figure.png"])}
    if (paper := found.paper()) is not None:
        for name, figure in source_figures.figures_of(paper).items():
            drawn[f"{target.stem}_{name}.svg"] = figures.rendered(figure, "figure")["figure.svg"]
    return drawn


def _small(png: bytes) -> bytes:
    """The picture with a palette: as SVG, its many texts would be three times as large."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    return out.getvalue()


def _claims(found: found_results.Evidence, lessons: Sequence[Lesson]) -> list[tuple[str, found_claims.FoundClaim]]:
    return [(lesson.letter, each) for lesson in lessons for each in found_claims.of_lesson(found, lesson)]


if __name__ == "__main__":
    sys.exit(main())
