"""README.md -> the description of the package on an index, where its relative links and its picture would lead nowhere."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from setuptools import setup

HERE = Path(__file__).parent
PICTURE = re.compile(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n\n?", re.MULTILINE)
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
END = "\nThe files named here are in the source distribution.\n"


def description(readme: str) -> str:
    """`readme` without pictures, with the names of documents instead of links to them."""
    return LINK.sub(_named, PICTURE.sub("", readme)) + END


def _named(link: re.Match[str]) -> str:
    text, target = link.groups()
    return f"`{target}`" if text == PurePosixPath(target).name else f"{text} (`{target}`)"


if __name__ == "__main__":
    setup(long_description=description((HERE / "README.md").read_text("utf-8")), long_description_content_type="text/markdown")
