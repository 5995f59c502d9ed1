"""The site of the documentation: strictly built, every link resolves, nothing comes from a network, phones, search from disk."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from os.path import normpath
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from devtools import NAMES, Browser
from reported import planned
from simulated import ACTIVATIONS, comparison

from harness import write_report
from harness.store.records import Store

pytestmark = [pytest.mark.needs(*NAMES), pytest.mark.slow]

ROOT = Path(__file__).parents[2]
PHONE = (390, 844)
CODE = re.compile(r"<pre>.*?</pre>", re.DOTALL)
LINE = re.compile(r'<a id="(L-\d+)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("docs")
    options = ["--quiet", "--fail-on-warning", "--nitpicky", "-c", str(ROOT / "docs"), "-d", str(folder / "doctrees")]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(ROOT), str(folder / "site")], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    assert built.stderr == ""
    return folder / "site"


class Parts(HTMLParser):
    """The links of a page, what it loads, and the places that links can lead to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        text = page.read_text()
        self.places = {"", "top", *LINE.findall(text)}
        self.feed(CODE.sub("", text))  # has no links, and is most of the text

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.places |= {found[name] for name in ("id", "name") if name in found}
        self.loaded |= {found[name] for name in ("src", "srcset", "poster", "data") if name in found}
        if "href" in found:
            (self.links if tag == "a" else self.loaded).add(found["href"])


parts = cache(Parts)


def dead_links(pages: list[Path]) -> list[str]:
    """Links to files that are missing, or to places that a page does not have; the places in a report may be states of its script."""
    dead = []
    for page in pages:
        for link in parts(page).links | parts(page).loaded:
            address = urlsplit(link)
            if address.scheme or address.netloc:
                continue
            target = Path(normpath(page.parent / unquote(address.path))) if address.path else page
            target = target / "index.html" if target.is_dir() else target
            known = target.is_file() and (target.suffix != ".html" or unquote(address.fragment) in parts(target).places)
            if not known:
                dead.append(f"{page}: {link}")
    return dead


def pages_of(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_link_of_every_page_leads_to_a_file_and_a_place_in_it(site: Path) -> None:
    pages = pages_of(site)
    assert len(pages) > 100
    assert dead_links(pages) == []


def test_every_page_of_the_documentation_is_in_the_site_and_its_navigation(site: Path) -> None:
    navigation = parts(site / "index.html").links
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        name = page.relative_to(ROOT).with_suffix(".html").as_posix()
        assert (site / name).is_file()
        assert name == "README.html" or name in navigation
    assert "source/harness/errors.py.html" not in navigation
    assert "The exceptions, and the exit codes" in (site / "source/harness/errors.py.html").read_text()


def test_the_site_loads_nothing_from_a_network(site: Path) -> None:
    for page in pages_of(site):
        assert not [target for target in parts(page).loaded if urlsplit(target).netloc], page
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", style.read_text()), style


def test_no_page_complains_or_is_wider_than_a_phone(browser: Browser, site: Path) -> None:
    shown = [page for page in pages_of(site) if page.relative_to(site).parts[0] != "source"]
    shown += [site / "source/harness/errors.py.html", site / "source/harness/store/check/index.html"]
    assert len(shown) > 25
    for page in shown:
        browser.open(page, PHONE)
        assert browser.complaints == [], page
        assert browser.value("document.documentElement.scrollWidth") == PHONE[0], page
        assert not [address for address in browser.requested if not address.startswith(("file:", "data:"))], page


def test_a_dark_screen_gets_dark_pages(browser: Browser, site: Path) -> None:
    colours = []
    for dark in (False, True):
        browser.open(site / "docs" / "verdicts.html", dark=dark)
        colours.append(browser.value("getComputedStyle(document.body).backgroundColor"))
        module = browser.value("getComputedStyle(document.querySelector('.highlight .nn')).textDecorationLine")
        assert module == "none", "looks like a link"
    assert colours == ["rgb(255, 255, 255)", "rgb(19, 20, 22)"]


def test_search_works_from_disk(browser: Browser, site: Path) -> None:
    browser.open(site / "search.html", anchor="?q=lease")
    found = """new Promise((done) => {
      const look = () => {
        const finished = document.querySelector("#search-results .search-summary")?.textContent.startsWith("Search finished");
        const links = document.querySelectorAll("#search-results ul.search a");
        finished ? done([...links].map((link) => link.href)) : setTimeout(look, 10);
      };
      look();
    })"""
    targets = {Path(unquote(urlsplit(link).path)) for link in browser.value(found)}
    assert site / "docs" / "slurm.html" in targets
    assert all(target.is_file() for target in targets)
    assert browser.complaints == []


def test_the_gallery_copies_reports_with_the_files_they_link_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "site")
    import gallery

    results = tmp_path / "results" / "published" / "demo"
    planned(Store.open(results), ACTIVATIONS, [comparison("improves", "leaky_relu"), comparison("improves", "gelu")])
    write_report("activations", results)
    (page,) = gallery.reports(tmp_path)
    gallery.copy([page], tmp_path, site := tmp_path / "site")
    copied = site / page.relative_to(tmp_path)
    assert copied.read_bytes() == page.read_bytes()
    assert dead_links(pages_of(site)) == []
    assert not list(site.rglob("lease*"))

    card = gallery.card(page, tmp_path)
    assert "leaky_relu improves on base" in card
    assert '<b class="supported">supported</b>' in card
    for target in re.findall(r'(?:href|src)="([^"]+)"', card):
        assert (site / "docs" / "site" / unquote(target)).resolve().is_file()
