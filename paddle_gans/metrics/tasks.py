"""What is measured of a model: the pictures it makes, their truths, and the real ones."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Callable, NamedTuple, Optional

import numpy as np
import paddle

from data_reader import colour, transforms
from data_reader.datasets import ImageDataset, without_randomness
from data_reader.errors import InputError
from paddle_gans.inference.tiling import to_rgb
from paddle_gans.inference.translator import Translator

from .cache import Reals, identity

MOST_DRAWN = 10_000  # pictures of a model that draws from noise, unless --outputs says more
AT_ONCE = 64  # of these, from one seed


class Made(NamedTuple):
    """Pictures that a model made, uint8 [N, H, W, 3], and their truths, where there are any."""

    pictures: np.ndarray
    truths: Optional[np.ndarray] = None


@dataclass(frozen=True)
class Choice:
    """What the user chose of how pictures are made."""

    limit: Optional[int] = None  # sources, and real pictures
    batch_size: int = 16
    seed: int = 0
    real: Optional[str] = None  # "train" or "test"; None: as is usual for the model
    outputs: Optional[int] = None  # of a source, or drawn; None: 10, or as many as are real
    paired: bool = False  # a CycleGAN's test folders hold partners of the same names

    def batches(self, count: int) -> Iterator[range]:
        """The indices below ``count`` in batches."""
        for start in range(0, count, self.batch_size):
            yield range(start, min(start + self.batch_size, count))


@dataclass(frozen=True)
class Subject:
    """One row of figures: what is made, and what it is compared with."""

    name: str
    reals: Reals
    count: int  # pictures that are made
    make: Callable[[], Iterator[Made]]
    has_truth: bool = False
    labels: bool = False  # the truths are label maps
    together: bool = False  # each `Made` holds several pictures of one source
    group: Optional[str] = None  # rows whose mean is a figure of its own
    hint: str = ""  # what may give a truth, where there is none


class Data(NamedTuple):
    """The items that pictures are made of, and those that are real."""

    sources: ImageDataset
    reals: ImageDataset
    notes: list[str]


def find_subjects(
    translate: Translator, root: Any, choice: Choice
) -> tuple[list[Subject], list[str]]:
    """What there is to measure of a model on this data, and remarks about it.

    ``root`` is what the model's ``dataset`` takes: a path, several, or None for the embedded data.

    Raises:
        InputError: the data is not there or of another layout, or the model is not known here.
    """
    from . import domains  # imports this module

    kinds = {
        "pix2pix": of_pairs,
        "cyclegan": of_two_sides,
        "colorization": of_photographs,
        "stargan_v2": domains.of_domains,
    }
    find = kinds.get(translate.name)
    if find is None and not translate.takes_images:
        find = of_drawn
    if find is None:
        raise InputError(f"there is nothing to measure a {translate.name} by; {', '.join(kinds)}")
    usual = "train" if translate.name == "stargan_v2" or find is of_drawn else "test"
    data = open_data(translate.model, root, choice, usual)
    found = find(translate, data, choice)
    for subject in found:
        if subject.count == 0 or subject.reals.count == 0:
            raise InputError(f"{subject.name}: there are no pictures to measure on")
    return found, data.notes


def open_data(model, root: Any, choice: Choice, usual: str) -> Data:
    """The test set as sources, and what is taken for real; each in fixed views."""
    notes = []
    test, train = model.dataset(root, train=False), None
    if not test:
        train = without_randomness(model.dataset(root, train=True))
        test = train
        notes.append("the data has no test set: these are figures of training pictures")
    reals = test
    if (choice.real or usual) == "train":
        reals = without_randomness(model.dataset(root, train=True)) if train is None else train
    if choice.limit is not None:
        test, reals = limited(test, choice.limit), limited(reals, choice.limit)
    return Data(test, reals, notes)


def limited(dataset: ImageDataset, limit: int) -> ImageDataset:
    """The first so many items; of each domain, where there are domains."""
    names = getattr(dataset, "domains", None)
    return dataset.limited(limit * len(names) if names else limit)


def item(dataset: ImageDataset, index: int) -> dict[str, np.ndarray]:
    """An item of a set in which nothing is drawn."""
    return dataset.item(index, np.random.default_rng([0, index]))


def part_of_items(dataset: ImageDataset, part: str, view: str) -> Reals:
    """The pictures that stand under ``part`` in the items; ``view`` is how they are cut."""
    key = {**identity(dataset), "part": part, "view": view}
    return Reals(key, len(dataset), lambda i: to_rgb(item(dataset, i)[part]))


def view_of(translate: Translator) -> str:
    """What the size and cut of a model's pictures follow from."""
    names = ("load_size", "crop_size", "channels", "a_side", "labels")
    return ", ".join(f"{n} {translate.options[n]}" for n in names if n in translate.options)


def run(translate: Translator, batch: np.ndarray, **options: Any) -> np.ndarray:
    """The model's output for a batch, float32 both."""
    with paddle.no_grad():
        return translate.model.translate(paddle.to_tensor(batch), **options).numpy()


