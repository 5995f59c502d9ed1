"""Searches: how trials are given out and trained, and the plans that confirm the winner."""
