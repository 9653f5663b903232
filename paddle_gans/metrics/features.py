"""Feature networks: pictures to features [N, D], from a file; none runs code from it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Union

import numpy as np
import paddle
import paddle.nn.functional as F

from data_reader import transforms
from data_reader._opencv import cv2
from data_reader.errors import InputError
from paddle_gans.fast_cpu import accelerate
from paddle_gans.weights import formats

from . import inception, lpips
from .program_file import check_parameters

PathLike = Union[str, "os.PathLike[str]"]

NEEDED = (
    "FID and KID need a feature network, --features FILE: the weights of FID's Inception v3, "
    "pt_inception-2015-12-05-6726825d.pth of github.com/mseitzer/pytorch-fid/releases "
    "(tag fid_weights), or a program of your own, see docs/evaluation.md"
)
LPIPS_NEEDED = (
    "LPIPS needs two files, --lpips BACKBONE LINEAR: alexnet-owt-7be5be79.pth of "
    "download.pytorch.org/models, and alex.pth of github.com/richzhang/PerceptualSimilarity, "
    "lpips/weights/v0.1"
)
PROGRAMS = (".json", ".pdmodel")  # of Paddle 3 and 2
PARAMETERS = ".pdiparams"


class Features:
    """``features(pictures)``: uint8 [N, H, W, 3] to float32 [N, D].

    ``name`` says which network it is, ``files`` what it was read from, ``fingerprint`` is a hash
    of their bytes; ``dims`` is D, known after the first call.
    """

    name: str
    dims = 0

    def __init__(self, files: list[Path]):
        self.files = files
        self.fingerprint = "-".join(formats.checksum(path) for path in files)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        with paddle.no_grad():
            found = self.embed(pictures).numpy()
        if found.ndim != 2 or len(found) != len(pictures):
            raise InputError(
                f"{self.files[0]} gives {list(found.shape)} for {len(pictures)} pictures; features "
                "are [N, D]: export the network up to its last hidden layer, flattened"
            )
        if not np.isfinite(found).all():
            raise InputError(f"{self.files[0]} gives features that are not finite")
        self.dims = found.shape[1]
        return found.astype(np.float32)

    def embed(self, pictures: np.ndarray) -> paddle.Tensor:
        """The network's output for pictures, uint8 [N, H, W, 3]."""
        raise NotImplementedError


class InceptionFeatures(Features):
    """FID's Inception v3: pictures of any size, brought to 299 pixels bilinearly."""

    name = "FID's Inception v3"

    def __init__(self, path: Path):
        state = formats.load(path)
        super().__init__([path])
        self.network = inception.FIDInception()
        inception.load(self.network, state, str(path))
        self.network.eval()
        accelerate(self.network)

    def embed(self, pictures):
        x = paddle.to_tensor(planes(pictures))
        size = [inception.SIZE, inception.SIZE]
        return self.network(F.interpolate(x, size, mode="bilinear", align_corners=False))


class Program(Features):
    """A program that ``paddle.jit.save`` wrote: [N, C, H, W] in [-1, 1] to [N, D].

    Its one input says what it takes: C is 3 (RGB) or 1 (luma), H and W are sizes that pictures
    are brought to, or free. Loading it runs no Python code.
    """

    def __init__(self, prefix: Path, program: Path):
        super().__init__([program, prefix.with_name(prefix.name + PARAMETERS)])
        self.name = prefix.name
        check_parameters(self.files[1])
        with complaint(program):
            self.network = paddle.jit.load(str(prefix))
            inputs = self.network._input_spec()
        shape = [-1 if side is None else int(side) for side in inputs[0].shape]
        if len(inputs) != 1 or len(shape) != 4 or shape[1] not in (1, 3):
            raise InputError(
                f"{program} takes {', '.join(str(list(one.shape)) for one in inputs)}; a feature "
                "network takes one batch of pictures, [N, 3, H, W] or [N, 1, H, W]"
            )
        self.network.eval()
        self.channels, self.height, self.width = shape[1:]

    def embed(self, pictures):
        height, width = (
            wanted if wanted > 0 else side
            for wanted, side in zip((self.height, self.width), pictures.shape[1:3])
        )
        pictures = np.stack([transforms.resize(x, width, height) for x in pictures])
        if self.channels == 1:
            pictures = np.stack([cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[..., None] for x in pictures])
        with complaint(self.files[0]):
            return self.network(paddle.to_tensor(planes(pictures)))


@contextmanager
def complaint(path: Path):
    """Turn what the framework says of a program into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # of many types: ValueError, RuntimeError, OSError ...
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"{path} cannot be run as a feature network with Paddle {paddle.__version__}: "
            f"{said[-1].strip()[:200]}"
        ) from error


def open_features(path: PathLike) -> Features:
    """Open a feature network: a file of FID's Inception weights, or a program.

    A program is named by its prefix, or by one of its files.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    path = Path(path)
    if path.suffix.lower() in formats.SUFFIXES:
        return InceptionFeatures(path)
    is_part = path.suffix in (*PROGRAMS, PARAMETERS)
    prefix = path.with_suffix("") if is_part else path
    found = [prefix.with_name(prefix.name + suffix) for suffix in PROGRAMS]
    program = next((file for file in found if file.is_file()), None)
    if program is None:
        raise InputError(
            f"--features {path} is not there: neither weights ({', '.join(formats.SUFFIXES)}) nor "
            f"a program ({found[0].name} or {found[1].name}). {NEEDED}"
        )
    if not prefix.with_name(prefix.name + PARAMETERS).is_file():
        raise InputError(
            f"{program} has no {prefix.name}{PARAMETERS} beside it; paddle.jit.save writes both"
        )
    return Program(prefix, program)


class OpenedLPIPS(NamedTuple):
    """LPIPS and what it was read from."""

    network: lpips.LPIPS
    files: list[Path]

    @property
    def name(self) -> str:
        """Which one it is."""
        return f"LPIPS v0.1, {self.network.backbone}"

    def distances(self, pictures: np.ndarray, truths: np.ndarray) -> list[float]:
        """Distance of each picture to its truth; uint8 [N, H, W, 3] both."""
        with paddle.no_grad():
            both = (paddle.to_tensor(planes(x)) for x in (pictures, truths))
            return self.network(*both).numpy().astype(np.float64).tolist()

    def diversity(self, pictures: np.ndarray) -> float:
        """Mean distance of all pairs of pictures, uint8 [K, H, W, 3]."""
        with paddle.no_grad():
            return self.network.diversity(paddle.to_tensor(planes(pictures)))


def open_lpips(backbone: PathLike, linear: PathLike) -> OpenedLPIPS:
    """Open LPIPS from its two files.

    Raises:
        InputError: one is not there, or holds something else.
    """
    files = [Path(backbone), Path(linear)]
    for path in files:
        if not path.is_file():
            raise InputError(f"--lpips: {path} is not there. {LPIPS_NEEDED}")
    network = lpips.build(*map(formats.load, files), f"--lpips {files[0]} {files[1]}")
    accelerate(network)
    return OpenedLPIPS(network, files)


def planes(pictures: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, C] as networks take them: float32 [N, C, H, W] in [-1, 1]."""
    return np.stack([transforms.normalise(picture) for picture in pictures])
