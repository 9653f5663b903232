"""Feature networks: images to features [N, D], opened from files without running their code."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F

from data_reader import transforms
from data_reader.errors import InputError
from data_reader.images import cv2
from paddle_gans.fast_cpu import accelerate
from paddle_gans.weights import formats

from . import inception, lpips
from .lpips import planes

PathLike = str | os.PathLike

NEEDED = (
    "FID and KID need a feature network, --features FILE: the weights of FID's Inception v3, "
    "pt_inception-2015-12-05-6726825d.pth of github.com/mseitzer/pytorch-fid/releases "
    "(tag fid_weights; python -m paddle_gans.weights fetch inception), or your own program, see "
    "docs/evaluation.md"
)
LPIPS_NEEDED = (
    "LPIPS needs a classification network, --lpips BACKBONE: alexnet-owt-7be5be79.pth or "
    "vgg16-397923af.pth of download.pytorch.org/models, as python -m paddle_gans.weights fetch "
    "alexnet downloads it"
)
PROGRAMS = (".json", ".pdmodel")  # of Paddle 3 and 2
PARAMETERS = ".pdiparams"


class Features:
    """``features(images)`` maps uint8 [N, H, W, 3] to float32 [N, D].

    ``fingerprint`` is a hash of its files; ``dims`` is D, known after the first call.
    """

    name: str
    dims = 0

    def __init__(self, files: list[Path]):
        self.files = files
        self.fingerprint = "-".join(formats.checksum(path) for path in files)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        with paddle.no_grad():
            found = self.embed(images).numpy()
        if found.ndim != 2 or len(found) != len(images):
            raise InputError(
                f"{self.files[0]} returns {list(found.shape)} for {len(images)} images, not "
                "[N, D]; export the network up to its last hidden layer, flattened"
            )
        if not np.isfinite(found).all():
            raise InputError(f"{self.files[0]} returns features that are not finite")
        self.dims = found.shape[1]
        return found.astype(np.float32)

    def embed(self, images: np.ndarray) -> paddle.Tensor:
        raise NotImplementedError


class InceptionFeatures(Features):
    """FID's Inception v3; images of any size are resized bilinearly to 299 pixels."""

    name = "FID's Inception v3"

    def __init__(self, path: Path):
        state = formats.load(path)
        super().__init__([path])
        with paddle.LazyGuard():  # no random weights
            self.network = inception.FIDInception()
        inception.load(self.network, state, str(path))
        self.network.eval()
        accelerate(self.network)

    def embed(self, images):
        size = [inception.SIZE, inception.SIZE]
        x = paddle.to_tensor(planes(images))
        return self.network(F.interpolate(x, size, mode="bilinear", align_corners=False))


class Program(Features):
    """A program of ``paddle.jit.save``: [N, C, H, W] in [-1, 1] to [N, D].

    Its single input declares the images: C is 3 (RGB) or 1 (luma); images are resized to H and W
    unless these are free. Loading it runs no Python code.
    """

    def __init__(self, prefix: Path, program: Path):
        super().__init__([program, prefix.with_name(prefix.name + PARAMETERS)])
        self.name = prefix.name
        with program_errors(program):
            self.network = paddle.jit.load(str(prefix))
            inputs = self.network._input_spec()
        # The framework accepts a file without the last numbers.
        needed = sum(map(stored_size, self.network.state_dict().values()))
        if self.files[1].stat().st_size < needed:
            raise InputError(f"{self.files[1]} is cut short; export the network again")
        shape = [-1 if side is None else int(side) for side in inputs[0].shape]
        if len(inputs) != 1 or len(shape) != 4 or shape[1] not in (1, 3):
            raise InputError(
                f"{program} takes {', '.join(str(list(one.shape)) for one in inputs)}; a feature "
                "network takes one batch of images, [N, 3, H, W] or [N, 1, H, W]"
            )
        self.network.eval()
        self.channels, self.height, self.width = shape[1:]

    def embed(self, images):
        height, width = (
            wanted if wanted > 0 else side
            for wanted, side in zip((self.height, self.width), images.shape[1:3])
        )
        images = [transforms.resize(x, width, height) for x in images]
        if self.channels == 1:
            images = [cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[..., None] for x in images]
        with program_errors(self.files[0]):
            return self.network(paddle.to_tensor(planes(images)))


@contextmanager
def program_errors(path: Path):
    """Turn the framework's errors about a program into an InputError."""
    try:
        yield
    except Exception as error:  # of many types: ValueError, RuntimeError, OSError ...
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"{path} cannot be run as a feature network with Paddle {paddle.__version__}: "
            f"{lines[-1].strip()[:200]}; export the network again"
        ) from error


def open_features(path: PathLike) -> Features:
    """Open FID's Inception weights, or a program by its prefix or a file of it."""
    path = Path(path)
    if path.suffix.lower() in formats.SUFFIXES:
        return InceptionFeatures(path)
    is_part = path.suffix in (*PROGRAMS, PARAMETERS)
    prefix = path.with_suffix("") if is_part else path
    candidates = [prefix.with_name(prefix.name + suffix) for suffix in PROGRAMS]
    program = next((file for file in candidates if file.is_file()), None)
    if program is None:
        raise InputError(
            f"--features {path} does not exist, neither as weights ({', '.join(formats.SUFFIXES)}) "
            f"nor as a program ({candidates[0].name} or {candidates[1].name}). {NEEDED}"
        )
    if not prefix.with_name(prefix.name + PARAMETERS).is_file():
        raise InputError(
            f"{program} has no {prefix.name}{PARAMETERS} beside it; paddle.jit.save writes both"
        )
    return Program(prefix, program)


def open_lpips(backbone: PathLike, linear: PathLike | None = None) -> lpips.LPIPS:
    """Open LPIPS from a backbone's file, with the authors' linear weights or those of a file."""
    files = [Path(path) for path in (backbone, linear) if path is not None]
    for path in files:
        if not path.is_file():
            raise InputError(f"--lpips: {path} does not exist. {LPIPS_NEEDED}")
    trunk, weights = [*map(formats.load, files), None][:2]
    network = lpips.build(trunk, weights, f"--lpips {' '.join(map(str, files))}")
    accelerate(network)
    return network


def stored_size(x: paddle.Tensor) -> int:
    """Bytes of a tensor in a ``.pdiparams``: a header, the sides as a protocol buffer, numbers."""
    sides = sum(1 + max(1, -(-side.bit_length() // 7)) for side in x.shape)
    return 22 + sides + x.numpy().nbytes
