"""Links from pages to files and folders of the repository -> pages with the text in colour, or with what the folder contains.

Without this, Sphinx makes a link to a file a download, and refuses a link to a folder. Files that are not text stay downloads.
The entries of the Python reference link to the lines that define them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache, partial
from html import escape
from pathlib import Path
from posixpath import normpath
from typing import Any

from docutils import nodes
from pygments.lexers import find_lexer_class_for_filename
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config

SECTION = "source"  # the folder of the pages
LINE = "L"  # line 12 of a file is #L-12 of its page
BEFORE_DOWNLOADS = 400  # Sphinx copies what is linked as a download at priority 500
BEFORE_THEME = 400  # which asks for the navigation at priority 500
HIDDEN = {"__pycache__"}
DOWNLOADED = {".ipynb"}  # text, but not for reading
LANGUAGES = {".sbatch": "bash", ".j2": "jinja", ".cff": "yaml"}  # those that Pygments does not know by their name


def link_sources(app: Sphinx, document: nodes.document) -> None:
    """Replace links to text files and folders by links to their pages."""
    for node in [*document.findall(addnodes.download_reference), *document.findall(addnodes.pending_xref)]:
        if node.get("reftype") != "myst" or node.get("refdomain"):
            continue
        name = normpath(app.env.relfn2path(node["reftarget"].partition("#")[0], node["refdoc"])[0])
        path = app.srcdir / name
        folder = path.is_dir() and "/" in node["reftarget"]  # without a slash it is a heading that is missing
        if name.startswith("..") or not (is_text(path) if isinstance(node, addnodes.download_reference) else folder):
            continue
        linked(app).add(name)
        link = nodes.reference("", "", *node.children, internal=True)
        link["refuri"] = app.builder.get_relative_uri(node["refdoc"], page_of(path, name))
        node.replace_self(link)


def definition(app: Sphinx, module: str, name: str) -> str | None:
    """The link from the page that is read to the lines that define `name` in a module; None for fields and constants."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    found = getattr(found, "fget", None) or getattr(found, "func", found)  # of a property, or a cached one
    try:
        path, (_, line) = Path(inspect.getfile(found)), inspect.getsourcelines(found)
    except TypeError:
        return None
    if not path.is_relative_to(app.srcdir / "harness"):
        return None
    file = path.relative_to(app.srcdir).as_posix()
    linked(app).add(file)
    return f"{app.builder.get_relative_uri(app.env.docname, page_of(path, file))}#{LINE}-{line}"


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Name, content and template of the page of every linked file and folder, and of what is in these folders."""
    left = sorted(linked(app))
    done = set()
    while left:
        name = left.pop()
        if name in done:
            continue
        done.add(name)
        path = app.srcdir / name
        if path.is_dir():
            left += [inner.relative_to(app.srcdir).as_posix() for inner in content(path)]
            body = listing(app, path, name)
        else:
            highlighter = app.builder.highlighter  # type: ignore[attr-defined]
            body = highlighter.highlight_block(path.read_text(), language(path), force=True, lineanchors=LINE)
        page, title = page_of(path, name), escape(name)
        heading = title.replace("/", "/<wbr>")  # where a narrow screen may break it
        context = {"title": title, "body": f"<h1>{heading}</h1>\n{body}", "toc": "", "toctree": partial(navigation, app, page)}
        yield page, context, "page.html"


def keep_navigation(app: Sphinx, page: str, _template: str, context: dict[str, Any], _document: nodes.document | None) -> None:
    """Keep what makes the navigation of the start page."""
    if page == app.config.root_doc:
        app.builder.navigation_of_start = cache(context["toctree"])  # type: ignore[attr-defined]


def navigation(app: Sphinx, page: str, **options: Any) -> str:
    """The navigation of the start page, for another page: Sphinx takes 0.1 s to make one, and there are hundreds of pages."""
    links = app.builder.navigation_of_start(**options)  # type: ignore[attr-defined]
    return re.sub(r'href="(?![a-z]+:|#)', f'href="{"../" * page.count("/")}', links)


def linked(app: Sphinx) -> set[str]:
    """The files and folders that pages link to, relative to the repository; kept with what Sphinx remembers of the pages."""
    if not hasattr(app.env, "linked_sources"):
        app.env.linked_sources = set()  # type: ignore[attr-defined]
    found: set[str] = app.env.linked_sources  # type: ignore[attr-defined]
    return found


def page_of(path: Path, name: str) -> str:
    """The name of a file's or folder's page."""
    return f"{SECTION}/{name}/index" if path.is_dir() else f"{SECTION}/{name}"


def is_text(path: Path) -> bool:
    """Whether a file is to be read on a page."""
    if not path.is_file() or path.suffix in DOWNLOADED:
        return False
    try:
        path.read_text()
    except UnicodeDecodeError:
        return False
    return True


def content(folder: Path) -> list[Path]:
    """The folders and text files in a folder, folders first."""
    inside = [path for path in folder.iterdir() if path.name not in HIDDEN and not path.name.startswith(".")]
    return sorted((path for path in inside if path.is_dir() or is_text(path)), key=lambda path: (path.is_file(), path.name))


def listing(app: Sphinx, folder: Path, name: str) -> str:
    """The table of what is in a folder: names, and of Python modules the first sentence of the docstring."""
    rows = ""
    for path in content(folder):
        target = app.builder.get_relative_uri(page_of(folder, name), page_of(path, f"{name}/{path.name}"))
        label = f"{path.name}/" if path.is_dir() else path.name
        rows += f'<tr><td><p><a href="{target}"><code>{escape(label)}</code></a></p></td><td><p>{purpose(path)}</p></td></tr>\n'
    return f'<div class="table-wrapper docutils container"><table class="docutils">\n<tbody>\n{rows}</tbody>\n</table></div>'


def purpose(path: Path) -> str:
    """What a Python module, or a package, says of itself in its first line, as HTML; empty for other files."""
    module = path / "__init__.py" if path.is_dir() else path
    if module.suffix != ".py" or not module.is_file():
        return ""
    lines = (ast.get_docstring(ast.parse(module.read_text())) or "").splitlines()
    pieces = escape(lines[0] if lines else "").split("`")
    return "".join(f"<code>{piece}</code>" if number % 2 else piece for number, piece in enumerate(pieces))


def language(path: Path) -> str:
    """The name by which Pygments knows a file's language."""
    if path.suffix in LANGUAGES:
        return LANGUAGES[path.suffix]
    lexer = find_lexer_class_for_filename(path.name)
    return lexer.aliases[0] if lexer else "text"


def link_definitions(app: Sphinx, config: Config) -> None:
    """Have the entries of the Python reference link to their definitions."""
    config.linkcode_resolve = lambda _domain, names: definition(app, names["module"], names["fullname"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the pages with Sphinx."""
    app.setup_extension("sphinx.ext.linkcode")
    app.connect("config-inited", link_definitions)
    app.connect("doctree-read", link_sources, priority=BEFORE_DOWNLOADS)
    app.connect("html-page-context", keep_navigation, priority=BEFORE_THEME)
    app.connect("html-collect-pages", pages)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
