"""One module for each format: results in, text out. Whatever comes from outside is made harmless in each."""
