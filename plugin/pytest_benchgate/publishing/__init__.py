"""Publish the results of a race on GitHub, from a job that holds a token and runs no code of the pull request."""
