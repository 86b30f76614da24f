"""How the pages become a site: `make docs` writes it to build/docs. Every page is Markdown that reads well without it too."""

from sbc_sim.commands.shared import own_version

project = "sbc-sim"
copyright = "The sbc-sim maintainers, Apache-2.0"  # Sphinx's own name for it
release = version = own_version()

extensions = ["myst_parser"]
exclude_patterns = ["_static"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 4  # a link to page.md#a-heading is checked too
myst_links_external_new_tab = False
highlight_language = "none"  # most blocks are terminals and SIP
nitpicky = True
suppress_warnings = ["misc.highlighting_failure"]  # "..." in an example of JSON is no mistake

html_theme = "furo"
html_title = "sbc-sim"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
