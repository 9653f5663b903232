"""3x3 convolutions with four multiplications instead of nine.

Winograd's minimal filtering F(2x2, 3x3): each input tile of 4 x 4 pixels (stride 2) and each kernel
are transformed to sixteen numbers, which are multiplied and summed over the channels; a last
transform turns the sixteen sums into 2 x 2 pixels of the result. The gradients use the adjoint
transforms. Rounding errors are those of the direct algorithm. Source: Lavin and Gray, "Fast
Algorithms for Convolutional Neural Networks", CVPR 2016.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from ctypes import c_void_p
from functools import partial

import numpy as np
import paddle
from paddle import Tensor

from . import primitives
from .geometry import Geometry
from .memory import array
from .onednn import (
    BF16,
    DIRECT,
    F32,
    QUERY_ARGUMENT,
    SECOND,
    SOURCE,
    TARGET,
    TRAINING,
    WEIGHTS,
    Layout,
    OneDNN,
    OneDNNError,
    align,
    any_order,
    c_order,
    numbers,
)
from .primitives import Primitive

# One axis of each transform: of an input tile, of a kernel, and of sixteen products.
INPUT = np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], "float32")
KERNEL = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], "float32")
RESULT = np.array([[1, 1, 1, 0], [0, 1, -1, -1]], "float32")
FLIPPED = [3, 1, 2, 0]  # the rows of KERNEL for a kernel that is flipped
BIAS_TERM = 5  # the one of sixteen products that is a term of every element of the result
ADD = 0x1FFF0  # algorithm
KINDS = {"x": 1, "w": 2, "y": 3, "bias": 4}  # the caller's arrays; numbers of our own
MIN_CHANNELS = 96  # from here the products outweigh the transforms
MIN_TILES = 64  # of an image; from here they outweigh the kernels' transforms
CHUNK_BYTES = 2**25  # of transformed images at a time
MAX_BYTES = 2**28  # of one transformed image


def both(axis: np.ndarray) -> np.ndarray:
    """Return the transform of both axes, a matrix [rows**2, columns**2], given that of one."""
    return np.kron(axis, axis)


def suits(target: str, geometry: Geometry) -> bool:
    """Whether minimal filtering is faster for a product of a convolution."""
    x, w, y, stride, before, after, dilation, groups, bf16 = geometry
    if w[2:] != (3, 3) or stride != (1, 1) or dilation != (1, 1) or groups != 1:
        return False
    if target == "x" and max(*before, *after) > 2:
        return False
    sides = (x if target == "x" else y)[2:]
    tiles = sides[0] * sides[1] // 4
    fits = 4 * 16 * tiles * max(x[1], y[1]) <= MAX_BYTES
    even = sides[0] % 2 == sides[1] % 2 == 0
    # bfloat16 makes the products faster, and not the transforms.
    enough = min(x[1], y[1]) >= (2 * MIN_CHANNELS if bf16 else MIN_CHANNELS)
    return even and fits and enough and tiles >= MIN_TILES


def compute(target: str, geometry: Geometry, operands: Mapping[str, Tensor]) -> Tensor | None:
    """Return ``target`` as a new tensor, given the other two contiguous arrays (and a bias).

    Returns None if oneDNN lacks one of the stages.
    """
    result = paddle.empty(getattr(geometry, target), "float32")
    arrays = {**{name: array(t) for name, t in operands.items()}, target: array(result)}
    count, channels = geometry.x[0], max(geometry.x[1], geometry.y[1])
    step = max(1, CHUNK_BYTES // (16 * channels * geometry.x[2] * geometry.x[3]))
    for start in range(0, count, step):
        part = {n: a[start : start + step] if n in "xy" else a for n, a in arrays.items()}
        if target == "w" and start:
            part["w"] = np.empty_like(part["w"])
        some = geometry._replace(x=part["x"].shape, y=part["y"].shape)
        make = partial(Filtering, target=target, geometry=some, bias="bias" in part)
        key = ("winograd", target, some, "bias" in part)
        if not primitives.run(key, make, {KINDS[n]: a.ctypes.data for n, a in part.items()}):
            return None
        if target == "w" and start:
            arrays["w"] += part["w"]
    return result


class Filtering(Primitive):
    """All stages of a product of a convolution."""

    def __init__(self, dnn: OneDNN, target: str, geometry: Geometry, bias: bool):
        self.constants: list[np.ndarray] = []
        self.product = target, geometry, bias
        super().__init__(dnn, {}, 0, None)

    def prepare(self, *_) -> None:
        target, geometry, bias = self.product
        self.dtype = BF16 if geometry.bf16 else F32  # of the products' factors
        if target == "w":
            self.prepare_weights(geometry)
        else:
            self.prepare_images(target, geometry, bias)

    def prepare_images(self, target: str, geometry: Geometry, bias: bool) -> None:
        """Prepare the stages that compute y, or x: a convolution with the kernel flipped."""
        (out, channels), source = geometry.w[:2], "y" if target == "x" else "x"
        before, after, kernel = geometry.before, geometry.after, KERNEL
        if target == "x":
            before, after = (tuple(2 - p for p in side) for side in (before, after))
            kernel = KERNEL[FLIPPED]
        n, inner, outer = geometry.x[0], channels, out
        if target == "x":
            inner, outer = out, channels
        sides = getattr(geometry, target)[2:]
        rows, columns = sides[0] // 2, sides[1] // 2
        tiles = rows * columns

        # The kernels, [16, O, C].
        matrices = self.reserve(16 * out * channels)
        flat = self.outside("w", Layout((9, out * channels), (1, 0)))
        self.multiply(self.constant(both(kernel)), flat, self.at(matrices, (16, out * channels)))
        # The tiles, [16, N, C, tiles], and their products with the kernels.
        spread = self.reserve(16 * n * max(inner, outer) * tiles)
        images = self.reserve(n * max(16 * inner, 4 * outer) * tiles)  # and their sums
        shape = (n, inner, *getattr(geometry, source)[2:])
        self.tiles(source, shape, INPUT, before, after, spread, images)
        order = (0, 1, 3, 2) if target == "x" else None
        kernels = self.at(matrices, (16, 1, outer, inner), order)
        if geometry.bf16:
            kernels = self.rounded(kernels, (16, 1, outer, inner), order)
        products = self.at(spread, (16, n, outer, tiles))
        factors = self.at(images, (16, n, inner, tiles), dtype=self.dtype)
        self.multiply(kernels, factors, products)
        if bias:
            self.add_bias(spread + 4 * BIAS_TERM * n * outer * tiles, (n, outer, tiles))
        # Their sums, four numbers a tile, moved to their pixels.
        size = n * outer * tiles
        summed, constant = self.at(images, (4, size)), self.constant(both(RESULT))
        self.multiply(constant, self.at(spread, (16, size)), summed)
        shape = (2, 2, n * outer, rows, columns)
        self.copy(self.at(images, shape), self.outside(target, Layout(shape, (2, 3, 0, 4, 1))))

    def prepare_weights(self, geometry: Geometry) -> None:
        """Prepare the stages of the gradient of w, with each transform's adjoint."""
        (out, channels), n = geometry.w[:2], geometry.x[0]
        tiles = geometry.y[2] // 2 * (geometry.y[3] // 2)
        spread = self.reserve(16 * n * max(out * channels, max(out, channels) * tiles))
        images = self.reserve(16 * n * channels * tiles)
        slopes = self.reserve(16 * n * out * tiles)
        self.tiles("x", geometry.x, INPUT, geometry.before, geometry.after, spread, images)
        self.tiles("y", geometry.y, RESULT.T, (0, 0), (0, 0), spread, slopes)
        transposed = self.at(images, (16, n, tiles, channels), (0, 1, 3, 2), self.dtype)
        products = self.at(spread, (16, n, out, channels))
        factors = self.at(slopes, (16, n, out, tiles), dtype=self.dtype)
        self.multiply(factors, transposed, products)
        # Sum over the images as well.
        back = self.constant(np.repeat(both(KERNEL), n, axis=0))
        kernels = self.at(spread, (out * channels, 16 * n), (1, 0))
        self.multiply(kernels, back, self.outside("w", c_order((out * channels, 9))))

    def reserve(self, count: int) -> int:
        """Reserve space for ``count`` numbers in the working memory; returns its offset."""
        offset, self.size = self.size, self.size + align(4 * count)
        return offset

    def at(self, offset: int, shape, order=None, dtype: int = F32):
        """Return (descriptor, memory) of an array in the working memory."""
        assert offset + 4 * math.prod(shape) <= self.size, "beyond the working memory"
        descriptor = self.describe(Layout(shape, order or range(len(shape)), dtype))
        memory = self.memory(descriptor)
        self.inner.append((memory, offset))
        return descriptor, memory

    def outside(self, name: str, layout: Layout):
        """Return (descriptor, memory) of a caller's array."""
        descriptor = self.describe(layout)
        memory = self.outer[KINDS[name]] = self.memory(descriptor)
        return descriptor, memory

    def constant(self, values: np.ndarray):
        """Return (descriptor, memory) of a constant array."""
        values = np.ascontiguousarray(values)
        self.constants.append(values)
        descriptor = self.describe(c_order(values.shape))
        memory = self.memory(descriptor)
        self.dnn.library.dnnl_memory_set_data_handle(memory, values.ctypes.data)
        return descriptor, memory

    def describe(self, layout: Layout):
        return self.own("memory_desc", self.dnn.describe(layout))

    def add_stage(self, name: str, arguments, *settings) -> None:
        """Add a primitive, given its arguments' (descriptor, memory)."""
        made = self.dnn.make(f"{name}_primitive_desc_create", *settings, self.dnn.attributes)
        memories = {kind: memory for kind, (_, memory) in arguments.items()}
        self.stages.append(self.stage(self.own("primitive_desc", made), memories))

    def multiply(self, x, w, y) -> None:
        """Add a matrix product; leading axes of size 1 are broadcast."""
        descriptors = x[0], w[0], None, y[0]
        arguments = {SOURCE: x, WEIGHTS: w, TARGET: y}
        self.add_stage("matmul", arguments, self.dnn.engine, *descriptors)

    def copy(self, source, target) -> None:
        """Add a copy from one layout to another."""
        self.stages.append(self.reorder(*source, *target))

    def add_bias(self, offset: int, shape: tuple[int, int, int]) -> None:
        """Add a bias to an array [N, C, tiles]."""
        target = self.at(offset, shape)
        bias = self.outside("bias", c_order((1, shape[1], 1)))
        arguments = {SOURCE: target, SECOND: bias, TARGET: target}
        self.add_stage("binary", arguments, self.dnn.engine, ADD, target[0], bias[0], target[0])

    def tiles(self, name: str, shape, axis: np.ndarray, before, after, spread, result) -> None:
        """Transform tiles of images [N, C, H, W] to [16, N, C, tiles] at the offset ``result``.

        The columns of ``axis`` are a tile's side. This is a convolution of stride 2 from one to
        sixteen channels, whose result is then reordered.
        """
        n, c, *sides = shape
        side = axis.shape[1]
        ends = [(s + b + a - side) // 2 + 1 for s, b, a in zip(sides, before, after)]
        shapes = (n * c, 1, *sides), (16, 1, side, side), (n * c, 16, *ends)
        x, w, y = (self.describe(any_order(shape)) for shape in shapes)
        space = [numbers(pair) for pair in ((2, 2), (0, 0), before, after)]
        create, settings = "convolution_forward_primitive_desc_create", (TRAINING, DIRECT)
        made = self.dnn.make(
            create, self.dnn.engine, *settings, x, w, None, y, *space, self.dnn.attributes
        )
        descriptor = self.own("primitive_desc", made)
        query = self.dnn.library.dnnl_primitive_desc_query_md
        kinds = SOURCE, WEIGHTS, TARGET
        x, w, y = (c_void_p(query(descriptor, QUERY_ARGUMENT, kind)) for kind in kinds)
        source = self.reordered(self.outside(name, c_order(shapes[0])), x)
        weights = self.reordered(self.constant(both(axis).reshape(shapes[1])), w)
        if spread + self.dnn.library.dnnl_memory_desc_get_size(y) > self.size:
            raise OneDNNError("a transform needs more memory than was reserved")
        target = self.memory(y)
        self.inner.append((target, spread))
        arguments = {SOURCE: source[1], WEIGHTS: weights[1], TARGET: target}
        self.stages.append(self.stage(descriptor, arguments))
        self.copy((y, target), self.at(result, shapes[2], (1, 0, 2, 3), self.dtype))

    def rounded(self, given, shape, order):
        """Return (descriptor, memory) of a copy in bfloat16."""
        other = self.at(self.reserve(math.prod(shape)), shape, order, BF16)
        self.copy(given, other)
        return other

    def reordered(self, given, wanted):
        """Return (descriptor, memory) of an array in the layout that a primitive needs."""
        if self.dnn.library.dnnl_memory_desc_equal(given[0], wanted):
            return given
        other = wanted, self.work(wanted)
        self.copy(given, other)
        return other
