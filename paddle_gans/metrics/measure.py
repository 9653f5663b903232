"""Choose the metrics that a model allows, and compute them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_reader.errors import InputError

from . import METRICS, EvalConfig, distances, features, image_metrics, labels, lpips
from .cache import Cache
from .tasks import Batch, EvalTask

AGAINST_TRUTH = {
    "psnr": image_metrics.psnr,
    "ssim": image_metrics.ssim,
    "ciede2000": image_metrics.ciede2000,
}
OF_IMAGES = {"chroma": image_metrics.chroma, "lattice": image_metrics.lattice}
MIN_SIDE = {  # pixels
    "ssim": image_metrics.WINDOW,
    "lpips": lpips.MIN_SIDE,
    "lattice": image_metrics.MIN_LATTICE_SIDE,
}
RATIOS = ("lattice", "lattice_truth", "lattice_ratio")  # their means are geometric

Values = dict[str, float]


@dataclass(frozen=True)
class Tools:
    """The networks and settings that metrics are computed with."""

    config: EvalConfig
    features: features.Features | None
    lpips: lpips.LPIPS | None
    palette: labels.Palette | None
    cache: Cache


def open_tools(config: EvalConfig, folder: Path) -> Tools:
    """Open the networks and the palette that metrics need; ``folder`` gets the features."""
    saved = None if config.no_cache else Path(config.cache or folder / "metrics_cache")
    return Tools(
        config,
        features.open_features(config.features) if config.features else None,
        features.open_lpips(*config.lpips) if config.lpips else None,
        labels.read_palette(config.palette) if config.palette else None,
        Cache(saved),
    )


def choose(tasks: Sequence[EvalTask], tools: Tools) -> tuple[list[str], list[str]]:
    """Return the metrics to compute, and why others are not available.

    Unless the user asked for some, all that are possible; meaningless ones are then omitted
    without a note.
    """
    asked = tools.config.metrics
    chosen, notes = [], []
    side = min(tasks[0].reals.read(0).shape[:2])
    is_asked = asked is not None
    for metric in dict.fromkeys(asked) if is_asked else METRICS:
        useless = next((t for t in tasks if not has_meaning(metric, t, tools, is_asked)), None)
        if useless is not None:
            if is_asked:
                raise InputError(f"--metrics {metric}: {why_meaningless(useless)}")
            continue
        missing = filter(None, (why_unavailable(metric, t, tools, side) for t in tasks))
        reason = next(missing, None)
        if reason is None:
            chosen.append(metric)
        elif is_asked:
            raise InputError(f"--metrics {metric}: {reason}")
        elif reason not in notes:
            notes.append(reason)
    if not chosen:
        raise InputError(f"no metric is possible. {'. '.join(notes)}")
    return chosen, notes


def has_meaning(metric: str, task: EvalTask, tools: Tools, is_asked: bool) -> bool:
    """Whether a metric says something about the task's outputs."""
    if metric in ("fid", "kid") or (metric == "lpips" and task.one_source):
        return True
    are_labels = task.labels or tools.palette is not None
    if metric == "lattice":
        return is_asked or not (task.has_truth and are_labels)
    if metric == "labels":
        return task.has_truth and are_labels
    return task.has_truth and (is_asked or not are_labels)


def why_meaningless(task: EvalTask) -> str:
    if not task.has_truth:
        return f"{task.name} has no truth to compare with{task.hint}"
    return "the truth is not a label map (flat areas of a few colours); name classes by --palette"


def why_unavailable(metric: str, task: EvalTask, tools: Tools, side: int) -> str | None:
    """Return what a metric lacks; None if it can be computed."""
    if metric in ("fid", "kid") and tools.features is None:
        return features.NEEDED
    if metric == "lpips" and tools.lpips is None:
        return features.LPIPS_NEEDED
    count, what = min((task.count, "generated"), (task.reals.count, "real"))
    few = f"{task.name}: {count} {what} image{'' if count == 1 else 's'}"
    if metric == "fid" and count < 2:
        return f"{few}; FID needs at least 2"
    subset = tools.config.kid_subset
    if metric == "kid" and count < subset:
        hint = f"; use --kid-subset {count // 2}" if count > 3 else ""
        return f"{few}, fewer than a subset of KID has, {subset}{hint}"
    if side < MIN_SIDE.get(metric, 0):
        name = metric if metric == "lattice" else metric.upper()
        return f"{name} needs {MIN_SIDE[metric]} pixels a side, the images have {side}"
    return None


