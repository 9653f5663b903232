"""The figures of what a model made: which of them there can be, and their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from data_reader.errors import InputError

from . import METRICS, distances, labels, lpips, pictures
from .cache import Cache
from .features import LPIPS_NEEDED, NEEDED, Features, OpenedLPIPS
from .labels import Palette
from .subjects import Made, Subject

KID_SUBSET = 1000  # pictures, as is usual
AGAINST_TRUTH = {"psnr": pictures.psnr, "ssim": pictures.ssim, "ciede2000": pictures.ciede2000}
SMALLEST = {  # pixels a side
    "ssim": pictures.WINDOW,
    "lpips": lpips.SMALLEST,
    "lattice": pictures.LATTICE_SMALLEST,
}
RATIOS = ("lattice", "lattice_truth", "lattice_ratio")  # their means are geometric

Figures = dict[str, float]


@dataclass(frozen=True)
class Tools:
    """What figures are found with."""

    features: Optional[Features] = None
    lpips: Optional[OpenedLPIPS] = None
    palette: Optional[Palette] = None
    kid_subset: int = KID_SUBSET
    seed: int = 0
    cache: Cache = field(default_factory=Cache)
    batch_size: int = 16


def choose(
    asked: Optional[Sequence[str]], subjects: Sequence[Subject], tools: Tools
) -> tuple[list[str], list[str]]:
    """The metrics that are measured, and why others are not.

    Without ``asked``, all that there can be. What has no meaning for a model is left out without a
    word, unless it is asked for.

    Raises:
        InputError: one that is asked for cannot be, or none is left.
    """
    chosen, notes = [], []
    side = min(subjects[0].reals.read(0).shape[:2])
    is_asked = asked is not None
    for metric in dict.fromkeys(asked) if is_asked else METRICS:
        senseless = next((s for s in subjects if not has_meaning(metric, s, tools, is_asked)), None)
        if senseless is not None:
            if is_asked:
                raise InputError(f"--metrics {metric}: {no_meaning(metric, senseless)}")
            continue
        lack = next(filter(None, (lacks(metric, s, tools, side) for s in subjects)), None)
        if lack is None:
            chosen.append(metric)
        elif is_asked:
            raise InputError(f"--metrics {metric}: {lack}")
        elif lack not in notes:
            notes.append(lack)
    if not chosen:
        raise InputError(f"there is nothing to measure by. {'. '.join(notes)}")
    return chosen, notes


def has_meaning(metric: str, subject: Subject, tools: Tools, is_asked: bool) -> bool:
    """Whether a metric says something about what is made."""
    if metric in ("fid", "kid") or (metric == "lpips" and subject.together):
        return True
    are_labels = subject.labels or tools.palette is not None
    if metric == "lattice":
        return is_asked or not (subject.has_truth and are_labels)
    if metric == "labels":
        return subject.has_truth and are_labels
    return subject.has_truth and (is_asked or not are_labels)


def no_meaning(metric: str, subject: Subject) -> str:
    """Why it says nothing."""
    if not subject.has_truth:
        return f"{subject.name} has no truth to compare with{subject.hint}"
    return "the truth is no label map (flat areas of a few colours); --palette FILE names classes"


def lacks(metric: str, subject: Subject, tools: Tools, side: int) -> Optional[str]:
    """What is missing for a metric; None: nothing."""
    if metric in ("fid", "kid") and tools.features is None:
        return NEEDED
    if metric == "lpips" and tools.lpips is None:
        return LPIPS_NEEDED
    count, what = min((subject.count, "made"), (subject.reals.count, "real"))
    few = f"{subject.name}: {count} {what} picture{'' if count == 1 else 's'}"
    if metric == "fid" and count < 2:
        return f"{few}; FID needs 2 at least"
    if metric == "kid" and count < tools.kid_subset:
        hint = f"; --kid-subset {count // 2} would do" if count > 3 else ""
        return f"{few}, fewer than KID draws for a subset, {tools.kid_subset}{hint}"
    if side < SMALLEST.get(metric, 0):
        name = metric if metric == "lattice" else metric.upper()
        return f"{name} needs {SMALLEST[metric]} pixels a side, the images have {side}"
    return None


def measure(
    subject: Subject, metrics: Sequence[str], tools: Tools, tick: Callable[[int], None]
) -> Figures:
    """The figures of one subject, in the order of ``METRICS``.

    ``tick`` is called with how many pictures were looked at.

    Raises:
        InputError: a picture cannot be read, or is of another size than its truth.
    """
    palette = tools.palette
    if "labels" in metrics and palette is None:
        palette = labels.palette_of(map(subject.reals.read, range(subject.reals.count)))
    gathered = Gathered(metrics, tools, palette)
    for made in subject.make():
        gathered.take(made)
        tick(len(made.pictures))
    found: Figures = {}
    if gathered.features:
        real = tools.cache.features_of(subject.reals, tools.features, tools.batch_size, tick)
        found.update(apart(np.concatenate(gathered.features), real, metrics, tools))
    if "lattice" in metrics and not subject.has_truth:
        count = lattice_reals(subject)
        gathered.add("lattice_truth", tools.cache.lattices_of(subject.reals, count, tick))
    found.update(gathered.means())
    return found


def lattice_reals(subject: Subject) -> int:
    """How many real images the results' lattice is compared with, where there is no truth."""
    return min(subject.count, subject.reals.count)


