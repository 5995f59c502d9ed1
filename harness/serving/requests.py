"""A request -> the parts of its path, or why it is refused. Pure.

Only pages that this server has sent may read it: a name that an attacker lets point to 127.0.0.1 (DNS rebinding) does not
pass the check of the Host header, and no answer permits other sites to read it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from harness.store.paths import NAME

METHODS = ("GET", "HEAD")
LONGEST_TARGET = 2000  # characters
MOST_PARTS = 5
NAMES = ("localhost", "127.0.0.1", "[::1]")


class Refused(Exception):
    """A request that is not answered: the HTTP status and a text that holds nothing of the request."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


def not_found() -> Refused:
    """There is nothing to show under a path, or it may not be shown: the answer does not tell which."""
    return Refused(404, "there is no such page\n")


def check_method(method: str) -> None:
    """Raises Refused for all but GET and HEAD."""
    if method not in METHODS:
        raise Refused(405, "only GET and HEAD are answered: this server changes nothing\n")


def check_host(hosts: Sequence[str], port: int, bound: str) -> None:
    """`hosts`: all Host headers. Raises Refused unless there is one, which names this machine's loopback address and `port`."""
    own = f"[{bound}]" if ":" in bound else bound
    known = {f"{name}:{port}" for name in (*NAMES, own)} | ({*NAMES, own} if port == 80 else set())
    if len(hosts) != 1 or hosts[0].strip().lower() not in known:
        address = f"http://127.0.0.1:{port}/"
        raise Refused(403, f"the Host header must name this machine: open {address} (through SSH: the same port at both ends)\n")


def path_parts(target: str) -> tuple[str, ...]:
    """The names in a request's path, decoded once, the last one empty for a folder; the query is ignored.

    Each is a name as results folders have them: no slash, backslash, percent sign, control character or leading dot. Raises
    Refused.
    """
    path = target.partition("?")[0]
    if not path.startswith("/") or len(target) > LONGEST_TARGET or path.count("/") > MOST_PARTS:
        raise Refused(400, "the path cannot be read\n")
    *folders, last = path[1:].split("/")
    try:
        parts = [unquote_to_bytes(part).decode() for part in (*folders, last)]
    except UnicodeDecodeError as error:
        raise Refused(400, "the path cannot be read\n") from error
    if not all(NAME.fullmatch(part) for part in (*parts[:-1], *filter(None, parts[-1:]))):
        raise not_found()
    return tuple(parts)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server on `host`, an address or `localhost`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
