"""Small files of pictures: PNG with a palette, and SVG of a terminal."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

from devtools import Browser
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from rich.console import Console

COLOURS = 256  # of a PNG
RESULT = "result"  # keyword of the text chunk


def screenshot(browser: Browser, out: Path, text: str | None = None, whole: bool = False) -> None:
    """The window, or the `whole` page, as a PNG of at most COLOURS colours, with `text` in it."""
    information = PngInfo()
    if text is not None:
        information.add_text(RESULT, text)
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        browser.screenshot(shot, whole)
        with Image.open(shot) as image:
            small = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            small.save(out, optimize=True, pnginfo=information)


def terminal(width: int, height: int = 24) -> Console:
    """A terminal whose contents can be exported."""
    options = {"highlight": False, "markup": False, "emoji": False, "force_terminal": True}
    return Console(file=io.StringIO(), record=True, width=width, height=height, **options)


def svg(shown: Console, title: str) -> str:
    """The contents of a terminal as SVG in the viewer's own font: rich's would be fetched from elsewhere."""
    return re.sub(r"\s*@font-face \{.*?\}", "", shown.export_svg(title=title), flags=re.DOTALL)
