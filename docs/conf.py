"""README, docs/ and docstrings -> the site in build/docs: `make docs`. A dead link or a name without an entry ends the build.

The source folder is the repository, so that its Markdown pages link to each other as they do on a forge.
"""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "site"))

project = "Ablation harness"
release = version = version_of("ablation-harness")

root_doc = "README"
include_patterns = ["*.md", "docs/**.md", "docs/**.rst"]
exclude_patterns = [".*", "benchmarks", "build", "dist", "examples", "harness", "results", "tests"]  # not searched for pages
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "navigation",
    "source_pages",
    "schema_page",
    "gallery",
    "docstrings",
]

myst_heading_anchors = 4
smartquotes = False  # would make one dash of the two before options

default_role = "py:obj"  # `name` in docstrings
autodoc_default_options = {"members": True, "undoc-members": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name in ("ArrayLike", "Claim", "Floats")}  # long unions
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
maximum_signature_line_length = 90

html_theme = "furo"
pygments_dark_style = "a11y-high-contrast-dark"  # the theme's own underlines names of modules like links
html_title = project
html_static_path = ["site/site.css", "site/site.js"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_copyright = False
html_show_sourcelink = False
