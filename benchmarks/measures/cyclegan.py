"""CycleGAN on two folders: does a classifier of real pictures take B(A) for B?"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

HELD_BACK = 40  # pictures of each side


def measure(data, minutes, out, train_for, options):
    """Cycle L1 (of 255), and how often a domain classifier is convinced, beside the identity's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--crop-size", type=int, default=64)
    parser.add_argument("--base-dim", type=int, default=32)
    parser.add_argument("--residual-num", type=int, default=6)
    settings = vars(parser.parse_args(options))
    size = settings["crop_size"]
    folder = split(Path(data), Path(out).with_name(Path(out).name + "_data"))
    steps, took = train_for(
        minutes, "cyclegan", data=str(folder), out=out, log_every=50, sample_every=250,
        save_every=500, **settings,
    )  # fmt: skip

    import paddle
    from measures._classifier import Classifier, fit, judge

    import paddle_gans
    from data_reader.images import list_images, read_image
    from data_reader.transforms import crop, flip, normalise, short_side

    def read(name, side):
        return [short_side(read_image(p), side) for p in list_images(folder / name)]

    # A classifier of the two domains, on random crops of the training pictures.
    real = [read(f"train{side}", int(1.12 * size)) for side in "AB"]

    def draw(rng, count):
        labels = rng.integers(2, size=count)
        windows = []
        for label in labels:
            picture = real[label][int(rng.integers(len(real[label])))]
            windows.append(normalise(flip(crop([picture], size, "Random", rng, ""), rng)[0]))
        return np.stack(windows), labels.astype("int64")

    paddle.seed(0)
    classifier = Classifier(3, size, 2, widths=(32, 64, 64))
    fit(classifier, draw, steps=600, batch_size=64)

    rng = np.random.default_rng(0)
    held = [
        np.stack([crop([p], size, "Center", rng, "")[0] for p in read(f"test{s}", size)])
        for s in "AB"
    ]
    translate = paddle_gans.load(out)

    def share(pictures, label):
        images = np.stack([normalise(p) for p in pictures])
        return float((judge(classifier, images)[0].argmax(1) == label).mean())

    figures = {"classifier_accuracy": round((share(held[0], 0) + share(held[1], 1)) / 2, 3)}
    print(f"\nclassifier: {100 * figures['classifier_accuracy']:.0f} % of held-back real pictures")
    print("             taken for the other domain   identity   cycle |difference| of 255")
    for source, there, back in ((0, "a2b", "b2a"), (1, "b2a", "a2b")):
        made = np.stack(translate(list(held[source]), direction=there))
        returned = np.stack(translate(list(made), direction=back))
        row = {
            "fooled": round(share(made, 1 - source), 3),
            "identity": round(share(held[source], 1 - source), 3),
            "cycle_l1": round(float(np.abs(returned.astype("float32") - held[source]).mean()), 2),
        }
        figures[there] = row
        fooled, identity, cycle = row.values()
        print(f"  {there}  {fooled:22.2f} {identity:16.2f} {cycle:14.2f}")
    print(f"panel: {Path(out) / 'samples' / f'{steps:06d}.png'}")
    return {**figures, "steps": steps, "minutes": round(took, 2), **settings}


def split(data: Path, folder: Path) -> Path:
    """Links to the pictures of ``data``: the last of each side held back as testA/ and testB/."""
    from data_reader.images import list_images

    for side in "AB":
        pictures = list_images(data / f"train{side}")
        for name, part in (("train", pictures[:-HELD_BACK]), ("test", pictures[-HELD_BACK:])):
            place = folder / f"{name}{side}"
            place.mkdir(parents=True, exist_ok=True)
            for picture in part:
                if not (place / picture.name).exists():
                    (place / picture.name).symlink_to(picture.resolve())
    return folder
