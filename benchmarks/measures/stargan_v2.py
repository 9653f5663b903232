"""StarGAN v2 on folders of domains: is a translated picture taken for its target domain?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from measures._lattice import lattice_figures, show_lattice

DEFAULTS = {
    "crop_size": 64,
    "base_dim": 16,
    "max_channels": 128,
    "batch_size": 4,
    "ema_decay": 0.99,
    "learning_rate": 5e-4,
    "mapping_learning_rate": 1e-4,
    "lambda_ds": 0.5,
    "ds_steps": 3000,
    "log_every": 25,
    "sample_every": 250,
    "save_every": 500,
}


def prepare(data: str, out: str, options: dict) -> str:
    """Smaller copies of the images beside the run; they are decoded faster.

    Raises:
        InputError: the data has no test set.
    """
    from data_reader import layout
    from data_reader.errors import InputError

    if layout.domains(data, train=False) is None:
        raise InputError(f"{data} has no test set. Add test/ or val/ with a folder for each domain")
    folder = Path(out).with_name(Path(out).name + "_data")
    return str(shrink(Path(data), folder, 2 * options["crop_size"]))


def measure(translate, data: str, out: Path, options: dict) -> dict:
    """How often the averaged generator convinces a domain classifier, beside the identity.

    Also the Fréchet distance to the held-out faces of the target domain in the classifier's
    features, beside the training faces'; in levels of 255, how far apart two styles of one picture
    are, and how far the way there and back leads; the size of R1 over the run; and the grid
    artefacts of latent-guided outputs.
    """
    model = translate.model
    faces, labels = faces_of(model.dataset(data, train=False))
    train = model.dataset(data, train=True)
    judge = domain_classifier(train, len(model.domains), options["crop_size"])

    probabilities, real = judge(faces)
    figures = {"faces": len(faces), "classifier_accuracy": accuracy(probabilities, labels)}
    train.augment = False
    known, known_labels = faces_of(train)
    figures["frechet_train"] = mean_frechet(judge(known)[1], known_labels, real, labels)
    for guide in ("latent", "reference"):
        figures[guide], made, found, targets = judge_guide(model, guide, faces, labels, judge)
        figures[guide]["frechet"] = mean_frechet(found, targets, real, labels)
        if guide == "latent":
            figures.update(lattice_figures(levels(made), levels(faces)))
    figures["cycle_l1"] = cycle_l1(model, faces, labels)
    figures["r1"] = r1_over_time(out)
    report(figures)
    return figures


def faces_of(dataset) -> tuple[np.ndarray, np.ndarray]:
    """All images of a data set, float32 [N, 3, size, size], and their domains [N]."""
    items = [dataset.item(i, np.random.default_rng(0)) for i in range(len(dataset))]
    return np.stack([item["x_real"] for item in items]), np.array([int(i["y_org"]) for i in items])


def mean_frechet(features, domains, real_features, real_domains) -> float:
    """The mean over the domains of the Fréchet distance between two sets of features [N, D]."""
    from measures._classifier import frechet_distance

    pairs = [(features[domains == y], real_features[real_domains == y]) for y in set(real_domains)]
    return round(float(np.mean([frechet_distance(a, b) for a, b in pairs])), 2)


def levels(images) -> list[np.ndarray]:
    """Floats [3, H, W] in [-1, 1] as uint8 [H, W, 3]."""
    from data_reader.transforms import denormalise

    return [denormalise(image) for image in images]


def shrink(data: Path, folder: Path, side: int) -> Path:
    """Copies with a short side of ``side`` pixels, in the same folders: decoded faster."""
    from data_reader.images import list_images, read_image, write_image
    from data_reader.transforms import short_side

    for path in list_images(data):
        place = (folder / path.relative_to(data)).with_suffix(".png")
        if not place.exists():
            write_image(place, short_side(read_image(path), side))
    return folder


def domain_classifier(dataset, domains: int, size: int):
    """A classifier of the real pictures: images [N, 3, size, size] to probabilities, features."""
    import paddle
    from measures._classifier import Classifier, fit, judge

    def draw(rng, count):
        items = [dataset.item(int(rng.integers(len(dataset))), rng) for _ in range(count)]
        pairs = [(item["x_real"], item["y_org"]) for item in items]
        pairs += [(item["x_ref"], item["y_trg"]) for item in items]
        images, labels = zip(*pairs)
        # Brightness and contrast change at random: few pictures shall not be learned by heart.
        gain = rng.uniform(0.7, 1.3, (len(images), 1, 1, 1)).astype("float32")
        shift = rng.uniform(-0.3, 0.3, (len(images), 3, 1, 1)).astype("float32")
        return np.clip(np.stack(images) * gain + shift, -1, 1), np.array(labels, "int64")

    paddle.seed(0)
    classifier = Classifier(3, size, domains, widths=(32, 64, 64))
    fit(classifier, draw, steps=400, batch_size=32)
    return lambda images: judge(classifier, images)


def judge_guide(model, guide: str, faces, labels, judge, styles: int = 2):
    """Every face in every other domain, in two styles each.

    Returns the share that convinces and the like, the images, their features and domains.
    """
    import paddle

    convinced, unchanged, apart = [], [], []
    outputs, features, targets = [], [], []
    rng = np.random.default_rng(0)
    own = judge(faces)[0].argmax(1)
    for y in range(len(model.domains)):
        others, members = np.flatnonzero(labels != y), np.flatnonzero(labels == y)
        for face in others:
            source = paddle.to_tensor(faces[face : face + 1])
            if guide == "latent":
                s = model.drawn_styles(model.latents(styles, seed=int(face)), y)
            else:
                chosen = rng.choice(members, styles, replace=len(members) < styles)
                s = model.copied_styles(paddle.to_tensor(faces[chosen]), y)
            with paddle.no_grad():
                made = model.render(source, s).numpy()
            probabilities, embedded = judge(made)
            convinced += list(probabilities.argmax(1) == y)
            unchanged.append(own[face] == y)
            apart.append(127.5 * np.abs(made[0] - made[1]).mean())
            outputs += list(made)
            features += list(embedded)
            targets += [y] * styles
    figures = {
        "target": round(float(np.mean(convinced)), 3),
        "identity": round(float(np.mean(unchanged)), 3),
        "diversity_l1": round(float(np.mean(apart)), 2),
    }
    return figures, outputs, np.stack(features), np.array(targets)


def cycle_l1(model, faces, labels) -> float:
    """Mean difference, of 255, of faces that went to another domain and came back."""
    import paddle

    differences = []
    for face, y_org in zip(faces, labels):
        x, y_trg = paddle.to_tensor(face[None]), (int(y_org) + 1) % len(model.domains)
        with paddle.no_grad():
            there = model.render(x, model.drawn_styles(model.latents(1, seed=0), y_trg))
            back = model.render(there, model.copied_styles(x, int(y_org)))
        differences.append(127.5 * (back - x).abs().mean().item())
    return round(float(np.mean(differences)), 2)


def r1_over_time(out: Path, parts: int = 5) -> list[float]:
    """The mean penalty of each fifth of the run."""
    from paddle_gans.training.panels import read_log

    lines = [line["losses"] for line in read_log(out / "log.jsonl") if "losses" in line]
    values = [(terms["d_latent_r1"] + terms["d_ref_r1"]) / 2 for terms in lines]
    return [round(float(np.mean(part)), 4) for part in np.array_split(values, parts) if len(part)]


def accuracy(probabilities, labels) -> float:
    """Share of pictures whose most probable class is theirs."""
    return round(float((probabilities.argmax(1) == labels).mean()), 3)


def report(figures: dict) -> None:
    """Print the table."""
    seen = 100 * figures["classifier_accuracy"]
    print(f"classifier: {seen:.0f} % of {figures['faces']} held-out faces")
    print("             taken for the target domain   identity   |two styles| of 255   Fréchet")
    for guide in ("latent", "reference"):
        target, identity, apart, frechet = figures[guide].values()
        print(f"  {guide:9s} {target:29.2f} {identity:10.2f} {apart:14.2f} {frechet:15.1f}")
    print(f"Fréchet distance of the training faces: {figures['frechet_train']:.1f}")
    show_lattice(figures, ", latent-guided")
    print(f"cycle: {figures['cycle_l1']} of 255")
    print(f"R1 in each fifth of the run: {', '.join(map(str, figures['r1']))}")
