"""The server of a results folder: reports that stay current, and what trains now. It changes no run, plan or ledger."""
