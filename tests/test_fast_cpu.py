"""The fast path against the framework's own operations: values, gradients, when it steps back."""

import copy
import itertools
import os
import random
import resource
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import paddle
import paddle.nn.functional as F
import pytest
from paddle import nn

from paddle_gans import fast_cpu
from paddle_gans.fast_cpu import convolution, memory, pooling, primitives, winograd
from paddle_gans.fast_cpu.dispatch import enabled
from paddle_gans.training.losses import gradient_penalty

pytestmark = pytest.mark.skipif(
    not enabled(), reason="this machine's framework has no oneDNN that the fast path can use"
)
ROOT = Path(__file__).resolve().parent.parent


def draw(*shape, seed=0, grad=True, dtype="float32"):
    """Normal numbers as a tensor that wants a gradient."""
    values = np.random.default_rng(seed).standard_normal(shape)
    return paddle.to_tensor(values.astype(dtype), stop_gradient=not grad)


def close(found, wanted, tolerance=1e-5):
    """Assert that two arrays agree, relative to the largest element."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= tolerance * max(np.abs(wanted).max(), 1e-30)


def targets_of(module, monkeypatch):
    """The names of the products that a module's ``compute`` computes, as they come."""
    names = []
    compute = module.compute

    def noted(target, geometry, operands):
        names.append(target)
        return compute(target, geometry, operands)

    monkeypatch.setattr(module, "compute", noted)
    return names


@pytest.fixture
def computed(monkeypatch):
    """The names of the products that oneDNN computes."""
    return targets_of(convolution, monkeypatch)


# batch, (channels in, out), kernel, stride, padding, dilation, groups, sides
GRID = list(itertools.product(
    [1, 3, 4],
    [(3, 8), (6, 4), (24, 24), (1, 5), (64, 3), (16, 32)],
    [1, 3, 4, 7],
    [1, 2, 3],
    [0, 1, 3, [1, 2], [0, 1, 2, 1]],
    [1, 2],
    [1, 0],
    [(13, 13), (16, 9)],
))  # fmt: skip


def values_and_gradients(operation, tensors, **settings):
    """An operation's result, and its gradients for one fixed gradient of the result."""
    y = operation(*tensors, **settings)
    slope = 0.5 + np.sin(np.arange(y.size)).reshape(y.shape)
    slope = paddle.to_tensor(slope.astype(str(tensors[0].numpy().dtype)))
    return [t.numpy() for t in (y, *paddle.grad(y, tensors, slope))]


