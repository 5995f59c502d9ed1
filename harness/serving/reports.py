"""Keeps the reports that somebody looks at current: drawn one at a time, in the background, into a folder of the server's own.

Until a report is drawn, the one is shown that `harness report` or `harness run` has written into the results folder, if there is
one. Reports are reproducible: if that one was current, the same bytes follow. The ledger is not written.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.common import optional_packages
from harness.errors import HarnessError
from harness.experiment.study import Study
from harness.reporting.pages import compare_page, find, gather, gather_search, scoreboard
from harness.reporting.pages.write import write
from harness.serving import files
from harness.serving.files import FileContent
from harness.serving.requests import Refused
from harness.store.atomic import make_folder, write_text
from harness.store.paths import Paths, safe_name
from harness.store.records import Store

LOOKED_AT_S = 60.0  # a page counts as looked at for so long after its last request
EVERY_S = 10.0
SHARE = 20  # at most 1/SHARE of the time is spent on one report
INDEX = "index.html"


@dataclass(frozen=True)
class ServedPaths(Paths):
    """The paths of a results folder, but with a folder of reports of the server's own."""

    served: Path = field(default=Path())

    @property
    def reports(self) -> Path:
        """One folder per report."""
        return self.served / "reports"

    def figures(self, name: str) -> Path:
        """What the server's own figures were drawn from."""
        return self.served / "figures" / f"{safe_name(name)}.json"


@dataclass
class _Page:
    """What is known of one report; "" is the scoreboard."""

    looked_at: float  # monotonic
    drawn_of: str | None = None  # the stamp of what the page shows, if the server has drawn it
    next: float = 0.0  # not drawn again before
    problem: str = ""


class Reports:
    """The reports of the results folder `root`. A context manager: on exit the drawing thread ends and the folder is removed.

    `stamps`: as `Folder.stamps`; `store`: the store as it is now.
    """

    def __init__(
        self,
        root: Path,
        store: Callable[[], Store],
        stamps: Callable[[], Mapping[str, str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._root, self._store, self._stamps, self._clock = root, store, stamps, clock
        self._own = Path()  # made on entry
        self._pages: dict[str, _Page] = {}
        self._rows: dict[str, tuple[str, list[scoreboard.PlanRow | scoreboard.SearchRow]]] = {}  # report -> its stamp and rows
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="reports", daemon=True)

    def __enter__(self) -> Reports:
        self._own = Path(tempfile.mkdtemp(prefix="harness-serve-"))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(timeout=1)  # it may be drawing, and ends with the process
        shutil.rmtree(self._own, ignore_errors=True)

    def look(self, name: str) -> None:
        """Somebody looks at the report of `name`, "" for the scoreboard."""
        stamps = self._stamps()
        with self._changed:
            if name in stamps:
                self._pages.setdefault(name, _Page(self._clock())).looked_at = self._clock()
                self._changed.notify()

    def file(self, parts: tuple[str, ...]) -> FileContent:
        """A file of a report: drawn by the server if it has drawn that report. Raises Refused, StoreError."""
        name = parts[1] if len(parts) > 2 else ""
        with self._changed:
            page = self._pages.get(name)
            own = page is not None and page.drawn_of is not None
        if own:
            try:
                return files.read(self._own, parts)
            except Refused:
                pass
        return files.read(self._root, parts)

    def is_current(self, name: str) -> bool:
        """Whether the server has drawn the report, of the results as they are now."""
        stamp = self._stamps().get(name)
        with self._changed:
            return name in self._pages and self._pages[name].drawn_of == stamp is not None

    def is_known(self, name: str) -> bool:
        """Whether there is a plan or search of this name with a report, or what there is has not been read yet."""
        stamps = self._stamps()
        return not stamps or name in stamps

    def problem(self, name: str) -> str:
        """Why the report could not be drawn; empty: it could, or was not yet."""
        with self._changed:
            return self._pages[name].problem if name in self._pages else ""

    def draw_next(self) -> float | None:
        """Draw a report that is not current, the one looked at last; returns how many seconds to wait if there is none.

        None: one was drawn.
        """
        stamps, now = self._stamps(), self._clock()
        with self._changed:
            watched = {name: page for name, page in self._pages.items() if now - page.looked_at < LOOKED_AT_S and name in stamps}
        stale = {name: page for name, page in watched.items() if page.drawn_of != stamps[name]}
        due = [name for name, page in stale.items() if page.next <= now]
        if not due:
            return min((page.next - now for page in stale.values()), default=LOOKED_AT_S)
        name = max(due, key=lambda one: stale[one].looked_at)
        problem = self._draw(name, stamps)
        page, took = stale[name], self._clock() - now
        with self._changed:
            page.problem = problem
            page.drawn_of = stamps[name] if not problem else page.drawn_of
            page.next = self._clock() + max(EVERY_S, SHARE * took)
        return None

    def _draw(self, name: str, stamps: Mapping[str, str]) -> str:
        """Draw a report; returns why it could not be."""
        store = self._store()
        served = Store(ServedPaths(store.paths.root, self._own))
        try:
            if name:
                self._draw_report(served, name, stamps[name])
            else:
                known = [row for one, (stamp, rows) in self._rows.items() if stamps.get(one) == stamp for row in rows]
                folders = [served.paths.reports, store.paths.reports]
                board, comparison = scoreboard.pages(served, known, lambda shown: frozenset(each.name for each in shown), folders)
                make_folder(served.paths.reports)
                write_text(served.paths.reports / compare_page.NAME, comparison)
                write_text(served.paths.reports / INDEX, board)
        except HarnessError as error:
            return str(error)
        except Exception as error:  # the other pages are still served
            return f"the report could not be drawn: {optional_packages.explained(error) or repr(error)}"
        return ""

    def _draw_report(self, served: Store, name: str, stamp: str) -> None:
        found = find(served, name)
        report = gather_search(served, found) if isinstance(found, Study) else gather(served, found)
        write(report)
        self._rows[name] = (stamp, scoreboard.rows_of(report))

    def _work(self) -> None:
        while True:
            wait_s = self.draw_next()
            with self._changed:
                if self._stopped:
                    return
                if wait_s is not None:
                    self._changed.wait(wait_s)
                if self._stopped:
                    return
