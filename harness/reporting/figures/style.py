"""The style of all figures: colours and lines of variants, embeddable fonts, reproducible files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.reporting.figures import marks
from harness.store.atomic import make_folder, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS_PER_INCH = 150
# Okabe and Ito's colours with enough contrast on white, and darker ones; neighbours also differ in grey. The later twelve are far
# from all before them, also as people see them who confuse red and green; of any two of twenty, dashes or markers differ too.
COLOURS = (
    *("#0173B2", "#DE8F05", "#029E73", "#6A3D9A", "#D55E00", "#56B4E9", "#8C4A1E", "#222222", "#CC79A7", "#882255"),
    *("#C03BC0", "#2038FF", "#8FA8C8", "#E6194B", "#332288", "#A070E8", "#5A6E3A", "#5C4033", "#808080", "#4B5563"),
)
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "<", ">", "p", "d")

STYLE: dict[Any, Any] = {
    "axes.facecolor": "white",
    "figure.facecolor": "white",
    "axes.edgecolor": "#666666",
    "axes.labelcolor": "#222222",
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#E5E5E5",
    "grid.linestyle": "-",
    "grid.linewidth": 0.8,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 10,
    "text.color": "#222222",
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    # Gridlines show where the ticks are.
    "xtick.bottom": False,
    "ytick.left": False,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "white",
    "patch.force_edgecolor": True,
    # TrueType in PDF, text as outlines in SVG: the figure looks the same without the font.
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    # Makes the names of clip paths reproducible.
    "svg.hashsalt": "harness",
    # A dollar sign in a label does not start a formula.
    "text.parse_math": False,
}


@dataclass(frozen=True)
class LineStyle:
    """How a variant is drawn, in every figure of its plan."""

    colour: str
    dashes: Any
    marker: str


def line_styles(variants: Sequence[str]) -> dict[str, LineStyle]:
    """Variant -> line style by position in the plan; where colours repeat, dashes and markers are others."""
    styles = {}
    for place, variant in enumerate(variants):
        shifted = place + place // len(COLOURS)
        styles[variant] = LineStyle(COLOURS[place % len(COLOURS)], DASHES[shifted % len(DASHES)], MARKERS[shifted % len(MARKERS)])
    return styles


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the harness's style inside this block; a notebook's settings stay unchanged."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # a user's matplotlibrc would decide what STYLE does not
        mpl.rcParams.update(STYLE)
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box; the name is in the tables too
        # A panel without any room cannot be drawn: what saves it says so.
        warnings.filterwarnings("error", "constrained_layout not applied")
        yield


@contextmanager
def _laid_out(figure: Figure) -> Iterator[None]:
    """Fixes panels at their positions, rounded to 1e-4.

    The layout solver's order of summation varies from call to call, and SVG clip paths are named by hashes of all digits.
    """
    engine, dpi = figure.get_layout_engine(), figure.dpi
    figure.dpi = PIXELS_PER_INCH  # text is slightly wider on a coarser grid
    figure.draw_without_rendering()
    figure.set_layout_engine(None)  # "none" would be an engine, for which each file is laid out once more
    for axis in figure.axes:
        axis.set_position(tuple(round(float(bound), 4) for bound in axis.get_position().bounds))  # type: ignore[arg-type]
    try:
        yield
    finally:
        figure.set_layout_engine(engine)
        figure.dpi = dpi


def rendered(figure: Figure, name: str) -> dict[str, bytes]:
    """The files `name`.png and `name`.svg: reproducible bit for bit."""
    files = {}
    texts = marks.named(figure)
    with drawing(), _laid_out(figure):
        for suffix in ("png", "svg"):
            buffer = io.BytesIO()
            metadata = {"Date": None, "Creator": None} if suffix == "svg" else {"Software": None}
            figure.savefig(buffer, format=suffix, dpi=PIXELS_PER_INCH, metadata=metadata)
            drawn = buffer.getvalue()
            files[f"{name}.{suffix}"] = marks.titled(drawn.decode(), texts).encode() if suffix == "svg" else drawn
    return files


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write the files of `rendered` into `folder`. Raises StoreError where they cannot be written."""
    files = rendered(figure, name)
    make_folder(folder)
    for file, data in files.items():
        write_bytes(folder / file, data)
    return [folder / file for file in files]
