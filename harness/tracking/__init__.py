"""Weights & Biases: a mirror of the runs that training never waits for.

A command that trains starts a mirror process (session.py). It finds runs in training by their leases and reads their files
(mirror.py), sends them with wandb (uploader.py, client.py) in the layout of page.py, and records what has been delivered
(delivery.py). `harness sync` delivers the rest in the same way (deliver.py).

It is a separate process because inside the worker wandb would share the interpreter lock, `init` may take until its timeout,
`finish` may never return, and a hanging thread cannot be killed. Now the cost to a worker is one process start. A killed worker
loses no mirrored data, and all workers of a command share one mirror and one wandb service.
"""
