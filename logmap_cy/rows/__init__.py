"""The implementations that have no folder of their own: one source each, and `pool`, `objects` with several."""
