"""CycleGAN on two folders: does a classifier of real images take B(A) for B?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from measures._lattice import lattice_figures, show_lattice

HELD_OUT = 40  # images of each side, where the data has no test set
DEFAULTS = {
    "crop_size": 64,
    "base_dim": 32,
    "residual_num": 6,
    "log_every": 50,
    "sample_every": 250,
    "save_every": 500,
}


def prepare(data: str, out: str, options: dict) -> str:
    """The data with a test set: itself, or links beside the run with the last images held out."""
    from data_reader import layout

    if layout.unpaired([data], train=False) is not None:
        return data
    return str(split(Path(data), Path(out).with_name(Path(out).name + "_data")))


def measure(translate, data: str, out: Path, options: dict) -> dict:
    """Cycle L1 (of 255), and how often a domain classifier is convinced, beside the identity's."""
    import paddle
    from measures._classifier import Classifier, fit, judge

    from data_reader import layout
    from data_reader.images import read_image
    from data_reader.transforms import crop, flip, normalise, short_side

    size, load_size = options["crop_size"], options["load_size"]
    enlarged = int(1.12 * size) if load_size is None else load_size

    def read(paths, side):
        return [short_side(read_image(path), side) if side else read_image(path) for path in paths]

    # A classifier of the two domains, on random crops of the training images.
    real = [read(paths, enlarged) for paths in layout.unpaired([data], train=True)[:2]]

    def draw(rng, count):
        labels = rng.integers(2, size=count)
        windows = []
        for label in labels:
            image = real[label][int(rng.integers(len(real[label])))]
            windows.append(normalise(flip(crop([image], size, "Random", rng, ""), rng)[0]))
        return np.stack(windows), labels.astype("int64")

    paddle.seed(0)
    classifier = Classifier(3, size, 2, widths=(32, 64, 64))
    fit(classifier, draw, steps=600, batch_size=64)

    rng = np.random.default_rng(0)
    held_out = [
        np.stack([crop([image], size, "Center", rng, "")[0] for image in read(paths, size)])
        for paths in layout.unpaired([data], train=False)[:2]
    ]

    def share(images, label):
        images = np.stack([normalise(image) for image in images])
        return float((judge(classifier, images)[0].argmax(1) == label).mean())

    accuracy = (share(held_out[0], 0) + share(held_out[1], 1)) / 2
    figures = {"classifier_accuracy": round(accuracy, 3)}
    print(f"classifier: {100 * accuracy:.0f} % of held-out real images")
    print("             taken for the other domain   identity   cycle |difference| of 255")
    for source, there, back in ((0, "a2b", "b2a"), (1, "b2a", "a2b")):
        made = np.stack(translate(list(held_out[source]), direction=there))
        returned = np.stack(translate(list(made), direction=back))
        difference = np.abs(returned.astype("float32") - held_out[source]).mean()
        row = {
            "fooled": round(share(made, 1 - source), 3),
            "identity": round(share(held_out[source], 1 - source), 3),
            "cycle_l1": round(float(difference), 2),
        }
        fooled, identity, cycle = row.values()
        print(f"  {there}  {fooled:22.2f} {identity:16.2f} {cycle:14.2f}")
        figures[there] = {**row, **lattice_figures(made, held_out[1 - source])}
    for there in ("a2b", "b2a"):
        show_lattice(figures[there], f", {there}")
    return figures


def split(data: Path, folder: Path) -> Path:
    """Links to the images of ``data``: the last of each side held out as testA/ and testB/."""
    from data_reader.images import list_images

    for side in "AB":
        images = list_images(data / f"train{side}")
        for name, part in (("train", images[:-HELD_OUT]), ("test", images[-HELD_OUT:])):
            place = folder / f"{name}{side}"
            place.mkdir(parents=True, exist_ok=True)
            for image in part:
                if not (place / image.name).exists():
                    (place / image.name).symlink_to(image.resolve())
    return folder
