"""What is evaluated of a model, by the class of its data set: outputs, truths and real images."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import paddle

from data_reader import colour
from data_reader.datasets import ImageDataset, Paired, Unpaired, without_randomness
from data_reader.domains import Domains
from data_reader.errors import InputError
from data_reader.photos import Photos
from paddle_gans.inference.translator import Translator, by_data, to_rgb

from . import EvalConfig

MAX_GENERATED = 10_000  # images from noise, unless --outputs says otherwise
GENERATED_BATCH = 64  # of these, from one seed
DOMAIN_OUTPUTS = 10  # of each source and domain, as in the paper of StarGAN v2


class Batch(NamedTuple):
    """Images that a model made, uint8 [N, H, W, 3], and their truths, if there are any."""

    images: np.ndarray
    truths: np.ndarray | None = None


@dataclass(frozen=True)
class RealImages:
    """Real images, and what identifies them in a cache."""

    key: Mapping[str, Any]
    count: int
    read: Callable[[int], np.ndarray]  # uint8 [H, W, 3]

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yield all of them, uint8 [N, H, W, 3]."""
        for start in range(0, self.count, size):
            yield np.stack([self.read(i) for i in range(start, min(start + size, self.count))])


@dataclass(frozen=True)
class EvalTask:
    """One row of metrics: what is generated, and what it is compared with."""

    name: str
    reals: RealImages
    count: int  # images that are generated
    generate: Callable[[], Iterator[Batch]]
    has_truth: bool = False
    labels: bool = False  # the truths are label maps
    one_source: bool = False  # each batch holds several outputs of one source
    group: str | None = None  # rows that are also averaged
    hint: str = ""  # what may provide a truth, if there is none


def find_tasks(
    translate: Translator, root: Any, config: EvalConfig
) -> tuple[list[EvalTask], list[str]]:
    """Return what to evaluate of a model on this data, and notes about it.

    ``root`` is the argument of the model's ``dataset``: a path, several, or None for demo data.
    """
    kinds = {
        Paired: (paired_tasks, "test"),
        Unpaired: (unpaired_tasks, "test"),
        Photos: (photo_tasks, "test"),
        Domains: (domain_tasks, "train"),  # as in the paper of StarGAN v2
    }
    make_tasks, usual = by_data(translate.model, kinds, (noise_tasks, "train"))
    if make_tasks is noise_tasks and translate.takes_images:
        raise InputError(
            f"{translate.name} translates images but its data_class is "
            f"{translate.model.data_class.__name__}; evaluate needs "
            f"{', '.join(kind.__name__ for kind in kinds)}"
        )
    sources, reals, notes = open_data(translate.model, root, config, usual)
    tasks = make_tasks(translate, sources, reals, config)
    for task in tasks:
        if task.count == 0 or task.reals.count == 0:
            raise InputError(f"{task.name}: there are no images to evaluate on")
    return tasks, notes


def open_data(
    model, root: Any, config: EvalConfig, usual: str
) -> tuple[ImageDataset, ImageDataset, list[str]]:
    """Return the test set as sources, the real images, both without augmentation, and notes."""
    notes = []
    test, train = model.dataset(root, train=False), None
    if not test:
        test = train = without_randomness(model.dataset(root, train=True))
        notes.append("the data has no test set: these are metrics of training images")
    reals = test
    if (config.real or usual) == "train":
        reals = without_randomness(model.dataset(root, train=True)) if train is None else train
    if config.limit is not None:
        test, reals = limited(test, config.limit), limited(reals, config.limit)
    return test, reals, notes


def limited(dataset: ImageDataset, limit: int) -> ImageDataset:
    count = len(dataset.domains) if isinstance(dataset, Domains) else 1
    return dataset.limited(limit * count)


def item(dataset: ImageDataset, index: int) -> dict[str, np.ndarray]:
    """Return an item of a data set without randomness."""
    return dataset.item(index, np.random.default_rng([0, index]))


def identity(dataset: ImageDataset) -> dict[str, Any]:
    """Return what identifies a data set: fingerprint, modification times, and its settings."""
    known = dataset.fingerprint()
    digest = hashlib.sha256()
    for name, path in sorted(dataset.paths()):
        digest.update(os.fsencode(f"{name}\t{path.stat().st_mtime_ns}\n"))
    settings = {
        name: value
        for name, value in sorted(vars(dataset).items())
        if isinstance(value, (bool, int, str)) and name[0] != "_" and name != "what"
    }
    return {**known, "changed": digest.hexdigest(), "settings": settings}


