"""The jinja2 environment: undefined names are errors, block lines leave no blank lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def environment(*, html: bool = False, **marks: str) -> jinja2.Environment:
    """`html` turns on autoescaping; other formats escape values themselves. `marks`: jinja2's delimiters."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("harness.reporting.pages"),
        undefined=jinja2.StrictUndefined,
        autoescape=html,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **marks,  # type: ignore[arg-type]  # strings, all of them
    )
