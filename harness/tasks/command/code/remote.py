"""Remote of a repository -> the page of a commit, without credentials."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, urlsplit

from harness.tasks.command.code.git import found

SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^@/:]+):(?!//)(?P<path>[^:]+)")  # git@host:owner/name.git
HOST = re.compile(r"(?=.{4,253}\Z)(?!\d+(?:\.\d+)*\Z)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")  # a name with dots, no address
PATH = re.compile(r"[\w.~+-]+(?:/[\w.~+-]+)+")
FORMS = {"gitlab": "/-/commit/", "bitbucket": "/commits/"}  # in the name of the host -> before the commit


def commit_url(repository: Path, commit: str) -> str | None:
    """The page of a commit that a branch of a remote has; None: no such remote, or none whose pages are known."""
    listing = found(repository, "for-each-ref", "--count=1", "--contains", commit, "--format=%(refname:lstrip=2)", "refs/remotes")
    if not listing:
        return None
    names = (found(repository, "remote") or "").splitlines()
    name = next((name for name in sorted(names, key=len, reverse=True) if listing.startswith(f"{name}/")), None)
    remote = found(repository, "remote", "get-url", name) if name else None
    page = page_of(remote or "")
    return None if page is None else f"{page}{commit}"


def page_of(remote: str) -> str | None:
    """What stands before the commit in the address of its page; None if the remote is not a hosted site."""
    scp = SCP.fullmatch(remote)
    if scp:
        host, path = scp["host"], scp["path"]
    else:
        try:
            parts = urlsplit(remote)
            host, path = parts.hostname or "", parts.path
            if parts.scheme not in ("https", "http", "ssh", "git+ssh", "git") or (parts.scheme.startswith("http") and parts.port):
                return None
        except ValueError:
            return None
    path = path.strip("/").removesuffix(".git")
    if not HOST.fullmatch(host) or not PATH.fullmatch(path) or ".." in path.split("/"):
        return None
    between = next((form for site, form in FORMS.items() if site in host.lower()), "/commit/")
    return f"https://{host.lower()}/{quote(path)}{between}"
