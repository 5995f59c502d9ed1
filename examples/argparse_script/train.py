"""Trains a small network to classify two interleaved half-moons. An ordinary script that does not know the harness."""

import argparse

import numpy as np


def moons(count: int, noise: float, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points [count, 2] on two half circles, and the label [count] of the circle of each."""
    angle, label = draw.uniform(0, np.pi, count), draw.integers(0, 2, count)
    x = np.where(label == 0, np.cos(angle), 1 - np.cos(angle))
    y = np.where(label == 0, np.sin(angle), 0.5 - np.sin(angle))
    return np.stack([x, y], axis=1) + draw.normal(0, noise, (count, 2)), label


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--momentum", type=float, default=0.0)
    args = parser.parse_args()

    data = np.random.default_rng(12345)  # the same data for every seed
    train_x, train_y = moons(512, 0.2, data)
    test_x, test_y = moons(2048, 0.2, data)

    draw = np.random.default_rng(args.seed)
    weights = [draw.normal(0, 1, (2, args.hidden)), np.zeros(args.hidden), draw.normal(0, 0.3, args.hidden), np.zeros(1)]
    speeds = [np.zeros_like(each) for each in weights]

    def forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        hidden = np.tanh(x @ weights[0] + weights[1])
        return hidden, 1 / (1 + np.exp(-(hidden @ weights[2] + weights[3])))

    for epoch in range(1, args.epochs + 1):
        order = draw.permutation(len(train_x))
        for batch in np.split(order, len(order) // 32):
            x, y = train_x[batch], train_y[batch]
            hidden, p = forward(x)
            error = (p - y) / len(batch)
            back = np.outer(error, weights[2]) * (1 - hidden**2)
            gradients = [x.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(keepdims=True)]
            for weight, speed, gradient in zip(weights, speeds, gradients, strict=True):
                speed[:] = args.momentum * speed - args.lr * gradient
                weight[:] = weight + speed
        p = np.clip(forward(test_x)[1], 1e-7, 1 - 1e-7)
        loss = -np.mean(np.where(test_y == 1, np.log(p), np.log(1 - p)))
        print(f"epoch {epoch}/{args.epochs}: test loss {loss:.5f}, accuracy {100 * np.mean((p > 0.5) == test_y):.2f}%")


if __name__ == "__main__":
    main()
