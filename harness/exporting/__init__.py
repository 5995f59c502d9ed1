"""Runs of a results folder -> files of other tools: TensorBoard, MLflow, pandas (CSV), tables of Weights & Biases."""