def real_part(dataset: ImageDataset, part: str) -> RealImages:
    """Return the real images that items hold under ``part``."""
    key = {**identity(dataset), "part": part}
    return RealImages(key, len(dataset), lambda i: to_rgb(item(dataset, i)[part]))


def run(translate: Translator, batch: np.ndarray, **options: Any) -> np.ndarray:
    """Return the model's output for a batch, float32 both."""
    with translate.computing():
        result = translate.model.translate(paddle.to_tensor(batch), **options)
        return result.astype("float32").numpy()


def all_rgb(outputs: np.ndarray) -> np.ndarray:
    """Convert floats [N, 3 or 1, H, W] in [-1, 1] to uint8 [N, H, W, 3]."""
    return np.stack([to_rgb(output) for output in outputs])


# Pairs: each source, with its partner as the truth.


def sides_of(direction: str) -> tuple[str, str]:
    return ("a", "b") if direction == "a2b" else ("b", "a")


def paired_tasks(translate, sources, reals, config) -> list[EvalTask]:
    source, target = sides_of(translate.model.direction)
    labels = reals.labels
    if labels == "auto" and len(reals):
        labels = target if target in reals.label_sides() else "none"
    return [
        EvalTask(
            f"{source} to {target}",
            real_part(reals, target),
            len(sources),
            partial(translated, translate, sources, source, target, config, {}),
            has_truth=True,
            labels=labels == target,
        )
    ]


def translated(translate, dataset, source, target, config, options) -> Iterator[Batch]:
    """Translate the items' ``source``; the truths are their ``target`` (None: no truths)."""
    for indices in config.batches(len(dataset)):
        items = [item(dataset, i) for i in indices]
        outputs = run(translate, np.stack([x[source] for x in items]), **options)
        truths = None if target is None else all_rgb(np.stack([x[target] for x in items]))
        yield Batch(all_rgb(outputs), truths)


# Unpaired images: each direction that there are weights for.


def unpaired_tasks(translate, sources, reals, config) -> list[EvalTask]:
    if config.paired:
        check_partners(sources)
    tasks = []
    for options in translate.covered:
        source, target = sides_of(options.get("direction", translate.model.direction))
        inputs, truth = one_side(sources, source), target if config.paired else None
        tasks.append(
            EvalTask(
                f"{source} to {target}",
                real_part(one_side(reals, target), target),
                len(inputs),
                partial(translated, translate, inputs, source, truth, config, options),
                has_truth=config.paired,
                hint="; use --paired if testA/ and testB/ hold partners",
            )
        )
    return tasks


def one_side(dataset: Unpaired, side: str) -> Unpaired:
    """Return the set with one item per image of a side, in order."""
    few = copy.copy(dataset)
    few.items = range(len(few.a if side == "a" else few.b))
    return few


def check_partners(dataset: Unpaired) -> None:
    """Raise InputError unless both sides hold images of the same names."""
    if len(dataset.a) != len(dataset.b):
        raise InputError(
            f"--paired: the test set holds {len(dataset.a)} A and {len(dataset.b)} B; partners "
            "must be as many on both sides"
        )
    for a, b in zip(dataset.a, dataset.b):
        if a.stem != b.stem:
            raise InputError(
                f"--paired: {a} is matched with {b.name}; partners need equal names (the suffix "
                "may differ)"
            )


# Photographs: each from its lightness, with its own colours as the truth.


def photo_tasks(translate, sources, reals, config) -> list[EvalTask]:
    key = {**identity(reals), "part": "rgb"}
    images = RealImages(key, len(reals), lambda i: photograph(item(reals, i)))
    generate = partial(colorized, translate, sources, config)
    return [EvalTask("grey to colour", images, len(sources), generate, has_truth=True)]


def photograph(x: Mapping[str, np.ndarray]) -> np.ndarray:
    return colour.lab_to_rgb(colour.decode(x["l"], x["ab"]))


def colorized(translate, dataset, config) -> Iterator[Batch]:
    for indices in config.batches(len(dataset)):
        items = [item(dataset, i) for i in indices]
        colours = run(translate, np.stack([x["l"] for x in items]))
        images = [photograph({"l": x["l"], "ab": ab}) for x, ab in zip(items, colours)]
        yield Batch(np.stack(images), np.stack([photograph(x) for x in items]))


