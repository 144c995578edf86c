"""Drawings as inline SVG: pure functions of numbers and words.

Coordinates across are 0 to 1000 and stretched to the width of the page; those down are pixels. Strokes and text keep
their size. Colours are classes of templates/style.css, as the page's policy forbids styles in elements.
"""
