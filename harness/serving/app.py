"""The parts of a path -> the response: pages, files and documents of one results folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from urllib.parse import quote

from harness.errors import HarnessError
from harness.reporting.pages import compare_page
from harness.reporting.pages.page import chart_script, page_style
from harness.serving import files
from harness.serving.files import FileContent, tag_of
from harness.serving.folder import Document, Folder
from harness.serving.live_page import FILE_POLICY, OWN_POLICY, live, still
from harness.serving.reports import INDEX, Reports
from harness.serving.requests import Refused, not_found
from harness.store.paths import RUN_ID

HTML = files.TYPES[".html"]
SCRIPT, STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"


@cache
def _template(name: str) -> bytes:
    return (resources.files("harness.serving") / "templates" / name).read_bytes()


# Asset -> its type, and what makes it.
ASSETS: Mapping[str, tuple[str, Callable[[], str]]] = {
    "now.js": (SCRIPT, lambda: _template("now.js").decode()),
    "served.js": (SCRIPT, lambda: _template("served.js").decode()),
    "served.css": (STYLE, lambda: _template("served.css").decode()),
    "style.css": (STYLE, page_style),
    "chart.js": (SCRIPT, chart_script),
}


@dataclass(frozen=True)
class Response:
    """What is sent. `tag`: changes with the content."""

    status: int
    data: bytes = b""
    type: str = files.TEXT
    policy: str = FILE_POLICY
    tag: str = ""
    location: str = ""


class App:
    """Answers requests about the results folder."""

    def __init__(self, folder: Folder, reports: Reports) -> None:
        self._folder, self._reports = folder, reports

    def respond(self, parts: Sequence[str]) -> Response:
        """The response to GET. Raises Refused."""
        try:
            return self._respond(tuple(parts))
        except HarnessError as error:
            return Response(503, f"{error}\n".encode())

    def _respond(self, parts: tuple[str, ...]) -> Response:
        match parts:
            case ("",) | ("reports",) | ("reports", ""):
                return Response(302, location=f"/reports/{INDEX}")
            case ("now",):
                return _own_page("now.html")
            case ("runs", run_id, "") if RUN_ID.fullmatch(run_id):
                return _own_page("now.html")
            case ("runs", run_id) if RUN_ID.fullmatch(run_id):
                return Response(302, location=f"/runs/{run_id}/")
            case ("reports", name, "") if name:
                return Response(302, location=f"/reports/{quote(name)}/{INDEX}")
            case ("reports", name) if not name.endswith(tuple(files.REPORT_FILES)):
                return Response(302, location=f"/reports/{quote(name)}/{INDEX}")
            case ("reports", last) if last == INDEX:
                return self._report("", parts)
            case ("reports", name, last) if last == INDEX:
                return self._report(name, parts)
            case ("reports", last) if last == compare_page.NAME:
                return self._comparison(parts)
            case ("reports", *_):
                return _file(self._reports.file(parts))
            case ("api", "state"):
                return _document(self._folder.state())
            case ("api", "run", run_id) if RUN_ID.fullmatch(run_id):
                found = self._folder.run(run_id)
                if found is None:
                    raise not_found()
                return _document(found)
            case ("api", "report"):
                return _document(self._version(""))
            case ("api", "report", name):
                return _document(self._version(name))
            case ("assets", name) if name in ASSETS:
                return _asset(name)
        return _file(files.read(self._folder.root, parts))

    def _report(self, name: str, parts: tuple[str, ...]) -> Response:
        """A report, or a page that says that it will come."""
        self._reports.look(name)
        try:
            found = self._reports.file(parts)
        except Refused:
            if not self._reports.is_known(name):
                raise
            found = FileContent(_template("waiting.html"), HTML, "")
        page = live(found.data, name, found.tag)
        return Response(200, page.data, HTML, page.policy, tag_of(page.data))

    def _comparison(self, parts: tuple[str, ...]) -> Response:
        """The page that compares variants of several plans, which is drawn with the scoreboard."""
        self._reports.look("")
        found = self._reports.file(parts)
        page = still(found.data)
        return Response(200, page.data, HTML, page.policy, found.tag)

    def _version(self, name: str) -> Document:
        """What a report's page asks for: its version as it would be sent now."""
        self._reports.look(name)
        try:
            version = self._reports.file(("reports", *filter(None, [name]), INDEX)).tag
        except Refused:
            version = ""
        problem, training = self._folder.health()
        return Document.of(
            {
                "version": version,
                "current": self._reports.is_current(name) and not problem,
                "problem": problem or self._reports.problem(name),
                "training": training,
            }
        )


def _own_page(name: str) -> Response:
    data = _template(name)
    return Response(200, data, HTML, OWN_POLICY, tag_of(data))


def _file(found: FileContent) -> Response:
    return Response(200, found.data, found.type, FILE_POLICY, found.tag)


def _document(found: Document) -> Response:
    return Response(200, found.data, files.TYPES[".json"], FILE_POLICY, found.tag)


@cache
def _asset(name: str) -> Response:
    kind, make = ASSETS[name]
    data = make().encode()
    return Response(200, data, kind, FILE_POLICY, tag_of(data))