# Noise: as many images as are real, at most MAX_GENERATED.


def noise_tasks(translate, sources, reals, config) -> list[EvalTask]:
    if not {"count", "seed"} <= set(translate.defaults):
        raise InputError(
            f"{translate.name}'s translate() has no `count` and `seed`, which evaluate needs"
        )
    count = config.outputs or min(len(reals), MAX_GENERATED)
    generate = partial(generated, translate, count, config)
    return [EvalTask("drawn", real_part(reals, "image"), count, generate)]


def generated(translate, count, config) -> Iterator[Batch]:
    """Yield images that depend on the seed and the count, not on the batch size."""
    for start in range(0, count, GENERATED_BATCH):
        seed = int(np.random.default_rng([config.seed, start]).integers(2**31))
        some = np.stack(translate(count=min(GENERATED_BATCH, count - start), seed=seed))
        for indices in config.batches(len(some)):
            yield Batch(some[indices.start : indices.stop])


# Domains: every ordered pair of domains, latent-guided and reference-guided.


def domain_tasks(translate, sources, reals, config) -> list[EvalTask]:
    """Each source in every other domain, in 10 random and in 10 reference styles.

    Latents are standard normal; references are random images of the test set. The real images are
    those of the target domain. Source: Choi et al. 2020, appendix on evaluation.
    """
    outputs = DOMAIN_OUTPUTS if config.outputs is None else config.outputs
    if outputs < 2:
        raise InputError(f"--outputs {outputs}: the diversity needs 2 outputs or more")
    # The references of a domain serve several tasks.
    styles_of = cache(partial(reference_styles, translate, sources, config))
    restyle = partial(restyled, translate, sources, styles_of, outputs, config)
    names = sources.domains
    return [
        EvalTask(
            f"{source} to {target}, {guide}",
            real_domain(reals, target),
            outputs * len(sources.sources[source]),
            partial(restyle, guide=guide, source=source, target=target),
            one_source=True,
            group=guide,
        )
        for guide in ("latent", "reference")
        for source in names
        for target in names
        if source != target
    ]


def reference_styles(translate, dataset, config, domain) -> np.ndarray:
    """Return the styles [R, style_dim] of the test set's references of a domain."""
    y, references = dataset.domains.index(domain), dataset.references[domain]
    parts = []
    for indices in config.batches(len(references)):
        x = paddle.to_tensor(np.stack([view(dataset, y, references[i]) for i in indices]))
        with translate.computing():
            parts.append(translate.model.copied_styles(x, y).astype("float32").numpy())
    return np.concatenate(parts)


def real_domain(dataset: Domains, domain: str) -> RealImages:
    y, paths = dataset.domains.index(domain), dataset.sources[domain]
    key = {**identity(dataset.select([domain])), "domain": domain}
    return RealImages(key, len(paths), lambda i: to_rgb(view(dataset, y, paths[i])))


def view(dataset: Domains, y: int, path: Any) -> np.ndarray:
    """Return an image as the model sees it, float32 [3, S, S], without augmentation."""
    return dataset.view(path, np.random.default_rng(0))


def restyled(
    translate, dataset, styles_of, outputs, config, guide, source, target
) -> Iterator[Batch]:
    """Yield each image of the source domain in ``outputs`` styles of the target domain."""
    y_org, y_trg = (dataset.domains.index(name) for name in (source, target))
    for i, path in enumerate(dataset.sources[source]):
        rng = np.random.default_rng([config.seed, y_org, y_trg, i])
        if guide == "latent":
            z = rng.standard_normal((outputs, translate.model.latent_dim), dtype=np.float32)
            with translate.computing():
                styles = translate.model.drawn_styles(paddle.to_tensor(z), y_trg)
                styles = styles.astype("float32").numpy()
        else:
            known = styles_of(target)
            styles = known[rng.choice(len(known), outputs, replace=len(known) < outputs)]
        x = paddle.to_tensor(view(dataset, y_org, path)[None])
        parts = []
        for indices in config.batches(outputs):
            with translate.computing():
                result = translate.model.render(x, paddle.to_tensor(styles[list(indices)]))
                parts.append(result.astype("float32").numpy())
        yield Batch(all_rgb(np.concatenate(parts)))
