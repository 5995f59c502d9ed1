"""Seed, learning rate and momentum -> losses after each epoch: what the pages in docs/coming-from train."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def points(count: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points [count, 2] on two interleaved half circles, with noise, and the label [count] of the circle of each."""
    angle, label = draw.uniform(0, np.pi, count), draw.integers(0, 2, count)
    x = np.where(label == 0, np.cos(angle), 1 - np.cos(angle))
    y = np.where(label == 0, np.sin(angle), 0.5 - np.sin(angle))
    return np.stack([x, y], axis=1) + draw.normal(0, 0.2, (count, 2)), label


def train(seed: int, lr: float, momentum: float, epochs: int = 20) -> Iterator[tuple[int, float, float]]:
    """Epoch, validation loss and test loss in nats after each epoch of a network with one hidden layer."""
    data = np.random.default_rng(12345)  # the same data for every seed
    (train_x, train_y), validation, test = (points(count, data) for count in (512, 1024, 2048))
    draw = np.random.default_rng(seed)
    weights = [draw.normal(0, 1, (2, 16)), np.zeros(16), draw.normal(0, 0.3, 16), np.zeros(1)]
    speeds = [np.zeros_like(each) for each in weights]

    def forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hidden = np.tanh(x @ weights[0] + weights[1])
        return hidden, 1 / (1 + np.exp(-(hidden @ weights[2] + weights[3])))

    def loss(x: np.ndarray, y: np.ndarray) -> float:
        p = np.clip(forward(x)[1], 1e-7, 1 - 1e-7)
        return float(-np.mean(np.where(y == 1, np.log(p), np.log(1 - p))))

    for epoch in range(1, epochs + 1):
        for batch in np.split(draw.permutation(len(train_x)), 16):
            hidden, p = forward(train_x[batch])
            error = (p - train_y[batch]) / len(batch)
            back = np.outer(error, weights[2]) * (1 - hidden**2)
            gradients = [train_x[batch].T @ back, back.sum(axis=0), hidden.T @ error, error.sum(keepdims=True)]
            for weight, speed, gradient in zip(weights, speeds, gradients, strict=True):
                speed[:] = momentum * speed - lr * gradient
                weight[:] = weight + speed
        yield epoch, loss(*validation), loss(*test)
