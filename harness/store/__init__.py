"""The results folder: plain files that survive; `records.Store` is the way in."""
