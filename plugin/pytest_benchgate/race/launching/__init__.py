"""Launches: both workers started, pairs of blocks timed in random order, until every race is decided."""
