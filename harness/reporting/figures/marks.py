"""The tooltip of each mark of a figure: kept with its artist, and written into the SVG as its title."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

ATTRIBUTE = "tooltips"  # of an artist: a text for each of its marks
GROUP = r"^( *)<g id=\"{}\">\n.*?^\1</g>$"
MARKER, LINE = re.compile(r"<use [^>]*/>"), re.compile(r"<path [^>]*/>")
DEFINITIONS = re.compile(r"<defs>.*?</defs>", re.DOTALL)


def set_tooltips(artists: Iterable[Artist], texts: Sequence[str]) -> None:
    """Give each mark of `artists` its tooltip, lines separated by line breaks; an artist without markers is one mark."""
    for artist in artists:
        setattr(artist, ATTRIBUTE, tuple(texts))


def named(figure: Figure) -> dict[str, Sequence[str]]:
    """Name in the SVG -> texts of the marks of an artist, which gets this name."""
    labelled = [artist for artist in figure.findobj() if getattr(artist, ATTRIBUTE, ())]
    for place, artist in enumerate(labelled, 1):
        artist.set_gid(f"marks_{place}")
    return {str(artist.get_gid()): getattr(artist, ATTRIBUTE) for artist in labelled}


def titled(svg: str, texts: Mapping[str, Sequence[str]]) -> str:
    """The SVG with a title for each mark. Where not every mark has been drawn, none of its artist gets a title."""
    for name, own in texts.items():
        group = re.search(GROUP.format(name), svg, re.MULTILINE | re.DOTALL)
        if group is not None:
            svg = svg[: group.start()] + _group(group[0], own) + svg[group.end() :]
    return svg


def _group(group: str, texts: Sequence[str]) -> str:
    defined = DEFINITIONS.search(group)
    start = defined.end() if defined else 0
    head, drawn = group[:start], group[start:]
    shape = MARKER if MARKER.search(drawn) else LINE
    if len(shape.findall(drawn)) != len(texts):
        return group
    left = iter(texts)

    def with_title(found: re.Match[str]) -> str:
        tag = "use" if shape is MARKER else "path"
        return f"{found[0][:-2]}><title>{escape(next(left))}</title></{tag}>"

    return head + shape.sub(with_title, drawn)


def signed_figure(value: float) -> str:
    """Up to ten significant figures with a sign: +0.29."""
    return f"{value:+,.10g}"