@pytest.mark.parametrize("name", ["conv2d", "conv2d_transpose"])
def test_equals_the_framework_on_a_grid(name, computed):
    cases = 0
    for case in random.Random(0).sample(GRID, 120):
        n, (c_in, c_out), k, stride, padding, dilation, grouped, sides = case
        groups = int(np.gcd(c_in, c_out)) if grouped == 0 else 1
        settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        if min(sides) < dilation * (k - 1) + 1:
            continue
        kernel = (c_out, c_in // groups) if name == "conv2d" else (c_in, c_out // groups)
        if name == "conv2d_transpose" and stride > 1:
            settings["output_padding"] = 1
        shapes = (n, c_in, *sides), (*kernel, k, k), (c_out,)
        tensors = [draw(*shape, seed=i, dtype="float64") for i, shape in enumerate(shapes)]
        tensors = tensors[: 3 if n > 1 else 2]  # with and without a bias
        try:
            wanted = values_and_gradients(getattr(F, name), tensors, **settings)
        except ValueError:  # the padding leaves nothing of a transposed convolution
            continue
        tensors = [paddle.to_tensor(t.numpy().astype("float32")) for t in tensors]
        for t in tensors:
            t.stop_gradient = False
        computed.clear()
        found = values_and_gradients(getattr(fast_cpu, name), tensors, **settings)
        for a, b in zip(found, wanted):
            close(a, b)
        # All of it is oneDNN's work; a single position in a small batch is the framework's.
        single = name == "conv2d" and found[0].shape[2:] == (1, 1)
        assert sorted(computed) == ([] if single else ["w", "x", "y"]), case
        cases += 1
    assert cases > 60


@pytest.fixture
def filtered(monkeypatch):
    """The names of the products that are taken by minimal filtering, however small."""
    monkeypatch.setattr(winograd, "MIN_CHANNELS", 1)
    monkeypatch.setattr(winograd, "MIN_TILES", 1)
    return targets_of(winograd, monkeypatch)


@pytest.mark.parametrize("name", ["conv2d", "conv2d_transpose"])
@pytest.mark.parametrize("padding", [0, 1, 2, [0, 2, 1, 1], [2, 0]])
@pytest.mark.parametrize(("images", "out"), [(1, 5), (3, 7), (2, 150), (1, 1)])
def test_minimal_filtering_equals_the_framework(name, padding, images, out, filtered, monkeypatch):
    monkeypatch.setattr(winograd, "CHUNK_BYTES", 4 * 16 * 8 * 60)  # so that images come in parts
    kernel = (out, 5, 3, 3) if name == "conv2d" else (5, out, 3, 3)
    tensors = [draw(images, 5, 12, 8, dtype="float64"), draw(*kernel, seed=1, dtype="float64")]
    if images > 1:
        tensors.append(draw(out, seed=2, dtype="float64"))
    wanted = values_and_gradients(getattr(F, name), tensors, padding=padding)
    tensors = [paddle.to_tensor(t.numpy().astype("float32"), stop_gradient=False) for t in tensors]
    found = values_and_gradients(getattr(fast_cpu, name), tensors, padding=padding)
    for a, b in zip(found, wanted):
        close(a, b, 3e-6)
    assert sorted(filtered) == ["w", "x", "y"]


def test_minimal_filtering_has_gradients_of_gradients(filtered):
    def second(operation, x, w):
        (slope,) = paddle.grad(operation(x, w, padding=1).square().sum(), x, create_graph=True)
        return [g.numpy() for g in paddle.grad(slope.square().sum(), [x, w])]

    x, w = draw(2, 3, 8, 8), draw(4, 3, 3, 3, seed=1)
    for a, b in zip(second(fast_cpu.conv2d, x, w), second(F.conv2d, x, w)):
        close(a, b)
    assert {"x", "w", "y"} == set(filtered)


def test_minimal_filtering_is_for_three_by_three_on_even_sides(filtered):
    x, w = draw(1, 4, 9, 8), draw(4, 4, 3, 3, seed=1)
    fast_cpu.conv2d(x, w, padding=1)
    fast_cpu.conv2d(x[:, :, :8], w, padding=1, stride=2)
    fast_cpu.conv2d(x[:, :, :8], w, padding=2, dilation=2)
    fast_cpu.conv2d(x[:, :, :8], w[:, :2], padding=1, groups=2)
    fast_cpu.conv2d(x[:, :, :8], draw(4, 4, 5, 5), padding=2)
    assert not filtered
    fast_cpu.conv2d(x[:, :, :8], w, padding=1)
    assert filtered == ["y"]


def test_reads_what_does_not_lie_in_order():
    x = draw(2, 9, 7, 3).transpose([0, 3, 1, 2])[:, :, 1:, ::2]
    w = draw(3, 4, 3, 3, seed=1).transpose([1, 0, 3, 2])
    assert not x.is_contiguous()
    close(fast_cpu.conv2d(x, w).numpy(), F.conv2d(x, w).numpy())
    close(fast_cpu.pad(x, [1] * 4, "reflect").numpy(), F.pad(x, [1] * 4, "reflect").numpy())
    for mode in ("nearest", "bilinear"):
        wanted = F.interpolate(x, scale_factor=2, mode=mode)
        close(fast_cpu.upsample(x, mode).numpy(), wanted.numpy())


def test_computes_no_gradient_that_nobody_wants(computed):
    x, w = draw(1, 3, 8, 8), draw(4, 3, 3, 3, seed=1)

    w.stop_gradient = True
    fast_cpu.conv2d(x, w).sum().backward()
    assert computed == ["y", "x"]
    assert w.grad is None
    w.stop_gradient = False

    computed.clear()
    fast_cpu.conv2d(x.detach(), w).sum().backward()
    assert computed == ["y", "w"]
    close(w.grad, paddle.grad(F.conv2d(x.detach(), w).sum(), w)[0])

    computed.clear()
    (slope,) = paddle.grad(fast_cpu.conv2d(x, w).sum(), x)
    assert computed == ["y", "x"]
    close(slope, paddle.grad(F.conv2d(x, w).sum(), x)[0])

    computed.clear()
    with paddle.no_grad():
        assert fast_cpu.conv2d(x, w).stop_gradient
    assert computed == ["y"]


class Critic(nn.Layer):
    """Convolutions as R1 and WGAN-GP meet them: biases, strides, groups, a norm, a 1x1 head."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2D(3, 8, 3, padding=1), nn.LeakyReLU(0.2),
            nn.Pad2D(1, mode="reflect"), nn.Conv2D(8, 16, 4, stride=2, bias_attr=False),
            nn.InstanceNorm2D(16), nn.LeakyReLU(0.2), nn.Conv2D(16, 16, 3, groups=4),
            nn.LeakyReLU(0.2), nn.Conv2D(16, 2, 1),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


def penalties(critic):
    """R1 and WGAN-GP of a critic, and their gradients by parameter."""
    real, fake = draw(3, 3, 16, 16, seed=5), draw(3, 3, 16, 16, seed=6, grad=False)
    for penalty in ("r1", "wgangp"):
        if penalty == "r1":
            (slope,) = paddle.grad(critic(real).sum(), real, create_graph=True)
            value = slope.square().sum([1, 2, 3]).mean()
        else:
            paddle.seed(7)
            value = gradient_penalty(critic, real, fake)
        critic.clear_gradients()
        (10 * value).backward()
        gradients = {n: p.grad for n, p in critic.named_parameters()}
        yield float(value), {n: g.numpy() for n, g in gradients.items() if g is not None}


def test_gradients_of_gradients_equal_the_frameworks():
    paddle.seed(0)
    critic = Critic()
    wanted = list(penalties(critic))
    assert fast_cpu.accelerate(critic) == 5
    for (value, gradients), (value_, gradients_) in zip(penalties(critic), wanted):
        assert value == pytest.approx(value_, rel=1e-5)
        assert gradients.keys() == gradients_.keys()
        largest = max(np.abs(g).max() for g in gradients_.values())
        for name, gradient in gradients.items():
            assert np.abs(gradient - gradients_[name]).max() <= 1e-5 * largest, name


def test_transposed_convolution_upsampling_and_padding_have_second_gradients():
    # The framework has none for these; the same maps as a convolution, indexing and repeats do.
    def second(operation, x, w):
        slopes = paddle.grad(operation(x, w).square().sum(), [x, w], create_graph=True)
        total = sum(slope.square().sum() for slope in slopes)
        return [g.numpy() for g in paddle.grad(total, [x, w])]

    def flipped(x, w):
        return F.conv2d(x, w.transpose([1, 0, 2, 3]).flip([2, 3]), padding=2)

    x, w = draw(2, 3, 5, 5), draw(3, 4, 3, 3, seed=1)
    for a, b in zip(second(fast_cpu.conv2d_transpose, x, w), second(flipped, x, w)):
        close(a, b)

    def bordered(x, w):
        return fast_cpu.pad(fast_cpu.upsample(fast_cpu.conv2d(x, w)), [2, 0, 1, 3], "reflect")

    def matrices(x, w):
        y, side = F.conv2d(x, w), 2 * (x.shape[2] - w.shape[2] + 1)
        rows, columns = (np.pad(np.arange(side), p, mode="reflect") // 2 for p in ((1, 3), (2, 0)))
        left = paddle.to_tensor(np.eye(side // 2, dtype="float32")[rows])
        right = paddle.to_tensor(np.eye(side // 2, dtype="float32")[columns].T)
        return paddle.matmul(paddle.matmul(left, y), right)

    w = draw(2, 3, 2, 2, seed=1)
    close(bordered(x, w).numpy(), matrices(x, w).numpy())
    for a, b in zip(second(bordered, x, w), second(matrices, x, w)):
        close(a, b)


@pytest.mark.parametrize("shape", [(5, 7), (2, 3, 7)])
@pytest.mark.parametrize("biased", [True, False])
def test_a_linear_layer_equals_the_frameworks_with_gradients_of_gradients(
    shape, biased, monkeypatch
):
    monkeypatch.setattr(sys.modules["paddle_gans.fast_cpu.linear"], "MIN_SIZE", 0)
    operands = [draw(*shape), draw(7, 4, seed=1), *([draw(4, seed=2)] if biased else [])]

    def all_of(function):
        y = function(*operands)
        first = paddle.grad((y**3).sum(), operands, create_graph=True)
        second = paddle.grad(sum((g**2).sum() for g in first), operands)
        return [y, *first, *second]

    for found, wanted in zip(all_of(fast_cpu.linear), all_of(F.linear)):
        close(found, wanted.reshape(found.shape))  # 2.6 gives a weight's a third axis


def test_a_linear_layer_computes_no_gradient_that_nobody_wants(monkeypatch):
    module = sys.modules["paddle_gans.fast_cpu.linear"]
    monkeypatch.setattr(module, "MIN_SIZE", 0)
    computed, compute = [], module.Matrices.compute

    def noted(product):
        computed.append(product.transposed)
        return compute(product)

    monkeypatch.setattr(module.Matrices, "compute", noted)
    x, weight = draw(5, 7), draw(7, 4, seed=1)
    paddle.grad(fast_cpu.linear(x, weight).sum(), x)
    assert computed == [(False, False), (False, True)]  # the product, and x's gradient
    computed.clear()
    fast_cpu.linear(x.detach(), weight).sum().backward()
    assert computed == [(False, False), (True, False)]
    weight = weight * 1
    y = fast_cpu.linear(x, weight)
    weight.add_(paddle.ones([1]))
    with pytest.raises(Exception, match="changed in place"):
        y.sum().backward()


WINDOWS = [
    nn.AvgPool2D(2), nn.AvgPool2D(3, stride=1), nn.AvgPool2D([3, 2], stride=[2, 1], padding=1),
    nn.MaxPool2D(2), nn.MaxPool2D(3, stride=2, padding=1), nn.MaxPool2D([1, 3], stride=1),
]  # fmt: skip


@pytest.mark.parametrize(
    "layer", WINDOWS, ids=lambda layer: f"{type(layer).__name__} {layer.ksize}"
)
@pytest.mark.parametrize("sides", [(8, 8), (7, 9), (40, 33)])
def test_pooling_equals_the_frameworks(layer, sides):
    fast, x = copy.deepcopy(layer), draw(2, 5, *sides)
    assert fast_cpu.accelerate(fast) == 1
    assert pooling.fast("average", x, 2, None, 0) is not None
    for a, b in zip(values_and_gradients(fast, [x]), values_and_gradients(layer, [x])):
        close(a, b, 1e-6)

    def second(pool):
        (slope,) = paddle.grad(pool(x).square().sum(), x, create_graph=True)
        return paddle.grad(slope.square().sum(), x)[0].numpy()

    if isinstance(layer, nn.AvgPool2D):
        close(second(fast), second(layer), 1e-6)
    else:  # neither has one
        with pytest.raises(Exception, match="maximum pooling has no gradient"):
            second(fast)


def test_pooling_that_does_not_fit_is_the_frameworks():
    x = draw(2, 5, 7, 7)
    for layer in (
        nn.AvgPool2D(3, padding=1, exclusive=False), nn.AvgPool2D(2, divisor_override=3),
        nn.AvgPool2D(2, ceil_mode=True), nn.MaxPool2D(2, ceil_mode=True),
        nn.MaxPool2D(2, padding="SAME"), nn.MaxPool2D(2, return_mask=True),
    ):  # fmt: skip
        fast = copy.deepcopy(layer)
        assert fast_cpu.accelerate(fast) == 1
        for a, b in zip(paddle.utils.flatten(fast(x)), paddle.utils.flatten(layer(x))):
            close(a.numpy(), b.numpy(), 1e-6)


@pytest.mark.parametrize("border", [[1, 1, 1, 1], [3, 3, 3, 3], [0, 1, 0, 1], [0, 0, 4, 2]])
@pytest.mark.parametrize("mode", ["reflect", "constant"])
def test_padding_equals_the_frameworks(border, mode):
    x = draw(2, 3, 6, 5)
    found = values_and_gradients(lambda t: fast_cpu.pad(t, border, mode), [x])
    wanted = values_and_gradients(lambda t: F.pad(t, border, mode=mode), [x])
    for a, b in zip(found, wanted):
        close(a, b, 1e-6)


def test_doubling_repeats_every_pixel_and_its_gradient_sums_four():
    x = paddle.to_tensor([[[[1.0, -2.0]]]], stop_gradient=False)
    y = fast_cpu.upsample(x)
    assert y.numpy().tolist() == [[[[1, 1, -2, -2], [1, 1, -2, -2]]]]
    (y * paddle.to_tensor([[[[1.0, 2, 3, 4], [5, 6, 7, 8]]]])).sum().backward()
    assert x.grad.numpy().tolist() == [[[[14, 22]]]]


@pytest.mark.parametrize("shape", [(2, 3, 6, 5), (1, 2, 1, 1), (1, 1, 1, 4)])
def test_bilinear_doubling_equals_the_frameworks_with_gradients_of_gradients(shape):
    def squared(double):
        return lambda t: double(t) ** 2

    def own(t):
        return fast_cpu.upsample(t, "bilinear")

    def frameworks(t):
        return F.interpolate(t, scale_factor=2, mode="bilinear")

    x = draw(*shape)
    found = values_and_gradients(squared(own), [x])
    for a, b in zip(found, values_and_gradients(squared(frameworks), [x])):
        close(a, b, 1e-6)
    # The gradient of a linear map's gradient is the map.
    x.stop_gradient = False
    y = own(x)
    weights = draw(*y.shape, seed=1)
    weights.stop_gradient = False
    gradient = paddle.grad((y * weights).sum(), x, create_graph=True)[0]
    again = draw(*shape, seed=2)
    close(paddle.grad((gradient * again).sum(), weights)[0].numpy(), frameworks(again).numpy())


def layers():
    """One layer of every kind that is taken, and one of a subclass that is not."""

    class Scaled(nn.Conv2D):
        def forward(self, x):
            return 2 * super().forward(x)

    paddle.seed(1)
    return nn.Sequential(
        nn.Pad2D(1, mode="reflect"), nn.Conv2D(3, 8, 3), nn.ReLU(), nn.Upsample(scale_factor=2),
        nn.Conv2DTranspose(8, 4, 3, stride=2, padding=1, output_padding=1), Scaled(4, 4, 1),
        nn.Conv2D(4, 3, 3, padding=1, padding_mode="reflect"), nn.Tanh(),
    )  # fmt: skip


def test_accelerate_changes_nothing_but_the_speed():
    model, x = layers(), draw(2, 3, 12, 12)
    wanted = model(x).numpy()
    states = {n: t.numpy() for n, t in model.state_dict().items()}
    names = [p.name for p in model.parameters()]

    assert fast_cpu.accelerate(model) == 5
    assert fast_cpu.accelerate(model) == 0
    assert type(model[5]).__name__ == "Scaled"
    assert isinstance(model[1], nn.Conv2D)
    assert list(model.state_dict()) == list(states)
    assert [p.name for p in model.parameters()] == names
    close(model(x).numpy(), wanted)

    twin = copy.deepcopy(model)
    twin[1].weight.set_value(2 * model[1].weight)
    assert np.array_equal(model[1].weight.numpy(), states["1.weight"])
    missing, unknown = twin.set_state_dict(states)
    assert not missing
    assert not unknown
    assert np.array_equal(twin(x).numpy(), model(x).numpy())


def test_the_switch_turns_all_of_it_off(monkeypatch, computed):
    model, x = layers(), draw(1, 3, 8, 8)
    monkeypatch.setenv("PADDLE_GANS_FAST_CPU", "0")
    assert fast_cpu.accelerate(model) == 0
    assert type(model[1]) is nn.Conv2D
    monkeypatch.delenv("PADDLE_GANS_FAST_CPU")
    assert fast_cpu.accelerate(model) == 5

    with fast_cpu.disabled():
        model(x)
    assert not computed
    model(x)
    assert computed
    computed.clear()
    monkeypatch.setenv("PADDLE_GANS_FAST_CPU", "0")
    model(x)
    assert not computed


def test_what_does_not_fit_takes_the_frameworks_own_kernel(computed):
    x, w = draw(1, 3, 8, 8), draw(4, 3, 3, 3, seed=1)
    assert fast_cpu.conv2d(x.astype("float64"), w.astype("float64")).dtype == paddle.float64
    assert fast_cpu.conv2d(x, w, padding="SAME").shape == [1, 4, 8, 8]
    channels_last = nn.Conv2D(3, 4, 3, data_format="NHWC")
    replicated = nn.Conv2D(3, 4, 3, padding=1, padding_mode="replicate")
    transposed = nn.Conv2DTranspose(3, 4, 3, stride=2)
    three = nn.Upsample(scale_factor=3)
    for layer in (channels_last, replicated, transposed, three):
        assert fast_cpu.accelerate(layer) == 1
    assert channels_last(x.transpose([0, 2, 3, 1])).shape == [1, 6, 6, 4]
    assert replicated(x).shape == [1, 4, 8, 8]
    assert transposed(x, output_size=[18, 18]).shape == [1, 4, 18, 18]
    assert three(x).shape == [1, 3, 24, 24]
    assert fast_cpu.pad(x, [1, -1, 0, 0]).shape == [1, 3, 8, 8]
    assert not computed


@pytest.mark.parametrize(
    ("images", "weight", "settings"),
    [
        (1, (4, 5, 3, 3), {}),  # channels that do not fit
        (1, (4, 3, 3, 3), {"stride": 0}),
        (1, (4, 3, 3, 3), {"groups": 2}),
        (0, (4, 3, 3, 3), {}),
    ],
)
def test_what_is_wrong_or_empty_ends_as_in_the_framework(images, weight, settings):
    x, w, outcomes = draw(images, 3, 8, 8), draw(*weight, seed=1), []
    for operation in (F.conv2d, fast_cpu.conv2d):
        try:
            outcomes.append(operation(x, w, **settings).shape)
        except Exception as error:
            outcomes.append(type(error))
    assert outcomes[0] == outcomes[1]
    assert images == 0 or issubclass(outcomes[0], Exception)


def test_an_accelerated_model_is_traced_and_exported_as_ever(tmp_path):
    model, x = layers(), draw(2, 3, 12, 12)
    del model[5]  # a class inside a function, which the tracer cannot read
    fast_cpu.accelerate(model)
    wanted = model(x).numpy()
    spec = [paddle.static.InputSpec([None, 3, None, None], "float32")]
    paddle.jit.save(copy.deepcopy(model), str(tmp_path / "model"), input_spec=spec)
    close(paddle.jit.load(str(tmp_path / "model"))(x).numpy(), wanted)
    if sys.version_info < (3, 12):
        traced = paddle.jit.to_static(copy.deepcopy(model), full_graph=False)
        close(traced(x).numpy(), wanted)


def test_changing_an_operand_in_place_is_noticed():
    x, w = draw(1, 3, 8, 8) * 1, draw(4, 3, 3, 3, seed=1)
    y = fast_cpu.conv2d(x, w)
    x.add_(paddle.ones([1]))
    with pytest.raises(Exception, match="changed in place"):
        y.sum().backward()


def test_threads_share_it():
    # `paddle.grad` itself crashes in threads, with any layers; `backward` does not.
    model, x = layers(), draw(2, 3, 12, 12)
    fast_cpu.accelerate(model)
    for parameter in model.parameters():
        parameter.stop_gradient = True
    y = model(x)
    y.sum().backward()
    wanted, slope, equal = y.numpy(), x.grad.numpy(), []

    def work():
        own = x.detach()
        own.stop_gradient = False
        for _ in range(10):
            own.clear_grad()
            y = model(own)
            y.sum().backward()
            equal.append(np.array_equal(y.numpy(), wanted))
            equal.append(np.array_equal(own.grad.numpy(), slope))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(equal) == 80
    assert all(equal)


SCRIPT = """
import hashlib, os
from data_reader import framework
framework.prepare()
import numpy as np, paddle
import paddle.nn.functional as F
from paddle_gans import fast_cpu
threads = len(os.listdir("/proc/self/task"))
total = hashlib.sha256()
for k, channels, out in ((3, 3, 24), (7, 24, 3), (4, 64, 64)):
    rng = np.random.default_rng(k)
    x, w = (paddle.to_tensor(rng.standard_normal(s).astype("float32"), stop_gradient=False)
            for s in ((2, channels, 40, 40), (out, channels, k, k)))
    results = []
    for repeat in range(2):
        y = fast_cpu.conv2d(x, w, stride=2, padding=1)
        results.append([t.numpy() for t in (y, *paddle.grad(y, [x, w], y.detach()))])
    assert all(np.array_equal(a, b) for a, b in zip(*results))
    for array in results[0]:
        total.update(array.tobytes())
threads = len(os.listdir("/proc/self/task")) - threads
wanted = y.numpy()
child = os.fork()
if child == 0:
    found = fast_cpu.conv2d(x, w, stride=2, padding=1).numpy()
    os._exit(0 if np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max() else 1)
print(total.hexdigest(), threads, os.waitpid(child, 0)[1])
"""


def test_processes_agree_bit_for_bit_and_children_do_not_hang():
    def start(threads):
        count = {"OMP_NUM_THREADS": threads, "FLAGS_paddle_num_threads": threads}
        command = [sys.executable, "-c", SCRIPT]
        environment = {**os.environ, **count, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    processes = [start("2"), start("2"), start("3")]
    first, second, third = (p.communicate(timeout=60)[0].split() for p in processes)
    assert first == second
    assert [first[2], third[2]] == ["0", "0"]  # the forked child came back, and was right
    assert int(third[1]) == int(first[1]) + 1  # oneDNN takes the threads that were asked for


def resident():
    """This process's memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="no /proc here")
def test_changing_shapes_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(primitives, "CACHE_SIZE", 40)
    w, sizes = draw(16, 8, 3, 3), random.Random(0)

    def calls(count):
        for _ in range(count):
            x = paddle.ones([1, 8, sizes.randrange(8, 90), sizes.randrange(8, 90)])
            with paddle.no_grad():
                fast_cpu.conv2d(x, w)

    calls(300)
    before = resident()
    calls(900)
    assert len(primitives.cache) == 40
    assert resident() - before < 30

    x = draw(1, 8, 64, 64)
    for i in range(300):
        (slope,) = paddle.grad(fast_cpu.conv2d(x, w).square().sum(), x, create_graph=True)
        slope.sum().backward()
        x.clear_grad()
        w.clear_grad()
        if i == 50:
            before = resident()
    assert resident() - before < 30


@pytest.mark.skipif(not memory.keep_freed(), reason="this C library cannot keep freed memory")
def test_freed_memory_is_kept():
    x = paddle.ones([2**21])  # 8 MB, 2048 pages
    y = x + x
    faults = []
    for _ in range(5):  # the least of them, for a busy system takes pages away by itself
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(10):
            y = x + x
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert min(faults) < 10_000
    assert float(y[0]) == 2
