"""How Sphinx builds this site. ``make docs`` calls it; tests/test_docs.py builds it without running notebooks."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import glassgpu

os.environ.setdefault("PLOTLY_RENDERER", "notebook")  # as HTML, which MyST-NB shows
os.environ.setdefault("GLASSGPU_NOTEBOOK_SCALE", "smoke")

HERE = Path(__file__).parent
NOTEBOOKS = HERE.parent / "notebooks"

project = "glassgpu"
author = "the authors of glassgpu"
copyright = "2026, the authors of glassgpu"
version = release = glassgpu.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx_copybutton"]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
suppress_warnings = ["ref.python"]  # a word of a type, such as columns, that several classes also have
nitpicky = True
# There is no inventory of other packages here, and some modules keep a type to themselves.
nitpick_ignore_regex = [(r"py:.*", r"(?!glassgpu\.).*"), (r"py:.*", r"glassgpu\.(\w+\.\w+|launch)\.\w+")]

html_theme = "furo"
html_title = f"glassgpu {release}"
html_static_path = ["static"]
html_css_files = ["wide.css"]
html_copy_source = False

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # `make docs` says force
nb_execution_timeout = 600
nb_execution_raise_on_error = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 110
napoleon_numpy_docstring = False
napoleon_use_param = False  # one line may explain several arguments
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]
copybutton_exclude = ".linenos, .gp, .go"


def notebooks(app) -> None:
    """Sphinx reads below this folder only, so the notebooks of the repository are copied to where it looks."""
    place = HERE / "notebooks"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
        shutil.copy2(notebook, place)


def plain(app, what, name, thing, options, lines: list[str]) -> None:
    """Docstrings are plain words with ``code`` and Google's sections: |x| is an absolute value, * a product, for Sphinx too.

    Examples are code and stay as they are. Names of arguments that share one explanation may take two lines.
    """
    text, example, code = "\n".join(lines).partition("\nExample:")
    text = re.sub(r"(?m)^( {4}(?:\w+, )*\w+),\n {8}((?:\w+, )*\w+:)", r"\1, \2", text)
    words = re.split(r"(``.*?``)", text, flags=re.DOTALL)
    words[::2] = [re.sub(r"[|*]", r"\\\g<0>", w) for w in words[::2]]
    words[2::2] = [re.sub(r"^(?=[\w^])", r"\\ ", w) for w in words[2::2]]  # code ends before what follows without a space
    lines[:] = ("".join(words) + example + code).split("\n")


def inherited(app, what, name, thing, skip: bool, options) -> bool | None:
    """Leave out the methods that scikit-learn gives its estimators for the routing of metadata, and fields of tuples."""
    return True if re.fullmatch(r"set_\w+_request|get_metadata_routing", name) or type(thing).__name__ == "_tuplegetter" else None


def setup(app) -> None:
    app.connect("builder-inited", notebooks)
    app.connect("autodoc-process-docstring", plain, priority=400)  # before Napoleon, which writes asterisks of its own
    app.connect("autodoc-skip-member", inherited)