def pictures_of(outputs: np.ndarray) -> np.ndarray:
    """float [N, 3 or 1, H, W] in [-1, 1] to uint8 [N, H, W, 3]."""
    return np.stack([to_rgb(output) for output in outputs])


# The models.


def of_pairs(translate: Translator, data: Data, choice: Choice) -> list[Subject]:
    """pix2pix: each source's picture, and its partner as the truth."""
    source, target = ("a", "b") if translate.model.direction == "a2b" else ("b", "a")
    labels = translate.options["labels"]
    if labels == "auto" and len(data.reals):
        flat = transforms.looks_like_labels(data.reals.read(0)["ab".index(target)])
        labels = target if flat else "none"
    return [
        Subject(
            f"{source} to {target}",
            part_of_items(data.reals, target, view_of(translate)),
            len(data.sources),
            partial(translated, translate, data.sources, source, target, choice, {}),
            has_truth=True,
            labels=labels == target,
        )
    ]


def translated(translate, dataset, source, target, choice, options) -> Iterator[Made]:
    """The pictures of the items' ``source``; truths are their ``target``, None: none."""
    for indices in choice.batches(len(dataset)):
        items = [item(dataset, i) for i in indices]
        outputs = run(translate, np.stack([x[source] for x in items]), **options)
        truths = None if target is None else pictures_of(np.stack([x[target] for x in items]))
        yield Made(pictures_of(outputs), truths)


def of_two_sides(translate: Translator, data: Data, choice: Choice) -> list[Subject]:
    """CycleGAN: each direction that there are weights for."""
    if choice.paired:
        check_partners(data.sources)
    found = []
    for options in translate.covered:
        source, target = ("a", "b") if options["direction"] == "a2b" else ("b", "a")
        sources, reals = one_side(data.sources, source), one_side(data.reals, target)
        truth = target if choice.paired else None
        found.append(
            Subject(
                f"{source} to {target}",
                part_of_items(reals, target, view_of(translate)),
                len(sources),
                partial(translated, translate, sources, source, truth, choice, options),
                has_truth=choice.paired,
                hint="; --paired, if testA/ and testB/ hold partners",
            )
        )
    return found


def one_side(dataset: ImageDataset, side: str) -> ImageDataset:
    """The unpaired set with as many items as a side has pictures: item i shows number i of it."""
    few = copy.copy(dataset)
    few.items = range(len(few.a if side == "a" else few.b))
    return few


def check_partners(dataset: ImageDataset) -> None:
    """Raise InputError unless both sides hold pictures of the same names."""
    if len(dataset.a) != len(dataset.b):
        raise InputError(
            f"--paired: the test set holds {len(dataset.a)} A and {len(dataset.b)} B; partners "
            "are as many on both sides"
        )
    for a, b in zip(dataset.a, dataset.b):
        if a.stem != b.stem:
            raise InputError(
                f"--paired: {a} stands beside {b.name}; partners have the same name, whatever "
                "the suffix"
            )


def of_photographs(translate: Translator, data: Data, choice: Choice) -> list[Subject]:
    """Colorization: each photograph without its colours, and with them as the truth."""
    view = view_of(translate)
    key = {**identity(data.reals), "part": "rgb", "view": view}
    reals = Reals(key, len(data.reals), lambda i: photograph(item(data.reals, i)))
    make = partial(colorized, translate, data.sources, choice)
    return [Subject("grey to colour", reals, len(data.sources), make, has_truth=True)]


def photograph(x: dict[str, np.ndarray]) -> np.ndarray:
    """An item's picture, uint8 [H, W, 3]."""
    return colour.lab_to_rgb(colour.decode(x["l"], x["ab"]))


def colorized(translate, dataset, choice) -> Iterator[Made]:
    """The photographs with the model's colours."""
    for indices in choice.batches(len(dataset)):
        items = [item(dataset, i) for i in indices]
        colours = run(translate, np.stack([x["l"] for x in items]))
        made = [photograph({"l": x["l"], "ab": ab}) for x, ab in zip(items, colours)]
        yield Made(np.stack(made), np.stack([photograph(x) for x in items]))


def of_drawn(translate: Translator, data: Data, choice: Choice) -> list[Subject]:
    """A model that draws from noise: as many pictures as are real, 10,000 at most."""
    if not {"count", "seed"} <= set(translate.defaults):
        raise InputError(f"{translate.name} cannot be asked for a count of pictures by a seed")
    reals = part_of_items(data.reals, "image", view_of(translate))
    count = choice.outputs or min(len(data.reals), MOST_DRAWN)
    return [Subject("drawn", reals, count, partial(drawn, translate, count, choice))]


def drawn(translate, count, choice) -> Iterator[Made]:
    """Pictures that follow from the seed and the count, whatever the batch size."""
    for start in range(0, count, AT_ONCE):
        seed = int(np.random.default_rng([choice.seed, start]).integers(2**31))
        some = np.stack(translate(count=min(AT_ONCE, count - start), seed=seed))
        for indices in choice.batches(len(some)):
            yield Made(some[indices.start : indices.stop])
