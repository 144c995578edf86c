"""The kinds of sections, one module each: `build` returns the sections that the sources give rise to."""
