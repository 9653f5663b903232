"""``--amp bf16`` on a CPU: products in bfloat16, everything else in float32."""

from pathlib import Path

import numpy as np
import paddle
import pytest
from conftest import TINY, noise_image

import paddle_gans
from data_reader import InputError
from paddle_gans import fast_cpu
from paddle_gans.training import mixed_precision

needs_bf16 = pytest.mark.skipif(
    not fast_cpu.has_bf16(), reason="this processor has no bfloat16 instructions"
)
ROUNDING = 2e-2  # of the largest value: bfloat16 has 8 bits, and its errors add up
PRODUCTS = {
    "conv": lambda x, w: fast_cpu.conv2d(x, w, padding=1),
    "strided, 20 channels": lambda x, w: fast_cpu.conv2d(x[:, :20], w[:, :20], None, 2, 1),
    "minimal filtering": lambda x, w: fast_cpu.conv2d(
        x.tile([1, 6, 1, 1]), w.tile([6, 6, 1, 1]), None, 1, 1
    ),
    "grouped": lambda x, w: fast_cpu.conv2d(x, w[:, :16], None, 1, 1, 1, 2),
    "transposed": lambda x, w: fast_cpu.conv2d_transpose(x, w, None, 2, 1, 1),
    "one pixel": lambda x, w: fast_cpu.conv2d(x[:, :, :3, :3], w),
    "linear": lambda x, w: fast_cpu.linear(x.reshape([-1, 512]), w.reshape([512, -1])),
}


def gradients(product, bf16):
    """A product, the gradients of its square, and those of the sum of these gradients' squares."""
    rng = np.random.default_rng(0)
    x = paddle.to_tensor(rng.standard_normal((8, 32, 16, 16)).astype("float32"))
    w = paddle.to_tensor(rng.standard_normal((32, 32, 3, 3)).astype("float32"))
    x.stop_gradient = w.stop_gradient = False
    with fast_cpu.bfloat16(bf16):
        y = product(x, w)
    first = paddle.grad([(y * y).mean()], [x, w], create_graph=True)
    second = paddle.grad([(first[0] * first[0]).sum()], [w])
    return [y, *first, *second]


@needs_bf16
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_and_gradients_are_those_of_float32_rounded(name, monkeypatch):
    monkeypatch.setitem(fast_cpu.linear.__globals__, "MIN_SIZE", 0)
    exact, rounded = (gradients(PRODUCTS[name], bf16) for bf16 in (False, True))
    for a, b in zip(exact, rounded):
        assert b.dtype == paddle.float32
        assert not np.array_equal(a.numpy(), b.numpy()), "it was not computed in bfloat16"
        assert float((a - b).abs().max()) <= ROUNDING * float(a.abs().max())


@needs_bf16
def test_outside_the_block_not_a_bit_changes():
    before = gradients(PRODUCTS["conv"], False)
    gradients(PRODUCTS["conv"], True)
    for a, b in zip(before, gradients(PRODUCTS["conv"], False)):
        assert a.numpy().tobytes() == b.numpy().tobytes()


def train(data, out, **settings):
    paddle_gans.train("pix2pix", data=data, out=out, log_every=1, save_every=2, workers=0,
                      **{**TINY["pix2pix"], "amp": "bf16", **settings})  # fmt: skip
    return {p.name: p.read_bytes() for p in Path(out).glob("*.pdparams")}


@needs_bf16
def test_a_run_differs_from_float32_and_resumes_exactly(pairs, tmp_path):
    whole = train(str(pairs), str(tmp_path / "whole"), steps=4)
    train(str(pairs), str(tmp_path / "parts"), steps=2)
    assert train(str(pairs), str(tmp_path / "parts"), steps=4) == whole
    assert train(str(pairs), str(tmp_path / "exact"), steps=4, amp="off") != whole


@needs_bf16
def test_inference_in_bf16_is_near_float32(pairs, tmp_path):
    train(str(pairs), str(tmp_path / "run"), steps=1)
    image = noise_image(0, 64, 64)
    exact, rounded = (paddle_gans.load(tmp_path / "run", amp=amp)(image) for amp in ("off", "bf16"))
    assert 0 < np.abs(exact.astype(int) - rounded).mean() < 3


def test_a_processor_without_it_computes_in_float32_and_says_so(
    pairs, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("PADDLE_GANS_FAST_CPU", "0")
    exact = train(str(pairs), str(tmp_path / "exact"), steps=1, amp="off")
    capsys.readouterr()
    assert train(str(pairs), str(tmp_path / "run"), steps=1) == exact
    assert "no bfloat16 instructions; computing in float32" in "".join(capsys.readouterr())
    paddle_gans.load(tmp_path / "run", amp="bf16")
    assert "no bfloat16 instructions" in capsys.readouterr().err


def test_what_a_cpu_cannot_do_is_refused():
    with pytest.raises(InputError, match="--amp fp16 needs a GPU"):
        mixed_precision.check_amp("fp16")
    with pytest.raises(InputError, match="not 'half'"):
        mixed_precision.check_amp("half")
