"""Generate the picture and the result block of the README from one report, so that they agree.

    make demo && python scripts/make_pictures.py [RESULTS]

Takes the first screen of the demo's report with headless Chromium, writes docs/report_wide.png with what `harness report` prints
as a text chunk of the PNG, and puts the same text into README.md. tests/test_pages.py compares the two.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).parent.parent
PLAN = "leakyrelu_vs_relu@smoke"
CHUNK = "result"  # keyword of the text chunk in the PNG
SIZE = (1280, 800)  # pixels
COLUMNS = 80  # of the terminal that the README shows
RESULT = re.compile(r"(?<=ends with\n\n```text\n).*?(?=```)", re.DOTALL)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", default=ROOT / "results", help="the folder in which the demo ran")
    results = parser.parse_args(argv).results.resolve()
    command = [sys.executable, "-m", "harness.report", PLAN, "--results", str(results)]
    environment = {**os.environ, "COLUMNS": str(COLUMNS)}
    printed = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment).stdout
    text = printed.replace(f"{results}/", "results/").strip("\n") + "\n"
    picture(results / "reports" / PLAN / "index.html", ROOT / "docs" / "report_wide.png", text)
    readme = ROOT / "README.md"
    readme.write_text(RESULT.sub(lambda _: text, readme.read_text()))
    return 0


def picture(page: Path, out: Path, text: str) -> None:
    """The first screen of `page` as a PNG of at most 256 colours, with `text` in it."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        window = f"--window-size={SIZE[0]},{SIZE[1]}"
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", window, f"--screenshot={shot}"]
        subprocess.run(["chromium", *options, page.as_uri()], check=True, capture_output=True)
        information = PngInfo()
        information.add_text(CHUNK, text)
        with Image.open(shot) as image:
            image.convert("P", palette=Image.Palette.ADAPTIVE).save(out, optimize=True, pnginfo=information)


if __name__ == "__main__":
    sys.exit(main())
