"""The two builds: source trees from git, wheels, an environment for each side, and the cache of all that."""
