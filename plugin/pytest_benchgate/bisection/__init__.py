"""`pytest-benchgate bisect`: find the first commit that made a benchmark slower."""
