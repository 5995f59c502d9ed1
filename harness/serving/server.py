"""The HTTP server: checks each request, and sends what the app responds. It listens on this machine's loopback address only."""

from __future__ import annotations

import errno
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from harness.errors import InputError
from harness.serving.app import App, Response
from harness.serving.requests import Refused, check_host, check_method, is_loopback, path_parts

IDLE_S = 30.0  # a connection without a request is closed
LAST_PORT = 65535
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
FAILED = b"this page could not be made; the reason is on the terminal of the server\n"


class Server(ThreadingHTTPServer):
    """Listens on `host`, a loopback address, and `port`; 0: one that is free. Raises InputError if it cannot."""

    daemon_threads = True

    def __init__(self, app: App, host: str, port: int) -> None:
        if not is_loopback(host):
            raise InputError(
                f"--host {host}: only this machine's loopback addresses are served: 127.0.0.1, ::1 or localhost; from another "
                "machine, use SSH: ssh -N -L PORT:127.0.0.1:PORT HOST"
            )
        self.app = app
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            raise InputError(_unusable(host, port, self.address_family, error)) from error

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.server_address[1])

    @property
    def host(self) -> str:
        """The address it listens on, as in a URL."""
        host = str(self.server_address[0])
        return f"[{host}]" if ":" in host else host

    def server_bind(self) -> None:
        """Without asking a name server for the name of this machine, which may take long."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the signature of its base
        """A connection that ended early is not reported: the server did nothing wrong. Others are, without the request."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"harness serve: {error!r}", file=sys.stderr, flush=True)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "harness", ""
    timeout = IDLE_S

    def parse_request(self) -> bool:
        """Also refuses other methods, foreign names of this machine, and bodies; returns whether to go on."""
        if not super().parse_request():
            return False
        try:
            check_method(self.command)
            check_host(self.headers.get_all("Host") or [], self.server.port, self.server.host.strip("[]"))
            if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
                raise Refused(400, "a request must have no body\n")
        except Refused as refused:
            self._refuse(refused)
            return False
        return True

    def do_GET(self) -> None:
        """Send what there is."""
        try:
            response = self.server.app.respond(path_parts(self.path))
        except Refused as refused:
            self._send(Response(refused.status, refused.text.encode()))
        except Exception as error:  # the server must outlive it
            print(f"harness serve: {self.path!r}: {error!r}", file=sys.stderr, flush=True)
            self._send(Response(500, FAILED))
        else:
            self._send(response)

    do_HEAD = do_GET  # noqa: N815 - the name that its base looks for

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Without anything of the request, which the base class would quote."""
        self._refuse(Refused(code, "the request cannot be read\n"))

    def log_message(self, format: str, *args: Any) -> None:
        """No access log."""

    def _refuse(self, refused: Refused) -> None:
        self.close_connection = True
        self._send(Response(refused.status, refused.text.encode()))

    def _send(self, response: Response) -> None:
        known = response.tag and response.tag in (self.headers.get("If-None-Match") or "") if hasattr(self, "headers") else False
        status = 304 if known and response.status == 200 else response.status
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", response.policy)
        if response.tag:
            self.send_header("ETag", response.tag)
        if response.location:
            self.send_header("Location", response.location)
        if status == 405:
            self.send_header("Allow", "GET, HEAD")
        if self.close_connection:
            self.send_header("Connection", "close")
        if status != 304:
            self.send_header("Content-Type", response.type)
            self.send_header("Content-Length", str(len(response.data)))
        self.end_headers()
        if status != 304 and getattr(self, "command", None) != "HEAD":
            self.wfile.write(response.data)


def _unusable(host: str, port: int, family: socket.AddressFamily, error: OSError) -> str:
    """Why the server cannot listen there, and what to do."""
    if error.errno == errno.EADDRINUSE:
        free = next((each for each in range(port + 1, LAST_PORT + 1) if _is_free(host, each, family)), 0)
        return f"--port {port}: another program listens on this port of {host}; use a free one: --port {free}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"--port {port}: this user may not listen on it; use a port from 1024 on"
    return f"--host {host} --port {port}: the server cannot listen there: {error.strerror or error}"


def _is_free(host: str, port: int, family: socket.AddressFamily) -> bool:
    with socket.socket(family) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError:
            return False
        return True
