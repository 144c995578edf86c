"""One self-contained HTML page of results: sources -> sections -> figures and tables -> templates.

`page.render` is the way in. A kind of section is one module in `sections/` and one row of `page.SECTIONS`. The modules
in `figures/` draw SVG and know nothing of results.
"""
