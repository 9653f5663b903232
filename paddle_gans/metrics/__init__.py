"""Metrics of trained models: what the user can choose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from data_reader.errors import InputError
from paddle_gans.training.options import require_at_least

Metric = Literal["fid", "kid", "lpips", "psnr", "ssim", "ciede2000", "chroma", "labels", "lattice"]
METRICS = get_args(Metric)


@dataclass(frozen=True)
class EvalConfig:
    """The settings of an evaluation: each field is a flag, with its comment as help."""

    # files

    # a .pdparams file of a run folder, the folder, or the name of trained weights:
    # `python -m paddle_gans.weights` lists them
    weights: str | None = None
    # the data set, in a layout for training, or `demo`: the embedded images
    data: list[str] | None = None
    data_root: str | None = None  # what the lines of a list file in --data are relative to
    output: str | None = None  # JSON file to write (metrics.json beside the weights)

    # metrics

    # fid, kid, lpips, psnr, ssim, ciede2000, chroma, labels or lattice (all that the model and the
    # files allow)
    metrics: list[Metric] | None = None
    # for fid and kid: the weights of FID's Inception v3 (.pth or .pdparams), or a program of
    # paddle.jit.save that returns features [N, D]
    features: str | None = None
    # for lpips: AlexNet or VGG-16 of torchvision, and a file of linear weights (those of LPIPS 0.1,
    # which come with the package)
    lpips: list[str] | None = None
    palette: str | None = None  # for labels: `R G B name` a line (the colours of the truth)
    kid_subset: int = 1000  # images in each of KID's 100 subsets

    # images

    limit: int | None = None  # the first N sources and real images of each set
    seed: int = 0  # seed of all random choices
    # StarGAN v2: styles of a source and domain (10); models that generate from noise: images (as
    # many as are real, at most 10000)
    outputs: int | None = None
    # images that fid and kid compare with (test; train for StarGAN v2, as in its paper, and for
    # models that generate from noise)
    real: Literal["train", "test"] | None = None
    # unpaired data: testA/ and testB/ hold partners of equal names, which are the truth
    paired: bool = False

    # machine

    batch_size: int = 16  # images at a time
    device: str = "auto"  # auto, cpu, gpu or gpu:K
    amp: Literal["off", "bf16", "fp16"] = "off"  # mixed precision
    # where features of real images are saved (metrics_cache beside the output)
    cache: str | None = None
    no_cache: bool = False  # save no features

    def __post_init__(self):
        if self.weights is None:
            raise InputError("--weights is missing: give a run folder, a file of it, or a name")
        if self.data is None:
            raise InputError("--data is missing: give the data set to evaluate on, or `demo`")
        least = {"limit": 1, "batch_size": 1, "outputs": 1, "kid_subset": 2, "seed": 0}
        require_at_least(least, vars(self))
        if self.lpips is not None and len(self.lpips) > 2:
            raise InputError(f"--lpips takes one or two files, not {len(self.lpips)}")
        if self.no_cache and self.cache is not None:
            raise InputError("--cache and --no-cache exclude each other; give one of them")

    def batches(self, count: int) -> Iterator[range]:
        """Split the indices below ``count`` into batches."""
        for start in range(0, count, self.batch_size):
            yield range(start, min(start + self.batch_size, count))
