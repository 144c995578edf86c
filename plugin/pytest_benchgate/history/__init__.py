"""The races of each commit against the one before, chained: curves, steps and drift. See docs/history.md."""
