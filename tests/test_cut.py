"""CUT: its layers by hand, each loss and two steps of a PyTorch transcription, the direction."""

import importlib
import json
import math

import numpy as np
import paddle
import pytest
from conftest import ROOT, TINY, noise_image

import paddle_gans
from data_reader import InputError
from paddle_gans.evaluate import main as evaluate
from paddle_gans.models import cut
from paddle_gans.training.model import Update
from paddle_gans.weights.arrays import load_state_strict
from paddle_gans.weights.name_maps import to_ours


def batch_of(size=32, count=1, seed=0):
    rng = np.random.default_rng(seed)
    return {k: rng.uniform(-1, 1, (count, 3, size, size)).astype("float32") for k in "ab"}


def on_paddle(batch):
    return {key: paddle.to_tensor(x) for key, x in batch.items()}


# The networks and the loss by hand


def test_shapes_and_defaults_are_the_papers():
    model = cut.CUT()
    assert model.generator.tapped == [0, 4, 8, 12, 16]
    assert model.generator.feature_channels == [3, 128, 256, 256, 256]
    assert (model.patch_num, model.temperature, model.lambda_nce) == (256, 0.07, 1.0)
    assert (model.crop_size, model.load_size, model.decay) == (256, 286, (200, 400))
    assert [tuple(mlp[2].weight.shape) for mlp in model.projection.mlps] == [(256, 256)] * 5
    small = cut.Generator(4, 9)
    maps = small.features(paddle.zeros([1, 3, 64, 48]))
    sides = [(70, 54), (64, 48), (32, 24), (16, 12), (16, 12)]  # the pixels with their border
    assert [tuple(m.shape[2:]) for m in maps] == sides
    assert small(paddle.zeros([1, 3, 64, 48])).shape == [1, 3, 64, 48]
    assert cut.Discriminator(4)(paddle.zeros([1, 3, 256, 256])).shape == [1, 1, 30, 30]


@pytest.mark.parametrize(("blocks", "tapped"), [(1, [12]), (2, [12]), (4, [12, 13]), (6, [12, 14])])
def test_fewer_blocks_are_compared_at_the_first_and_the_middle_one(blocks, tapped):
    assert cut.Generator(4, blocks).tapped == [0, 4, 8, *tapped]


def test_blurred_halving_by_hand():
    row = np.float32([1, 2, 4, 8])
    halved = cut.BlurPool()(paddle.to_tensor(np.tile(row, (4, 1)))[None, None])
    assert halved.numpy()[0, 0].tolist() == [[(2 + 2 + 2) / 4, (2 + 8 + 8) / 4]] * 2


def test_a_patch_at_its_place_is_told_from_the_images_other_patches():
    vectors = paddle.eye(3).expand([2, 3, 3])
    right = math.log(1 + 2 * math.exp(-1 / 0.5))
    assert cut.contrast(vectors, vectors, 0.5).numpy() == pytest.approx([right] * 2)
    other = cut.contrast(vectors, vectors.flip([1]), 0.5).numpy()
    wrong = [math.log(math.e**2 + 2) - (0, 2, 0)[i] for i in range(3)]
    assert other == pytest.approx([sum(wrong) / 3] * 2)


def test_patches_are_as_many_as_there_are_at_most():
    paddle.seed(0)
    assert sorted(cut.choose_positions(9, 256).tolist()) == list(range(9))
    chosen = cut.choose_positions(1000, 256).tolist()
    assert len(set(chosen)) == len(chosen) == 256


def test_only_the_translation_learns_from_its_patches():
    model = cut.CUT(**TINY["cut"])
    x, y = (paddle.rand([1, 3, 32, 32]) for _ in range(2))
    x.stop_gradient = y.stop_gradient = False
    model.patch_nce(model.generator.features(x), y).sum().backward()
    assert x.grad is None
    assert y.grad.abs().max().item() > 0


# Against PyTorch


