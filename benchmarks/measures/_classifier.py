"""A small classifier that judges what a GAN made; trained on real pictures alone."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from paddle_gans.fast_cpu import accelerate


class Classifier(nn.Layer):
    """Convolutions with pooling, 128 features, one logit a class; images [N, C, size, size]."""

    def __init__(self, channels: int, size: int, classes: int, widths=(32, 64)):
        super().__init__()
        layers = []
        for before, after in zip((channels, *widths), widths):
            layers += [nn.Conv2D(before, after, 3, padding=1), nn.BatchNorm2D(after), nn.ReLU()]
            layers += [nn.MaxPool2D(2)]
        self.body = nn.Sequential(*layers)
        self.features = nn.Linear(widths[-1] * (size // 2 ** len(widths)) ** 2, 128)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(128, classes)

    def embed(self, x):
        """Features [N, 128]."""
        return F.relu(self.features(self.body(x).flatten(1)))

    def forward(self, x):
        return self.head(self.dropout(self.embed(x)))


def fit(model, draw, steps: int, batch_size: int = 128, learning_rate: float = 1e-3) -> None:
    """Train on ``draw(rng, batch_size)``, which gives images float32 and labels int64."""
    accelerate(model)
    rate = paddle.optimizer.lr.CosineAnnealingDecay(learning_rate, steps)
    optimizer = paddle.optimizer.Adam(rate, parameters=model.parameters())
    rng = np.random.default_rng(0)
    model.train()
    for _ in range(steps):
        images, labels = draw(rng, batch_size)
        loss = F.cross_entropy(model(paddle.to_tensor(images)), paddle.to_tensor(labels))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        rate.step()
    model.eval()


def judge(model, images: np.ndarray, size: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Class probabilities [N, classes] and features [N, 128] of images float32 in [-1, 1]."""
    probabilities, features = [], []
    with paddle.no_grad():
        for i in range(0, len(images), size):
            embedded = model.embed(paddle.to_tensor(images[i : i + size]))
            features.append(embedded.numpy())
            probabilities.append(F.softmax(model.head(embedded)).numpy())
    return np.concatenate(probabilities), np.concatenate(features)


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Between the Gaussians of two sets of features [N, D]; Heusel et al. 2017, equation 6."""
    a, b = a.astype("float64"), b.astype("float64")
    mean = a.mean(0) - b.mean(0)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # tr sqrt(A B) = tr sqrt(sqrt(A) B sqrt(A)), whose argument is symmetric.
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    return float(mean @ mean + np.trace(cov_a) + np.trace(cov_b) - 2 * cross)
