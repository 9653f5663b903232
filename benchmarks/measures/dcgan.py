"""DCGAN on MNIST, or on a folder of images: generated images in the eyes of a small classifier.

The classifier is trained on the real training set alone: on its labels, or, where there are none,
to tell by how many quarter turns an image was rotated (Gidaris et al., ICLR 2018).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from measures._lattice import lattice_figures, show_lattice

SAMPLES = 10_000
DEFAULTS = {"log_every": 50, "sample_every": 250, "save_every": 250}


def measure(translate, data: str, out: Path, options: dict) -> dict:
    """Fréchet distance in the classifier's features, and grid artefacts from 64 pixels a side on.

    With labels also the confidence, and the entropy of the class histogram.
    """
    import paddle
    from measures._classifier import Classifier, fit, frechet_distance, judge

    from data_reader.images import write_image
    from paddle_gans.training.panels import square_grid

    size, channels = options["crop_size"], options["channels"]
    train = translate.model.dataset(data, train=True)
    test = translate.model.dataset(data, train=False)
    real, held_out = all_images(train), all_images(test) if test else None
    labels = getattr(train, "labels", None)
    has_labels = labels is not None

    paddle.seed(0)
    if has_labels:

        def draw(rng, count):
            chosen = rng.integers(len(real), size=count)
            return scaled(real[chosen]), labels[chosen].astype("int64")

        classifier = Classifier(channels, size, 10)
        fit(classifier, draw, steps=1200)
    else:

        def draw(rng, count):
            images = real[rng.integers(len(real), size=count)]
            images = np.stack([x[..., ::-1] if rng.random() < 0.5 else x for x in images])
            return turned(images, rng.integers(4, size=count))

        classifier = Classifier(channels, size, 4, widths=(32, 64, 64))
        fit(classifier, draw, steps=800, batch_size=64)

    figures = {"classifier": "labels" if has_labels else "rotation"}
    if held_out is not None:
        if has_labels:
            questions = scaled(held_out), test.labels
        else:
            turns = np.repeat(np.arange(4), len(held_out))
            questions = turned(np.tile(held_out, (4, 1, 1, 1)), turns)
        answers = judge(classifier, questions[0])[0].argmax(1)
        accuracy = float((answers == questions[1]).mean())
        figures["classifier_accuracy"] = round(accuracy, 4)
        what = f"classifier ({figures['classifier']})"
        print(f"{what}: {100 * accuracy:.2f} % of the held-out images")

    count = min(SAMPLES, len(real))
    generated = planes(drawn(translate, count), channels)
    sets = {"generated": generated}
    if held_out is not None:
        sets["real"] = held_out
        if len(held_out) < count:  # the distance falls with the number of images: a fair row
            sets[f"generated, {len(held_out)}"] = generated[: len(held_out)]
    shape = (count, channels, size, size)
    sets["noise"] = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    reference = judge(classifier, scaled(real[:count]))[1]

    head = "  confidence  entropy" if has_labels else ""
    print(f"{'':18} images{head}  Fréchet distance to {count} real training images")
    for name, images in sets.items():
        probabilities, features = judge(classifier, scaled(images))
        row, line = {}, f"  {name:<16} {len(images):6d}"
        if has_labels:
            share = np.bincount(probabilities.argmax(1), minlength=10) / len(images)
            entropy = float((share[share > 0] * np.log(1 / share[share > 0])).sum())
            confidence = float(probabilities.max(1).mean())
            row = {"confidence": round(confidence, 4), "entropy": round(entropy, 4)}
            line += f" {confidence:11.3f} {entropy:8.3f}"
        distance = frechet_distance(reference, features)
        figures[name] = {**row, "frechet_distance": round(distance, 3)}
        print(f"{line} {distance:10.2f}")
    figures.update(lattice_figures(as_rgb(generated), as_rgb(real[:count])))
    show_lattice(figures)
    write_image(out / "generated.png", square_grid(list(translate(count=64, seed=0))))
    print(f"64 generated images: {out / 'generated.png'}")
    return {**figures, "samples": count}


def all_images(dataset) -> np.ndarray:
    """The images of a set, uint8 [N, C, H, W]."""
    from data_reader.transforms import denormalise

    rng = np.random.default_rng(0)
    items = (dataset.item(i, rng)["image"] for i in range(len(dataset)))
    return np.stack([denormalise(image).transpose(2, 0, 1) for image in items])


def drawn(translate, count: int, batch: int = 1000) -> np.ndarray:
    """So many generated images, uint8 [N, H, W, 3]; each thousand from a seed."""
    images = [np.stack(translate(count=batch, seed=s)) for s in range(-(-count // batch))]
    return np.concatenate(images)[:count]


def planes(images: np.ndarray, channels: int) -> np.ndarray:
    """RGB [N, H, W, 3] as [N, channels, H, W]; a grey image has three equal channels."""
    return images[..., :channels].transpose(0, 3, 1, 2)


def as_rgb(images: np.ndarray) -> np.ndarray:
    """[N, 1 or 3, H, W] as [N, H, W, 3]."""
    n, _, height, width = images.shape
    return np.broadcast_to(images.transpose(0, 2, 3, 1), (n, height, width, 3))


def scaled(images: np.ndarray) -> np.ndarray:
    """uint8 levels as float32 in [-1, 1]."""
    return images.astype("float32") / 127.5 - 1


def turned(images: np.ndarray, turns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotate each image [C, S, S] by quarter turns; returns floats in [-1, 1], and the labels."""
    rotated = [np.rot90(image, turn, axes=(1, 2)) for image, turn in zip(images, turns)]
    return scaled(np.stack(rotated)), turns.astype("int64")
