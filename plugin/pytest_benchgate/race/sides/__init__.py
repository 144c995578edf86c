"""The two sides, base and head: where they come from, and what base's own tree says."""
