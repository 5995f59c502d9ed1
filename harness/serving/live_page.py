"""A page of a report, as it is on disk -> the same page as the server sends it, which asks for changes. Pure.

The policy that the page carries in a tag becomes a header, from which only digests of its own style and script are taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

POLICY_TAG = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">\n?')
REFRESH_TAG = re.compile(r'<noscript><meta http-equiv="refresh" content="\d+"></noscript>\n?')
REFRESH = re.compile(r' data-refresh="[^"]*"')
BODY = re.compile(r"<body[^>]*>")
DIGEST = re.compile(r"(style|script)-src ([^;]*)")
HASH = re.compile(r"'sha256-[A-Za-z0-9+/=]{44}'")
BASE = "default-src 'none'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
OWN_POLICY = f"{BASE}; style-src 'self'; script-src 'self'"  # of pages of the server
FILE_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"  # of all other files
)


@dataclass(frozen=True)
class ServedPage:
    """A page, and the policy under which it is shown."""

    data: bytes
    policy: str


def still(data: bytes) -> ServedPage:
    """A page that asks for no changes."""
    text = data.decode(errors="replace")
    tag = POLICY_TAG.search(text)
    own = {kind: " ".join(HASH.findall(sources)) for kind, sources in DIGEST.findall(tag[1].replace("&#39;", "'"))} if tag else {}
    policy = f"{BASE}; style-src 'self' {own.get('style', '')}; script-src 'self' {own.get('script', '')}"
    return ServedPage(POLICY_TAG.sub("", text, count=1).encode(), policy)


def live(data: bytes, name: str, version: str) -> ServedPage:
    """`name`: of the plan or search, empty for the scoreboard; `version`: changes with the page."""
    page = still(data)
    text = page.data.decode()
    text = REFRESH_TAG.sub("", text)
    marks = f'data-report="{escape(name)}" data-version="{escape(version)}"'
    bar = f'\n<p class="served" {marks}><a href="/now">training now</a> <span role="status"></span></p>'
    text = BODY.sub(lambda body: REFRESH.sub("", body[0]) + bar, text, count=1)
    links = '<link rel="icon" href="data:,">\n<link rel="stylesheet" href="/assets/served.css">\n</head>'
    text = text.replace("</head>", links, 1)
    head, end, rest = text.rpartition("</body>")
    text = f'{head}<script src="/assets/served.js"></script>\n{end}{rest}' if end else text
    return ServedPage(text.encode(), page.policy)
