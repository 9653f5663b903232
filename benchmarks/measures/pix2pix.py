"""pix2pix on aligned pairs: L1 on held-out pairs, beside two answers that need no network.

Where the sources are label maps, also whether they can be read from the results.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
from measures._label_reader import find_palette, label_figures, label_reader
from measures._lattice import lattice_figures, show_lattice

DEFAULTS = {
    "direction": "b2a",  # labels to photographs
    "crop_size": 128,
    "load_size": 0,
    "base_dim": 32,
    "batch_size": 4,
    "generator": "unet_128",
    "norm_mode": "running",
    # In so short a time the full adversarial weight still moves the brightness about.
    "lambda_gan": 0.2,
    "flip": True,
    "log_every": 50,
    "sample_every": 250,
    "save_every": 500,
}


def prepare(data: str, out: str, options: dict) -> str:
    """The data itself.

    Raises:
        InputError: it has no test set.
    """
    from data_reader import layout
    from data_reader.errors import InputError

    if not layout.paired(data, train=False)[0]:
        raise InputError(f"{data} has no held-out pairs. Add test/ or val/ beside train/")
    return data


def measure(translate, data: str, out: Path, options: dict) -> dict:
    """Mean |difference| on the whole images of the held-out pairs, of 255, and grid artefacts."""
    from data_reader.images import write_image

    sides = "ba" if options["direction"] == "b2a" else "ab"
    train = whole_images(translate.model.dataset(data, train=True))
    held_out = whole_images(translate.model.dataset(data, train=False))
    mean = np.mean([resized(images(train, i, sides)[1]) for i in range(len(train))], axis=0)

    errors = {"l1": [], "l1_mean_photo": [], "l1_input": []}
    sources, results, truths, rows = [], [], [], []
    for i in range(len(held_out)):
        source, target = images(held_out, i, sides)
        answer = translate(source)
        truth = target.astype("float32")
        errors["l1"].append(np.abs(answer - truth).mean())
        errors["l1_mean_photo"].append(np.abs(resized(mean, truth.shape) - truth).mean())
        errors["l1_input"].append(np.abs(source.astype("float32") - truth).mean())
        sources.append(source)
        results.append(answer)
        truths.append(target)
        if len(rows) < 6:
            rows.append(np.concatenate([source, answer, target], axis=1))
    write_image(out / "panel.png", np.concatenate(rows, axis=0))

    figures = {name: round(float(np.mean(values)), 3) for name, values in errors.items()}
    figures.update(lattice_figures(results, truths))
    palette = find_palette([images(train, i, sides)[0] for i in range(min(len(train), 20))])
    if palette is not None:
        read = label_reader(translate.model.dataset(data, train=True), sides[1], palette)
        figures.update(label_figures(read, palette, truths, results, sources))
    print(f"{len(held_out)} held-out pairs, mean |difference| of 255:")
    print(f"  the network              {figures['l1']:.2f}")
    print(f"  the mean training photo  {figures['l1_mean_photo']:.2f}")
    print(f"  the input itself         {figures['l1_input']:.2f}")
    show_lattice(figures)
    if palette is not None:
        print(
            f"labels that a network reads correctly: {figures['labels_of_real']:.3f} of the pixels "
            f"of photographs, {figures['labels_of_generated']:.3f} of those of the results"
        )
    print(f"input, result, truth: {out / 'panel.png'}")
    return {**figures, "images": len(held_out)}


def whole_images(dataset):
    """The pairs without cropping and mirroring, at the run's load_size."""
    dataset = copy.copy(dataset)
    dataset.crop_type, dataset.flip = "None", False
    return dataset


def images(dataset, index: int, sides: str) -> list[np.ndarray]:
    """The source and the target of a pair, uint8 [H, W, 3]."""
    from data_reader.transforms import denormalise

    item = dataset.item(index, np.random.default_rng(0))
    return [denormalise(item[side]) for side in sides]


def resized(image, shape=(256, 256)):
    """An image as float32 at a common size."""
    import cv2

    return cv2.resize(np.asarray(image, "float32"), (shape[1], shape[0]))
