"""python benchmarks/features.py --data mnist --to features/digits: a feature network for digits.

Trains the classifier of benchmarks/learn.py on the real training digits alone, says how many of
the test digits it takes for what they are, and writes its 128 features as a program that
`python -m paddle_gans.evaluate --features features/digits` takes. `--data demo` takes the embedded
digits. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from data_reader import framework  # noqa: E402

os.environ.setdefault("GLOG_minloglevel", "1")  # a program that runs says that it does
framework.prepare()

import numpy as np  # noqa: E402
import paddle  # noqa: E402
from measures._classifier import Classifier, fit, judge  # noqa: E402
from paddle import nn  # noqa: E402
from paddle.static import InputSpec  # noqa: E402

from data_reader import demo_path  # noqa: E402
from data_reader.digits import read_digits  # noqa: E402
from data_reader.errors import InputError  # noqa: E402
from paddle_gans.fast_cpu import disabled  # noqa: E402

SIZE = 28


class Embedding(nn.Layer):
    """A classifier up to its features [N, 128]."""

    def __init__(self, classifier: Classifier):
        super().__init__()
        self.classifier = classifier

    def forward(self, images):
        return self.classifier.embed(images)


def read(data: str, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Digits float32 [N, 1, 28, 28] in [-1, 1], and which ones they are."""
    root = demo_path("digits") if data == "demo" else Path(data)
    found = read_digits(root, train=train, size=SIZE, channels=1)
    if found is None:
        raise InputError(f"--data {data} holds no digits of MNIST's format; or give demo")
    return found.items[:, None].astype("float32") / 127.5 - 1, found.labels.astype("int64")


def main() -> int:
    """Train, judge, export."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--data", default="demo", metavar="PATH", help="MNIST's files, or demo")
    parser.add_argument("--to", required=True, metavar="PREFIX", help="of the program's files")
    parser.add_argument("--steps", type=int, default=1200, metavar="N", help="training (1200)")
    given = parser.parse_args()
    (images, labels), (test, truth) = (read(given.data, train) for train in (True, False))

    def draw(rng, count):
        chosen = rng.integers(len(images), size=count)
        return images[chosen], labels[chosen]

    paddle.seed(0)
    classifier = Classifier(1, SIZE, 10)
    fit(classifier, draw, given.steps)
    probabilities, features = judge(classifier, test)
    accuracy = float((probabilities.argmax(1) == truth).mean())

    spec = [InputSpec([None, 1, SIZE, SIZE], "float32", "images")]
    with disabled():
        paddle.jit.save(Embedding(classifier), given.to, input_spec=spec)
        opened = paddle.jit.load(given.to)
        apart = float(np.abs(opened(paddle.to_tensor(test[:64])).numpy() - features[:64]).max())
    print(f"{100 * accuracy:.2f} % of {len(test)} test digits; features in {given.to}")
    print(json.dumps({"accuracy": round(accuracy, 4), "largest_difference": apart}))
    return 0


if __name__ == "__main__":
    from paddle_gans.command import run

    run(main)
