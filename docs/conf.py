"""Configuration of the documentation: `python -m sphinx -W docs .build/docs`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the modules that tables and diagrams come from
sys.path.append(str(Path(__file__).parents[1]))  # the tables of the tests

import dicomproto

project = "dicomproto"
author = "the dicomproto authors"
release = version = dicomproto.__version__
copyright = "the dicomproto authors, MIT licence"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "directives"]
exclude_patterns = ["_build", "examples", "speed_table.rst"]
html_theme = "alabaster"
html_theme_options = {"description": "DICOM networking as a sans-IO engine", "page_width": "1100px"}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_static_path = ["_static"]
html_css_files = ["tables.css"]

default_role = "code"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
toc_object_entries = False
