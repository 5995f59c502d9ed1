"""A server of a results folder for tests, and raw requests to it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.common import patience
from harness.serving.app import App
from harness.serving.folder import Folder
from harness.serving.reports import Reports
from harness.serving.server import Server


class Clock:
    """A clock that is advanced by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float = 100.0) -> None:
        """Let time pass: more than any interval at which the server looks again."""
        self.now += seconds


@contextmanager
def served(root: Path, clock: Clock | None = None, *, drawing: bool = True) -> Iterator[Server]:
    """A server of the results folder `root` on a free port, in threads; without `drawing` no report is drawn."""
    clocks = {} if clock is None else {"clock": clock}
    folder = Folder(root, **clocks)
    reports = Reports(root, lambda: folder.store, folder.stamps, **clocks)
    if not drawing:
        reports.draw_next = lambda: 60.0  # type: ignore[method-assign]
    with Server(App(folder, reports), "127.0.0.1", 0) as server, reports, patience.waiting_up_to(0.0):
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def get(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case, and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def document(server: Server, path: str) -> Any:
    """The JSON document at a path."""
    status, _, body = get(server, path)
    assert status == 200, body
    return json.loads(body)


def raw(server: Server, request: bytes) -> bytes:
    """All that the server sends after these bytes until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer
