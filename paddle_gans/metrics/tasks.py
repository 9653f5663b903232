"""What is evaluated of a model, by the class of its data set: outputs, truths and real images."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from data_reader import colour
from data_reader.datasets import ImageDataset, Paired, Unpaired, without_randomness
from data_reader.domains import Domains
from data_reader.errors import InputError
from data_reader.photos import Photos
from paddle_gans.inference.translator import Translator, by_data, to_rgb

from . import EvalConfig

MAX_GENERATED = 10_000  # images from noise, unless --outputs says otherwise
GENERATED_BATCH = 64  # of these, from one seed
PAIRED_HINT = "; use --paired if testA/ and testB/ hold partners"
DOMAIN_OUTPUTS = 10  # of each source and domain, as in the paper of StarGAN v2


class Batch(NamedTuple):
    """Images that a model made, uint8 [N, H, W, 3], and their truths, if there are any."""

    images: np.ndarray
    truths: np.ndarray | None = None


@dataclass
class RealImages:
    """Real images, what identifies them in a cache, and what was already computed of them."""

    key: Mapping[str, Any]
    count: int
    read: Callable[[int], np.ndarray]  # uint8 [H, W, 3]
    features: np.ndarray | None = None
    lattices: list[float] = field(default_factory=list)  # of the first ones


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
    reals = test = model.dataset(root, train=False)
    if not test or (config.real or usual) == "train":
        reals = without_randomness(model.dataset(root, train=True))
    if not test:
        test = reals
        notes.append("the data has no test set: these are metrics of training images")
    if config.limit is not None:
        limit = config.limit * (len(test.domains) if isinstance(test, Domains) else 1)
        test, reals = test.limited(limit), reals.limited(limit)
    return test, reals, notes


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


def real_items(dataset: ImageDataset, part: str, image_of: Callable[[dict], np.ndarray]):
    """Return the real images that items hold; ``part`` tells them from others in the items."""
    key = {**identity(dataset), "part": part}
    return RealImages(key, len(dataset), lambda i: image_of(item(dataset, i)))


def translated(
    translate, dataset, config, source, show, truth_of=None, options: Mapping[str, Any] = {}
) -> Iterator[Batch]:
    """Translate the items' ``source``; ``show`` makes an image of an item and its output."""
    for indices in config.batches(len(dataset)):
        items = [item(dataset, i) for i in indices]
        inputs = np.stack([x[source] for x in items])
        outputs = translate.compute(translate.model.translate, inputs, **options)
        images = np.stack([show(x, output) for x, output in zip(items, outputs)])
        yield Batch(images, None if truth_of is None else np.stack([truth_of(x) for x in items]))


# Pairs: each source, with its partner as the truth.


def sides_of(direction: str) -> tuple[str, str]:
    return ("a", "b") if direction == "a2b" else ("b", "a")


def paired_tasks(translate, sources, reals, config) -> list[EvalTask]:
    source, target = sides_of(translate.model.direction)
    labels = reals.labels
    if labels == "auto" and len(reals):
        labels = target if target in reals.label_sides() else "none"
    about = {"has_truth": True, "labels": labels == target}
    return [side_task(translate, sources, reals, config, source, target, {}, **about)]


def side_task(translate, sources, reals, config, source, target, options, **about: Any) -> EvalTask:
    """Translate the side ``source`` of the items into the other, with ``options``."""

    def image_of(x):
        return to_rgb(x[target])

    def show(x, output):
        return to_rgb(output)

    truth_of = image_of if about["has_truth"] else None
    run = partial(translated, translate, sources, config, source, show, truth_of, options)
    real = real_items(reals, target, image_of)
    return EvalTask(f"{source} to {target}", real, len(sources), run, **about)


# Unpaired images: each direction that there are weights for.


def unpaired_tasks(translate, sources, reals, config) -> list[EvalTask]:
    if config.paired:
        check_partners(sources)
    tasks = []
    for options in translate.covered:
        source, target = sides_of(options.get("direction", translate.model.direction))
        inputs, real = one_side(sources, source), one_side(reals, target)
        about = {"has_truth": config.paired, "hint": PAIRED_HINT}
        tasks.append(side_task(translate, inputs, real, config, source, target, options, **about))
    return tasks


def one_side(dataset: Unpaired, side: str) -> Unpaired:
    """Return the set with one item per image of a side, in order."""
    few = copy.copy(dataset)
    few.items = range(len(few.a if side == "a" else few.b))
    return few


def check_partners(dataset: Unpaired) -> None:
    """Raise InputError unless both sides hold images of the same names."""
    if len(dataset.a) != len(dataset.b):
        raise InputError(f"--paired: {len(dataset.a)} A and {len(dataset.b)} B are no partners")
    for a, b in zip(dataset.a, dataset.b):
        if a.stem != b.stem:
            raise InputError(f"--paired: {a} is matched with {b.name}; partners need equal names")


# Photographs: each from its lightness, with its own colours as the truth.


def photo_tasks(translate, sources, reals, config) -> list[EvalTask]:
    images = real_items(reals, "rgb", photograph)

    def show(x, ab):
        return photograph({"l": x["l"], "ab": ab})

    run = partial(translated, translate, sources, config, "l", show, photograph)
    return [EvalTask("grey to colour", images, len(sources), run, has_truth=True)]


def photograph(x: Mapping[str, np.ndarray]) -> np.ndarray:
    return colour.lab_to_rgb(colour.decode(x["l"], x["ab"]))


# Noise: as many images as are real, at most MAX_GENERATED.


def noise_tasks(translate, sources, reals, config) -> list[EvalTask]:
    if not {"count", "seed"} <= set(translate.defaults):
        raise InputError(
            f"{translate.name}'s translate() has no `count` and `seed`, which evaluate needs"
        )
    count = config.outputs or min(len(reals), MAX_GENERATED)
    real = real_items(reals, "image", lambda x: to_rgb(x["image"]))
    return [EvalTask("drawn", real, count, partial(generated, translate, count, config))]


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
    # The references and the real images of a domain serve several tasks.
    styles_of = cache(partial(reference_styles, translate, sources, config))
    reals_of = cache(partial(real_domain, reals))
    restyle = partial(restyled, translate, sources, styles_of, outputs, config)
    names = sources.domains
    return [
        EvalTask(
            f"{source} to {target}, {guide}",
            reals_of(target),
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
        x = np.stack([view(dataset, references[i]) for i in indices])
        parts.append(translate.compute(translate.model.copied_styles, x, y))
    return np.concatenate(parts)


def real_domain(dataset: Domains, domain: str) -> RealImages:
    paths = dataset.sources[domain]
    key = {**identity(dataset.select([domain])), "domain": domain}
    return RealImages(key, len(paths), lambda i: to_rgb(view(dataset, paths[i])))


def view(dataset: Domains, path: Any) -> np.ndarray:
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
            styles = translate.compute(translate.model.drawn_styles, z, y_trg)
        else:
            known = styles_of(target)
            styles = known[rng.choice(len(known), outputs, replace=len(known) < outputs)]
        x = view(dataset, path)[None]
        parts = [
            translate.compute(translate.model.render, x, styles[list(indices)])
            for indices in config.batches(outputs)
        ]
        yield Batch(np.stack([to_rgb(image) for image in np.concatenate(parts)]))
