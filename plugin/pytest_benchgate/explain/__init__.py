"""Why a benchmark became slower: the instructions of one call on each side, counted by valgrind's callgrind."""
