"""Runs -> where else they are shown: a mirror in Weights & Biases that training never waits for.

Whoever trains starts a mirror process (session.py), which finds the runs in training by their leases and reads their files
(mirror.py). It delivers them through wandb (uploader.py, client.py), laid out as page.py says, and remembers what arrived
(delivery.py). `harness sync` delivers the rest in the same way (deliver.py).

Why a process of its own: in the worker, wandb would share the interpreter lock, its `init` may take its timeout, and its `finish`
may never return; a thread that hangs cannot be ended. Here the worker's whole cost is one process start, whatever wandb does. A
killed worker takes no mirrored data with it, and many workers share one mirror and one wandb service.
"""