def measure(
    task: EvalTask, metrics: Sequence[str], tools: Tools, on_progress: Callable[[int], None]
) -> Values:
    """Compute the metrics of one task; ``on_progress`` is called with counts of images."""
    palette = tools.palette
    if "labels" in metrics and palette is None:
        palette = labels.palette_of(map(task.reals.read, range(task.reals.count)))
    found = Accumulator(metrics, tools, palette)
    for batch in task.generate():
        found.add(batch)
        on_progress(len(batch.images))
    values: Values = {}
    if found.features:
        real = tools.cache.features_of(
            task.reals, tools.features, tools.config.batch_size, on_progress
        )
        values.update(feature_distances(np.concatenate(found.features), real, metrics, tools))
    if "lattice" in metrics and not task.has_truth:
        real = tools.cache.lattices_of(task.reals, lattice_count(task), on_progress)
        found.add_values("lattice_truth", real)
    return {**values, **found.means()}


def lattice_count(task: EvalTask) -> int:
    """Return how many real images the lattice is compared with if there is no truth."""
    return min(task.count, task.reals.count)


def feature_distances(
    made: np.ndarray, real: np.ndarray, metrics: Sequence[str], tools: Tools
) -> Values:
    """Compute FID and KID of features [N, D] and [M, D]."""
    values: Values = {}
    if "fid" in metrics:
        gaussians = map(distances.gaussian, (made, real))
        values["fid"] = distances.frechet_distance(*gaussians)
    if "kid" in metrics:
        subset = {"subset": tools.config.kid_subset, "seed": tools.config.seed}
        values["kid"], values["kid_std"] = distances.kid(made, real, **subset)
    return values


class Accumulator:
    """Keeps the features and per-image values of the generated images."""

    def __init__(self, metrics: Sequence[str], tools: Tools, palette: labels.Palette | None):
        self.metrics, self.tools, self.palette = metrics, tools, palette
        self.features: list[np.ndarray] = []
        self.values: dict[str, list[float]] = {}
        self.counts: np.ndarray | None = None  # of pixels, by class

    def add(self, batch: Batch) -> None:
        images, truths = batch
        if "fid" in self.metrics or "kid" in self.metrics:
            self.features.append(self.tools.features(images))
        if truths is not None:
            self.compare(images, truths)
        elif "lpips" in self.metrics:
            self.add_values("lpips_diversity", [self.tools.lpips.diversity(images)])
        for name, metric in OF_IMAGES.items():
            if name in self.metrics:
                self.add_values(name, map(metric, images))
                self.add_values(f"{name}_truth", map(metric, [] if truths is None else truths))

    def compare(self, images: np.ndarray, truths: np.ndarray) -> None:
        if truths.shape != images.shape:
            raise InputError(
                f"images of {list(images.shape[1:3])} pixels have truths of "
                f"{list(truths.shape[1:3])}; both need one size"
            )
        if "lpips" in self.metrics:
            self.add_values("lpips", self.tools.lpips.distances(images, truths))
        for name, metric in AGAINST_TRUTH.items():
            if name in self.metrics:
                self.add_values(name, map(metric, images, truths))
        if "labels" in self.metrics:
            counts = sum(labels.confusion(self.palette, *pair) for pair in zip(images, truths))
            self.counts = counts if self.counts is None else self.counts + counts

    def add_values(self, name: str, values: Iterable[float]) -> None:
        self.values.setdefault(name, []).extend(values)

    def means(self) -> Values:
        """Return the means over the images, and the accuracies of label maps."""
        means = {name: mean_of(name, values) for name, values in self.values.items()}
        if "lattice" in means:
            means["lattice_ratio"] = means["lattice"] / means["lattice_truth"]
        if self.counts is not None:
            means.update(labels.accuracies(self.counts))
        return means


def group_means(rows: dict[str, Values], tasks: Sequence[EvalTask]) -> dict[str, Values]:
    groups: dict[str, list[Values]] = {}
    for task in tasks:
        if task.group:
            groups.setdefault(task.group, []).append(rows[task.name])
    return {
        group: {key: mean_of(key, [row[key] for row in found]) for key in found[0]}
        for group, found in groups.items()
    }


def mean_of(name: str, values: Sequence[float]) -> float:
    """Return the mean of a metric: geometric for ratios, arithmetic otherwise."""
    return image_metrics.geometric_mean(values) if name in RATIOS else float(np.mean(values))