def apart(made: np.ndarray, real: np.ndarray, metrics: Sequence[str], tools: Tools) -> Figures:
    """FID and KID of features [N, D] and [M, D]."""
    found: Figures = {}
    if "fid" in metrics:
        gaussians = map(distances.gaussian, (made, real))
        found["fid"] = distances.frechet_distance(*gaussians)
    if "kid" in metrics:
        subset = {"subset": tools.kid_subset, "seed": tools.seed}
        found["kid"], found["kid_std"] = distances.kid(made, real, **subset)
    return found


class Gathered:
    """What is kept of the pictures that were made: features, and sums."""

    def __init__(self, metrics: Sequence[str], tools: Tools, palette: Optional[Palette]):
        self.metrics, self.tools, self.palette = metrics, tools, palette
        self.features: list[np.ndarray] = []
        self.values: dict[str, list[float]] = {}
        self.counts: Optional[np.ndarray] = None  # of pixels, by class

    def take(self, made: Made) -> None:
        """Look at some pictures."""
        if "fid" in self.metrics or "kid" in self.metrics:
            self.features.append(self.tools.features(made.pictures))
        if "lpips" in self.metrics and made.truths is None:
            self.add("lpips_diversity", [self.tools.lpips.diversity(made.pictures)])
        if made.truths is not None:
            self.compare(made)
        if "lattice" in self.metrics:
            self.add("lattice", map(pictures.lattice, made.pictures))
            if made.truths is not None:
                self.add("lattice_truth", map(pictures.lattice, made.truths))

    def compare(self, made: Made) -> None:
        """Measure images against their truths.

        Raises:
            InputError: they differ in size.
        """
        if made.truths.shape != made.pictures.shape:
            raise InputError(
                f"pictures of {list(made.pictures.shape[1:3])} pixels have truths of "
                f"{list(made.truths.shape[1:3])}; both need one size"
            )
        if "lpips" in self.metrics:
            self.add("lpips", self.tools.lpips.distances(*made))
        both = list(zip(*made))
        for name, of in AGAINST_TRUTH.items():
            if name in self.metrics:
                self.add(name, (of(*pair) for pair in both))
        if "chroma" in self.metrics:
            self.add("chroma", map(pictures.chroma, made.pictures))
            self.add("chroma_truth", map(pictures.chroma, made.truths))
        if "labels" in self.metrics:
            counts = sum(labels.confusion(self.palette, *pair) for pair in both)
            self.counts = counts if self.counts is None else self.counts + counts

    def add(self, name: str, values: Iterable[float]) -> None:
        """Values of a figure, one a picture."""
        self.values.setdefault(name, []).extend(values)

    def means(self) -> Figures:
        """The figures that are means over the pictures, and those of label maps."""
        found = {name: mean_of(name, values) for name, values in self.values.items()}
        if "lattice" in found:
            found["lattice_ratio"] = found["lattice"] / found["lattice_truth"]
        if self.counts is not None:
            found.update(labels.accuracies(self.counts))
        return found


def means(figures: dict[str, Figures], groups: dict[str, list[str]]) -> dict[str, Figures]:
    """The mean of each group's rows."""
    return {
        group: {key: mean_of(key, [figures[n][key] for n in names]) for key in figures[names[0]]}
        for group, names in groups.items()
    }


def mean_of(name: str, values: Sequence[float]) -> float:
    """The mean that suits a figure: geometric for ratios, arithmetic for the others."""
    return pictures.geometric_mean(values) if name in RATIOS else float(np.mean(values))
