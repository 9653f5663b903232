"""Choose the metrics that a model allows, and compute them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from data_reader.atomic import atomic_write
from data_reader.errors import InputError

from . import METRICS, EvalConfig, distances, features, image_metrics, labels, lpips
from .tasks import Batch, EvalTask, RealImages

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

CACHE_FORMAT = 1  # of saved features; increase it when the meaning of the files changes

Values = dict[str, float]
OnProgress = Callable[[int], None]  # gets the number of images done since the last call


class Tools:
    """The networks and settings that metrics are computed with; ``folder`` gets the features."""

    def __init__(self, config: EvalConfig, folder: Path):
        self.config = config
        self.features = features.open_features(config.features) if config.features else None
        self.lpips = features.open_lpips(*config.lpips) if config.lpips else None
        self.palette = labels.read_palette(config.palette) if config.palette else None
        self.cache = None if config.no_cache else Path(config.cache or folder / "metrics_cache")


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
        useless = [why_meaningless(metric, task, tools, is_asked) for task in tasks]
        if any(useless) and not is_asked:
            continue
        missing = [why_unavailable(metric, task, tools, side) for task in tasks]
        reason = next(filter(None, useless + missing), None)
        if reason is None:
            chosen.append(metric)
        elif is_asked:
            raise InputError(f"--metrics {metric}: {reason}")
        elif reason not in notes:
            notes.append(reason)
    if not chosen:
        raise InputError(f"no metric is possible. {'. '.join(notes)}")
    return chosen, notes


def why_meaningless(metric: str, task: EvalTask, tools: Tools, is_asked: bool) -> str | None:
    """Return why a metric says nothing about the task's outputs; None if it does."""
    if metric in ("fid", "kid") or (metric == "lpips" and task.one_source):
        return None
    if not task.has_truth:
        return None if metric == "lattice" else f"{task.name} has no truth{task.hint}"
    are_labels = task.labels or tools.palette is not None
    if are_labels == (metric == "labels") or (is_asked and metric != "labels"):
        return None
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
    task: EvalTask, metrics: Sequence[str], tools: Tools, on_progress: OnProgress
) -> Values:
    """Compute the metrics of one task."""
    palette = tools.palette
    if "labels" in metrics and palette is None:
        palette = labels.palette_of(map(task.reals.read, range(task.reals.count)))
    found = Accumulator(metrics, tools, palette)
    for batch in task.generate():
        found.add(batch)
        on_progress(len(batch.images))
    values: Values = {}
    if found.features:
        batch_size = tools.config.batch_size
        real = features_of(task.reals, tools.features, tools.cache, batch_size, on_progress)
        values.update(feature_distances(np.concatenate(found.features), real, metrics, tools))
    if "lattice" in metrics and not task.has_truth:
        known, count = task.reals.lattices, lattice_count(task)
        for index in range(len(known), count):
            known.append(image_metrics.lattice(task.reals.read(index)))
            on_progress(1)
        found.add_values("lattice_truth", known[:count])
    return {**values, **found.means()}


def features_of(
    reals: RealImages,
    network: features.Features,
    folder: Path | None,
    batch_size: int,
    on_progress: OnProgress = lambda count: None,
) -> np.ndarray:
    """Return the features [N, D] of real images: saved ones, or new ones, which are saved."""
    path = folder / file_name(reals, network) if folder else None
    if reals.features is None and path:
        reals.features = read_saved(path, reals.count)
    if reals.features is None:
        parts = []
        for start in range(0, reals.count, batch_size):
            indices = range(start, min(start + batch_size, reals.count))
            parts.append(network(np.stack([reals.read(i) for i in indices])))
            on_progress(len(indices))
        reals.features = np.concatenate(parts)
        if path:
            with atomic_write(path) as file:
                np.save(file, reals.features, allow_pickle=False)
    return reals.features


def file_name(reals: RealImages, network: features.Features) -> str:
    """Return the name of saved features: a hash of all that they depend on."""
    key = {"format": CACHE_FORMAT, "features": network.fingerprint, "reals": dict(reals.key)}
    text = json.dumps({**key, "count": reals.count}, sort_keys=True)
    return f"real_{hashlib.sha256(text.encode()).hexdigest()[:32]}.npy"


def read_saved(path: Path, count: int) -> np.ndarray | None:
    """Read saved features; None if the file is missing or damaged."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = found.ndim == 2 and len(found) == count and found.dtype == np.float32
    return found if fits else None


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
