"""Does a network that reads labels from real photographs read them from generated ones?

Source: the FCN score of Isola et al. 2017, section 3.5; its network is a U-Net here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from data_reader.errors import InputError
from data_reader.transforms import denormalise, normalise
from paddle_gans.fast_cpu import accelerate, bfloat16
from paddle_gans.metrics.labels import Palette, accuracies, confusion, palette_of
from paddle_gans.networks.unet import UNet

STEPS, BATCH_SIZE, LEARNING_RATE = 1200, 4, 1e-3
NEAR = 60  # L1 distance to a class's colour within which JPEG moves most of its pixels
# The classes of label maps that are distributed as JPEG files.
CMP_FACADES = {
    "background": (0, 0, 223), "facade": (0, 48, 255), "window": (0, 128, 255),
    "door": (0, 207, 255), "cornice": (32, 255, 223), "sill": (112, 255, 143),
    "balcony": (191, 255, 64), "blind": (255, 239, 0), "deco": (255, 159, 0),
    "molding": (255, 80, 0), "pillar": (255, 0, 0), "shop": (175, 0, 0),
}  # fmt: skip
CAMVID = {
    "sky": (128, 128, 128), "building": (128, 0, 0), "pole": (192, 192, 128),
    "road": (128, 64, 128), "pavement": (60, 40, 222), "tree": (128, 128, 0),
    "sign": (192, 128, 128), "fence": (64, 64, 128), "car": (64, 0, 128),
    "pedestrian": (64, 64, 0), "bicyclist": (0, 128, 192), "void": (0, 0, 0),
}  # fmt: skip


def find_palette(maps: Sequence[np.ndarray]) -> Palette | None:
    """The classes of label maps, uint8 [H, W, 3] each; None if the images are none."""
    with contextlib.suppress(InputError):
        return palette_of(maps)
    for classes in (CMP_FACADES, CAMVID):
        palette = Palette(np.array(list(classes.values()), np.uint8), list(classes))
        pixels = np.concatenate([image.reshape(-1, 3) for image in maps]).astype(np.int64)
        colours = palette.colours[np.concatenate([palette.classes(image) for image in maps])]
        if (np.abs(pixels - colours).sum(axis=1) < NEAR).mean() > 0.8:
            return palette
    return None


def label_reader(dataset, photo: str, palette: Palette):
    """Train a U-Net on a paired training set; returns photographs uint8 to label maps uint8."""
    paddle.seed(0)
    features = UNet(3, 32, depth=4, base_dim=24, dropout=0.0, upsample="bilinear")
    network = nn.Sequential(features, nn.Conv2D(32, len(palette.colours), 1))
    accelerate(network)
    rate = paddle.optimizer.lr.CosineAnnealingDecay(LEARNING_RATE, STEPS)
    optimizer = paddle.optimizer.Adam(rate, parameters=network.parameters())
    rng, label = np.random.default_rng(0), "b" if photo == "a" else "a"
    for _ in range(STEPS):
        items = [dataset.item(int(rng.integers(len(dataset))), rng) for _ in range(BATCH_SIZE)]
        shape = items[0][label].shape[1:]
        classes = [palette.classes(denormalise(item[label])).reshape(shape) for item in items]
        with bfloat16():
            logits = network(paddle.to_tensor(np.stack([item[photo] for item in items])))
        loss = F.cross_entropy(logits, paddle.to_tensor(np.stack(classes)), axis=1)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        rate.step()
    network.eval()

    def read(image: np.ndarray) -> np.ndarray:
        with paddle.no_grad():
            logits = network(paddle.to_tensor(normalise(image)[None]))
        return palette.colours[logits[0].argmax(axis=0).numpy()]

    return read


def label_figures(
    read, palette: Palette, real: Sequence, made: Sequence, maps: Sequence
) -> dict[str, float]:
    """Per-pixel accuracy of what ``read`` reads from real photographs and from generated ones."""
    found = {
        name: accuracies(sum(confusion(palette, read(x), y) for x, y in zip(photographs, maps)))
        for name, photographs in (("real", real), ("generated", made))
    }
    accuracy = {name: round(values["pixel_accuracy"], 3) for name, values in found.items()}
    return {
        "labels_of_real": accuracy["real"],
        "labels_of_generated": accuracy["generated"],
        "labels_ratio": round(accuracy["generated"] / accuracy["real"], 3),
    }
