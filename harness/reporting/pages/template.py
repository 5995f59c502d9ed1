"""The environment of templates: a name that a template lacks is an error, and its own lines leave no trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def environment(*, html: bool = False, **marks: str) -> jinja2.Environment:
    """Everything that goes into `html` is escaped by its rules; else by whoever hands it in. `marks` are those of jinja2."""
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
