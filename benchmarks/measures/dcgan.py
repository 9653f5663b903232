"""DCGAN on MNIST: what a classifier of real digits says of generated ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SAMPLES = 10_000


def measure(data, minutes, out, train_for, options):
    """Confidence, entropy of the class histogram, Fréchet distance in the classifier's features."""
    if options:
        raise SystemExit(f"error: unknown flags {options}")
    steps, took = train_for(
        minutes, "dcgan", data=data, out=out, log_every=50, sample_every=250, save_every=250
    )

    import paddle
    from measures._classifier import Classifier, fit, frechet_distance, judge

    import paddle_gans
    from data_reader.digits import read_digits
    from data_reader.images import write_image
    from paddle_gans.inference.files import grid

    train = read_digits(Path(data), train=True, size=28, channels=1)
    test = read_digits(Path(data), train=False, size=28, channels=1)

    def scaled(images):
        return (images[:, None].astype("float32") / 127.5) - 1

    def draw(rng, count):
        chosen = rng.integers(len(train), size=count)
        return scaled(train.items[chosen]), train.labels[chosen].astype("int64")

    paddle.seed(0)
    classifier = Classifier(1, 28, 10)
    fit(classifier, draw, steps=1200)
    correct = judge(classifier, scaled(test.items))[0].argmax(1) == test.labels
    accuracy = float(correct.mean())

    drawn = paddle_gans.load(out)
    pictures = np.concatenate([drawn(count=1000, seed=s) for s in range(SAMPLES // 1000)])
    generated = pictures.reshape(SAMPLES, 28, 28, -1)[..., 0]
    noise = np.random.default_rng(0).integers(0, 256, (SAMPLES, 28, 28))
    reference = judge(classifier, scaled(train.items[:SAMPLES]))[1]

    figures = {"classifier_accuracy": round(accuracy, 4)}
    print(f"\nclassifier: {100 * accuracy:.2f} % of the real test digits")
    print(f"{SAMPLES} each        confidence  entropy  Fréchet distance to real training digits")
    for name, images in (("generated", generated), ("real", test.items), ("noise", noise)):
        probabilities, features = judge(classifier, scaled(images))
        share = np.bincount(probabilities.argmax(1), minlength=10) / len(images)
        entropy = float((share[share > 0] * np.log(1 / share[share > 0])).sum())
        confidence = float(probabilities.max(1).mean())
        distance = frechet_distance(reference, features)
        figures[name] = {
            "confidence": round(confidence, 4),
            "entropy": round(entropy, 4),
            "frechet_distance": round(distance, 3),
        }
        print(f"  {name:<12} {confidence:9.3f} {entropy:9.3f} {distance:10.2f}")
    write_image(Path(out) / "digits.png", grid(list(drawn(count=64, seed=0))))
    print(f"64 generated digits: {Path(out) / 'digits.png'}")
    return {**figures, "steps": steps, "minutes": round(took, 2), "samples": SAMPLES}
