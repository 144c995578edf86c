"""The second gate: a paired comparison of two builds."""
