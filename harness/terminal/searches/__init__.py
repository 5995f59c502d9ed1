"""What a terminal shows of a search: before it starts, while it runs, at its end, and where it stands."""
