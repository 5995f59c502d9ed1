"""Metrics that a program writes to files of its run: tables, JSON, TensorBoard, W&B."""
