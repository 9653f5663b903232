"""Feature networks: images to features [N, D], opened from files without running their code."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import paddle
import paddle.nn.functional as F

from data_reader import transforms
from data_reader._opencv import cv2
from data_reader.errors import InputError
from paddle_gans.fast_cpu import accelerate
from paddle_gans.weights import formats

from . import inception, lpips
from .lpips import planes

PathLike = str | os.PathLike

NEEDED = (
    "FID and KID need a feature network, --features FILE: the weights of FID's Inception v3, "
    "pt_inception-2015-12-05-6726825d.pth of github.com/mseitzer/pytorch-fid/releases "
    "(tag fid_weights), or your own program, see docs/evaluation.md"
)
LPIPS_NEEDED = (
    "LPIPS needs two files, --lpips BACKBONE LINEAR: alexnet-owt-7be5be79.pth of "
    "download.pytorch.org/models, and alex.pth of github.com/richzhang/PerceptualSimilarity, "
    "lpips/weights/v0.1"
)
PROGRAMS = (".json", ".pdmodel")  # of Paddle 3 and 2
PARAMETERS = ".pdiparams"

# Bytes per number, by the framework's code for its type.
ITEM_SIZE = {0: 1, 1: 2, 2: 4, 3: 8, 4: 2, 5: 4, 6: 8, 20: 1, 21: 1, 22: 2, 23: 8, 24: 16}
MAX_DESCRIPTION = 2**16  # bytes; a tensor's type and shape take about twenty


class Features:
    """``features(images)`` maps uint8 [N, H, W, 3] to float32 [N, D].

    ``name`` is the network's name, ``files`` its files, ``fingerprint`` a hash of their bytes;
    ``dims`` is D, known after the first call.
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
        check_parameters(self.files[1])
        with program_errors(program):
            self.network = paddle.jit.load(str(prefix))
            inputs = self.network._input_spec()
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
            f"{lines[-1].strip()[:200]}"
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


def open_lpips(backbone: PathLike, linear: PathLike) -> lpips.LPIPS:
    """Open LPIPS from its two files."""
    files = [Path(backbone), Path(linear)]
    for path in files:
        if not path.is_file():
            raise InputError(f"--lpips: {path} does not exist. {LPIPS_NEEDED}")
    network = lpips.build(*map(formats.load, files), f"--lpips {files[0]} {files[1]}")
    accelerate(network)
    return network


def check_parameters(path: Path) -> None:
    """Follow the tensors of a ``.pdiparams`` to its end; the framework loads a truncated one.

    Each is a version (0), its levels of detail with their sizes, a version again, a description
    (type and shape as a protocol buffer) with its size, and the numbers.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            while file.tell() < size:
                skip_tensor(file)
            complete = file.tell() == size
    except (struct.error, ValueError, KeyError, OverflowError, OSError):
        complete = False
    if not complete:
        raise InputError(f"{path} is damaged or cut short; export the network again")


def skip_tensor(file: BinaryIO) -> None:
    """Seek behind the next tensor; its size is the product of its sides and its type's size."""

    def read(form: str) -> tuple[int, ...]:
        return struct.unpack(form, file.read(struct.calcsize(form)))

    version, levels = read("<IQ")
    for _ in range(levels):
        file.seek(*read("<Q"), 1)
    version_of_tensor, length = read("<Ii")
    if version or version_of_tensor or not 0 < length <= MAX_DESCRIPTION:
        raise ValueError("not a tensor of version 0")
    size, numbers = 1, varints(file.read(length))
    for tag in numbers:
        value = next(numbers, None)
        if tag & 7 != 0 or value is None:
            raise ValueError("a field that is not a number")
        size *= ITEM_SIZE[value] if tag >> 3 == 1 else value  # field 1 is the type, 2 a side
    file.seek(size, 1)


def varints(data: bytes) -> Iterator[int]:
    """Decode a protocol buffer's numbers: seven bits a byte, the low ones first."""
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0
