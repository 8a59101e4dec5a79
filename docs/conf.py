"""Sphinx settings of the book; tools/book.py lays out the sources and calls Sphinx with them."""

import re
from importlib import metadata
from pathlib import Path

from docutils import nodes

from tools.project import repository

project = "Super-resolution, and how far to trust it"
author = "the course's contributors"
release = metadata.version("srutils")
language = "en"
exclude_patterns = ["README.md"]  # the pages include parts of it

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
nb_execution_mode = "off"  # the outputs are those stored in the notebooks
nb_code_prompt_show = "Show this cell: set-up or checks"  # the only cells that are folded
nb_code_prompt_hide = "Fold this cell"
nb_render_markdown_format = "myst"  # tables and math in outputs too
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings give types and shapes
napoleon_use_ivar = True  # an attribute is described once, though a data class has it as a member
napoleon_use_param = napoleon_use_rtype = False  # else every word of "dict of name to array" becomes a link
templates_path = [str(Path(__file__).parent / "_templates")]  # autosummary looks beside the sources

html_theme = "sphinx_book_theme"
html_title = project
html_use_index = html_domain_indices = False
html_show_copyright = False
html_show_sphinx = False
html_context = {"default_mode": "auto"}  # light or dark as the reader's system is
html_theme_options = {
    "repository_url": f"https://github.com/{repository()}",
    "use_repository_button": True,
    "show_toc_level": 2,
    "navbar_persistent": [],  # a second search field, in a bar of its own
}
# One file without fonts or parts to fetch later: math is drawn without a network, and also under file://.
mathjax_path = "tex-svg-full.js"
mathjax = metadata.distribution("sphinx-mathjax-offline").locate_file("sphinx-mathjax-offline/static/mathjax")
html_static_path = ["_static", str(Path(mathjax) / mathjax_path)]
html_css_files = ["book.css"]


def describe_figures(app, doctree):
    """Give every figure the alternative text that srutils.plotting.show stores as its plain text."""
    for bundle in doctree.findall(nodes.container):
        if bundle.get("nb_element") != "mime_bundle":
            continue
        text = [part.astext() for part in bundle if part["mime_type"] == "text/plain"]
        for image in bundle.findall(nodes.image):
            image["alt"] = text[0] if text else ""


def mark_numbers(app, doctree):
    """Mark the cells of tables that hold a number, perhaps with its spread: they stay on one line."""
    for entry in doctree.findall(nodes.entry):
        if re.fullmatch(r"[-+]?\d[\d.,e±+ -]*", entry.astext()):
            entry["classes"].append("number")


def mark_long_lines(app, doctree):
    """Mark printed output whose lines are too long for code: these lines are broken, not scrolled."""
    for block in doctree.findall(nodes.literal_block):
        if "output" in block["classes"] and max(map(len, block.astext().splitlines()), default=0) > 110:
            block["classes"].append("long-lines")


def setup(app):
    app.connect("doctree-read", describe_figures)
    app.connect("doctree-read", mark_numbers)
    app.connect("doctree-read", mark_long_lines)
