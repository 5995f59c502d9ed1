"""The ledger: numbered entries, each with the digest of the one before, about what was registered, judged and set aside.

Start with `chain.Ledger` (reads and appends) and `history` (what it tells about a plan).
"""
