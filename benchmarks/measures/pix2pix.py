"""pix2pix on aligned pairs: L1 on held-back pairs, beside two answers that need no network."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def measure(data, minutes, out, train_for, options):
    """Train b2a (labels to photographs), then mean |difference| on the validation set, of 255."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--direction", default="b2a")
    parser.add_argument("--crop-size", type=int, default=128)
    parser.add_argument("--load-size", type=int, default=0)
    parser.add_argument("--base-dim", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--generator", default="unet_128")
    parser.add_argument("--norm-mode", default="running")
    # In so short a time the full adversarial weight still moves the brightness about.
    parser.add_argument("--lambda-gan", type=float, default=0.2)
    settings = vars(parser.parse_args(options))
    steps, took = train_for(
        minutes, "pix2pix", data=data, out=out, flip=True, log_every=50, sample_every=250,
        save_every=500, **settings,
    )  # fmt: skip

    import paddle_gans
    from data_reader import layout
    from data_reader.datasets import Paired
    from data_reader.images import write_image

    translate = paddle_gans.load(out)
    source, target = (1, 0) if settings["direction"] == "b2a" else (0, 1)
    train = Paired(layout.paired(data, train=True)[0])
    held_back = Paired(layout.paired(data, train=False)[0])
    mean = np.mean([resized(train.read(i)[target]) for i in range(len(train))], axis=0)

    errors = {"l1": [], "l1_mean_photo": [], "l1_input": []}
    rows = []
    for i in range(len(held_back)):
        pair = held_back.read(i)
        answer = translate(pair[source])
        truth = pair[target].astype("float32")
        errors["l1"].append(np.abs(answer - truth).mean())
        errors["l1_mean_photo"].append(np.abs(resized(mean, truth.shape) - truth).mean())
        errors["l1_input"].append(np.abs(pair[source].astype("float32") - truth).mean())
        if len(rows) < 6:
            rows.append(np.concatenate([pair[source], answer, pair[target]], axis=1))
    write_image(Path(out) / "panel.png", np.concatenate(rows, axis=0))

    figures = {name: round(float(np.mean(values)), 3) for name, values in errors.items()}
    print(f"\n{len(held_back)} held-back pairs, mean |difference| of 255 after {steps} steps:")
    print(f"  the network              {figures['l1']:.2f}")
    print(f"  the mean training photo  {figures['l1_mean_photo']:.2f}")
    print(f"  the input itself         {figures['l1_input']:.2f}")
    print(f"input, result, truth: {Path(out) / 'panel.png'}")
    return {
        **figures, "steps": steps, "minutes": round(took, 2), "images": len(held_back), **settings
    }  # fmt: skip


def resized(image, shape=(256, 256)):
    """An image as float32 at a common size."""
    import cv2

    return cv2.resize(np.asarray(image, "float32"), (shape[1], shape[0]))
