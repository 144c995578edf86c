"""Calls in chunks that keep a time budget."""
