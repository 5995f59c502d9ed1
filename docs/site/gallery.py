"""Reports in results/published/ -> the cards of the gallery, and copies of the reports with the files that they link to.

Each folder in results/published/ is a results folder. Copies keep their paths, so that pages can link to them there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from posixpath import normpath, relpath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from docutils import nodes
from pydantic import TypeAdapter
from sphinx import addnodes
from sphinx.application import Sphinx

from harness.experiment.claims import Claim
from harness.reporting import phrases

PAGE = "docs/site/gallery"
PUBLISHED = "results/published"
NONE_YET = "No report is published here yet. `harness demo` writes a first one on your machine.\n"
BEFORE_SOURCES = 300  # `source_pages` would show the files as text


class Links(HTMLParser):
    """The targets of the links and pictures of a page, and its first heading."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.heading = ""
        self._in_heading = False
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self._in_heading |= tag == "h1" and not self.heading
        self.targets += [value for name, value in attrs if name in ("href", "src") and value]

    def handle_endtag(self, tag: str) -> None:
        self._in_heading &= tag != "h1"

    def handle_data(self, data: str) -> None:
        self.heading += data if self._in_heading else ""


def reports(root: Path) -> list[Path]:
    """The page of each published report."""
    return sorted((root / PUBLISHED).glob("*/reports/*/index.html"))


def card(page: Path, root: Path) -> str:
    """The question, the figure and the verdicts of a report, with a link to it, as HTML."""
    place = quote(relpath(page.relative_to(root).as_posix(), Path(PAGE).parent.as_posix()))
    report = page.parent
    facts = json.loads((report / "verdicts.json").read_text()) if (report / "verdicts.json").is_file() else {}
    question = facts.get("question") or Links(page).heading
    rows = "".join(verdict(each) for each in facts.get("verdicts", ()))
    rehearsal = " · rehearsal, not evidence" if facts.get("rehearsal") else ""
    figure = report / "figures" / "main.svg"
    picture = f'<img src="{place.removesuffix("index.html")}figures/main.svg" alt="" loading="lazy">' if figure.is_file() else ""
    return (
        f'<a class="report" href="{place}">{picture}<strong>{escape(question)}</strong>{rows}'
        f"<small>{escape(report.name)}{rehearsal}</small></a>\n"
    )


def verdict(found: Mapping[str, Any]) -> str:
    """A verdict's word and its claim, as HTML."""
    claim: Claim = TypeAdapter(Claim).validate_python(found["claim"])
    word = found["verdict"]
    return f'<span><b class="{word}">{word}</b> {escape(phrases.short_claim(claim, named=True))}</span>'


def add_cards(app: Sphinx, page: str, text: list[str]) -> None:
    """Append the reports to the gallery's page."""
    if page == PAGE:
        root = Path(app.srcdir)
        text[0] += sections(root) or f"\n{NONE_YET}"


def sections(root: Path) -> str:
    """A section for each results folder that has reports, as Markdown: its scoreboard, and a card for each report."""
    text = ""
    for folder in sorted((root / PUBLISHED).glob("*/")):
        cards = "".join(card(each, root) for each in reports(root) if each.is_relative_to(folder))
        board = folder / "reports" / "index.html"
        if cards:
            text += f"\n## {folder.name}\n"
            if board.is_file():
                place = quote(relpath(board.relative_to(root).as_posix(), Path(PAGE).parent.as_posix()))
                text += f"\n[The scoreboard: every claim with its verdict]({place})\n"
            text += f'\n<div class="gallery">\n{cards}</div>\n'
    return text


def link_reports(app: Sphinx, document: nodes.document) -> None:
    """Links from pages to published files lead to the copies, those to folders to the gallery."""
    for node in [*document.findall(addnodes.download_reference), *document.findall(addnodes.pending_xref)]:
        if node.get("reftype") != "myst" or node.get("refdomain") not in (None, "", "doc"):
            continue
        page, target = node["refdoc"], node["reftarget"].partition("#")[0]
        # To MyST every .md file is a page, which it names from the root and without an extension.
        name = f"{target}.md" if node.get("refdomain") == "doc" else normpath(app.env.relfn2path(target, page)[0])
        if not f"{name}/".startswith(f"{PUBLISHED}/") or not (app.srcdir / name).exists():
            continue
        if (app.srcdir / name).is_file():
            linked(app).add(name)
            target = quote(relpath(name, Path(page).parent))
        else:
            target = app.builder.get_relative_uri(page, PAGE)
        node.replace_self(nodes.reference("", "", *node.children, internal=True, refuri=target))


def linked(app: Sphinx) -> set[str]:
    """The published files that pages link to; kept with what Sphinx remembers of the pages."""
    if not hasattr(app.env, "linked_reports"):
        app.env.linked_reports = set()  # type: ignore[attr-defined]
    found: set[str] = app.env.linked_reports  # type: ignore[attr-defined]
    return found


def copy_reports(app: Sphinx, error: Exception | None) -> None:
    """Copy the reports and what else pages link to."""
    if error is None:
        root = Path(app.srcdir).resolve()
        copy([*reports(root), *(root / name for name in linked(app))], root, Path(app.outdir))


def copy(files: Sequence[Path], root: Path, out: Path) -> None:
    """Copy published files to the same paths below `out`; of pages also the files in their results folder that they link to."""
    left = [*files]
    done: set[Path] = set()
    folders: set[Path] = set()
    while left:
        source = left.pop()
        target = out / source.relative_to(root)
        if source.is_dir():
            folders.add(target)
        if source in done or not source.is_file():
            continue
        done.add(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        if source.suffix == ".html":
            results = root / PUBLISHED / source.relative_to(root / PUBLISHED).parts[0]
            parts = [urlsplit(each) for each in Links(source).targets]
            paths = [(source.parent / unquote(part.path)).resolve() for part in parts if part.path and not part.scheme]
            left += [path for path in paths if path.is_relative_to(results.resolve())]
    for folder in folders:
        list_folder(folder)


def list_folder(folder: Path) -> None:
    """Write the page that a link to a copied folder leads to: a list of its files, which a server would not show."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    items = "".join(f'<li><a href="{quote(name)}">{escape(name)}</a></li>' for name in names)
    head = f'<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{folder.name}</title>'
    (folder / "index.html").write_text(f"{head}<ul>{items}</ul>\n")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the gallery with Sphinx."""
    app.connect("source-read", add_cards)
    app.connect("doctree-read", link_reports, priority=BEFORE_SOURCES)
    app.connect("build-finished", copy_reports)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