@pytest.fixture
def reference(monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is in the extra `bench`")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("torch_reference")


def pair(reference, fast, blocks=9):
    """Our model and the reference with the same wide random weights and the same patches."""
    torch = reference.torch
    torch.manual_seed(0)
    theirs = reference.CUT(
        torch.contiguous_format, 32, 2, fast=fast, width=4, blocks=blocks, vector=16
    )
    variant = "fastcut" if fast else "cut"
    ours = cut.CUT(
        variant=variant, base_dim=4, residual_num=blocks, crop_size=32, projection_dim=16
    )
    renames = {
        "generator": (
            theirs.g,
            lambda n: n.replace("layers", "model", 1).replace("layers", "inner"),
        ),
        "discriminator": (theirs.d, lambda n: n.replace("layers.", "")),
        "projection": (theirs.h, lambda n: n.replace("mlps.", "")),
    }
    for name, (network, rename) in renames.items():
        with torch.no_grad():
            for p in network.parameters():
                p.normal_(0, 1 / max(1, p[0].numel()) ** 0.5 if p.ndim > 1 else 0.1)
        arrays = {key: x.numpy().copy() for key, x in network.state_dict().items()}
        layer = getattr(ours, name)
        load_state_strict(layer, to_ours(arrays, layer, rename), name)
    return ours, theirs, renames


@pytest.mark.parametrize("mirrored", [None, False, True], ids=["cut", "fastcut", "mirrored"])
def test_each_loss_and_two_steps_are_the_references(reference, monkeypatch, mirrored):
    torch, fast = reference.torch, mirrored is not None
    ours, theirs, renames = pair(reference, fast)
    places = lambda count: np.random.default_rng(count).permutation(count)[:64]  # noqa: E731
    monkeypatch.setattr(cut, "choose_positions", lambda n, most: paddle.to_tensor(places(n)))
    theirs.positions = lambda count: torch.from_numpy(places(count))
    theirs.flips = lambda: mirrored
    monkeypatch.setattr(paddle, "rand", lambda shape: paddle.full(shape, 0.4 if mirrored else 0.6))
    for step in range(2):
        batch = batch_of(count=2, seed=step)
        found = ours.train_step(on_paddle(batch), step, Update())
        expected = theirs.step([torch.from_numpy(batch[key]) for key in "ab"])
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            # Adam makes a step of any gradient, of rounding too.
            tolerance = 1e-4 if step == 0 else 5e-3
            assert found[name].item() == pytest.approx(value.item(), rel=tolerance), (step, name)
    for name, (network, rename) in renames.items():
        layer = getattr(ours, name)
        arrays = {key: x.detach().numpy() for key, x in network.state_dict().items()}
        for key, x in to_ours(arrays, layer, rename).items():
            mine = layer.state_dict()[key].numpy()
            if not key.endswith("bias"):  # before an instance norm its gradient is rounding
                assert np.abs(mine - x).mean() < 2e-5, (name, key)  # two steps move 4e-4


def test_networks_are_the_references(reference):
    torch = reference.torch
    ours, theirs, _ = pair(reference, fast=False)
    x = batch_of(size=64)["a"][:, :, :48]
    with torch.no_grad(), paddle.no_grad():
        given, wanted = paddle.to_tensor(x), torch.from_numpy(x)
        pairs = [
            (ours.generator(given), theirs.g(wanted)),
            (ours.discriminator(given), theirs.d(wanted)),
        ]
        pairs += zip(ours.generator.features(given), theirs.g.features(wanted))
    for found, expected in pairs:
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-4)


# The variants and the commands


def test_weights_of_the_losses():
    update, found = Update(), {}

    def listening(losses, *optimizers, weights):
        found.update({name: weights.get(name, 1.0) for name in losses})
        return update(losses, *optimizers, weights=weights)

    cut.CUT(**TINY["cut"]).train_step(on_paddle(batch_of()), 0, listening)
    half = {"d_loss_real": 0.5, "d_loss_fake": 0.5}
    assert found == {
        **half, "g_loss_gan": 1.0, "g_loss_nce": 0.5, "g_loss_nce_identity": 0.5
    }  # fmt: skip
    found.clear()
    cut.CUT(**TINY["cut"], variant="fastcut").train_step(on_paddle(batch_of()), 0, listening)
    assert found == {**half, "g_loss_gan": 1.0, "g_loss_nce": 10.0}


def test_recompute_changes_no_number():
    batch, losses = on_paddle(batch_of()), []
    for recompute in (False, True):
        paddle.seed(0)
        model, update = cut.CUT(**TINY["cut"], recompute=recompute), Update()
        for step in range(2):
            terms = model.train_step(batch, step, update)
        losses.append({name: term.item() for name, term in terms.items()})
    assert losses[0] == losses[1]


@pytest.mark.parametrize("variant", ["cut", "fastcut"])
def test_an_interrupted_run_ends_with_the_same_bytes(pairs, tmp_path, variant):
    settings = {**TINY["cut"], "variant": variant, "data": str(pairs), "load_size": 0}
    for name, stops in (("whole", [6]), ("parts", [3, 6])):
        for steps in stops:
            paddle_gans.train(
                "cut", out=str(tmp_path / name), steps=steps, save_every=3, **settings
            )
    for network in ("generator", "projection", "discriminator"):
        file = f"checkpoints/000006/{network}.pdparams"
        whole, parts = (tmp_path / name / file for name in ("whole", "parts"))
        assert whole.read_bytes() == parts.read_bytes(), network


def test_b_to_a_is_trained_and_evaluated_in_that_direction(pairs, tmp_path):
    run, output = tmp_path / "run", tmp_path / "metrics.json"
    settings = {**TINY["cut"], "load_size": 0, "direction": "b2a"}
    paddle_gans.train("cut", data=str(pairs), out=str(run), steps=1, **settings)
    words = ["--weights", run, "--data", pairs, "--paired", "--output", output]
    assert evaluate([str(word) for word in words]) == 0
    assert list(json.loads(output.read_text())["figures"]) == ["b to a"]
    translate = paddle_gans.load(run)
    assert translate(noise_image(0, 33, 50)).shape == (33, 50, 3)


def test_options_that_cannot_be_used_are_refused():
    with pytest.raises(InputError, match="multiple of 4 and at least 32"):
        cut.CUT(crop_size=30)
    with pytest.raises(InputError, match="not after"):
        cut.CUT(decay_start_epoch=9, decay_end_epoch=9)
