"""Versions of a program's code: refs of its git repository, each checked out in a folder of its own."""
