"""Make the pictures of docs/pictures and the result block of the README, so that they agree.

    make demo && python scripts/make_pictures.py [RESULTS]

Needs Chromium and pdflatex. Reports, the table and the end of a run are those of the demo; live screens, the server's page and
the comparison show made-up results, and say so. docs/pictures/report.png holds what `harness report` prints as a text chunk,
the README the same text: tests/test_pages.py compares the two.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / folder) for folder in ("scripts/pictures", "tests/support", "tests/browser")]

import compare_page  # noqa: E402
import demo_report  # noqa: E402
import served_page  # noqa: E402
import terminals  # noqa: E402
from devtools import Browser, found  # noqa: E402

FOLDER = ROOT / "docs" / "pictures"
NAMES = (*terminals.NAMES, *demo_report.NAMES, *served_page.NAMES, *compare_page.NAMES)
BLOCK = re.compile(r"(?<=Its result:\n\n```text\n).*?(?=```)", re.DOTALL)  # of the README


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", default=ROOT / "results", help="the folder in which the demo ran")
    results = parser.parse_args(argv).results.resolve()
    executable = found()
    if executable is None:
        parser.error("Chromium is not installed")
    FOLDER.mkdir(exist_ok=True)
    terminals.write(FOLDER)
    with Browser(executable) as browser:
        served_page.write(FOLDER, browser)
        compare_page.write(FOLDER, browser)
        shown = demo_report.write(FOLDER, results, browser)
    readme = ROOT / "README.md"
    readme.write_text(BLOCK.sub(lambda _: shown, readme.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
