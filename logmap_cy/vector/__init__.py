"""The vector implementations: one source for each instruction set, and what they need."""
