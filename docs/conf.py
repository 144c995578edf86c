"""Sphinx's configuration; `tox run -e docs` builds the site, without network and with warnings as errors."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "pytest-benchgate and logmap-cy"
copyright = "2026, the logmap-cy developers"
version = metadata.version("pytest-benchgate")

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
smartquotes = False  # they would make a dash of an option's hyphens
nitpicky = False  # autodoc's annotations name NumPy's types, whose pages would have to be fetched
exclude_patterns = ["_build"]

autodoc_typehints = "none"  # numpydoc's Parameters sections have them
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "pytest-benchgate"
# All pages, in groups, beside each page: the theme would put a few of them above it.
html_sidebars = {"**": ["globaltoc.html"]}
html_theme_options = {
    "navbar_center": [],
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_end": ["theme-switcher"],
    "footer_start": [],
    "footer_end": [],
    "navigation_with_keys": False,
}
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_static_path = ["static"]
html_css_files = ["tables.css"]


def _formula(self: Any, node: nodes.Element) -> None:
    self.body.append(tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    """Render formulas as MathML, which browsers show by themselves; MathJax would come from a server."""
    app.add_html_math_renderer("mathml", (_formula, None), (_formula, None))


html_math_renderer = "mathml"
