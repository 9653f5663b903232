"""Colorization: the generators at any size, the encoder's weights, the step, metrics."""

import time
import urllib.request

import numpy as np
import paddle
import pytest
from conftest import TINY, noise_image
from paddle import nn
from paddle.utils import download
from paddle.vision import models as vision

import paddle_gans
from data_reader import InputError
from data_reader.images import write_image
from data_reader.transforms import normalise
from paddle_gans.models._colorization_networks import DynamicUNet, ResUNet
from paddle_gans.models.colorization import Colorization
from paddle_gans.networks.resnet18 import from_vision, resnet18, resnet34
from paddle_gans.training.model import Update
from paddle_gans.training.options import options_of
from paddle_gans.weights.arrays import layer_arrays, load_state_strict


def generator(kind, base_dim=4, **options):
    if kind == "res_unet":
        return ResUNet(base_dim=base_dim, **options)
    return DynamicUNet(resnet18(base_dim=base_dim), **options)


def batch_of(count=2, size=32):
    rng = np.random.default_rng(0)
    planes = {"l": rng.uniform(-1, 1, (count, 1, size, size)),
              "ab": rng.uniform(-0.4, 0.4, (count, 2, size, size))}  # fmt: skip
    return {key: paddle.to_tensor(x.astype("float32")) for key, x in planes.items()}


def tiny(**options):
    return Colorization(**{**TINY["colorization"], **options})


def test_defaults_are_the_articles():
    article = Colorization.paper_config
    assert (article.batch_size, article.epochs, article.steps) == (16, 50, None)
    defaults = {name: option.default for name, option in options_of(Colorization).items()}
    expected = {"generator": "dynamic_unet", "encoder": "resnet18", "base_dim": 64,
                "bounded": False, "gan_mode": "vanilla", "lambda_l1": 100.0, "crop_size": 256,
                "learning_rate": 2e-4, "beta1": 0.5, "beta2": 0.999, "pretrain_steps": 0,
                "encoder_weights": None}  # fmt: skip
    assert {name: defaults[name] for name in expected} == expected


# The networks


@pytest.mark.parametrize("kind", ["dynamic_unet", "res_unet"])
@pytest.mark.parametrize("sides", [(32, 64), (33, 47), (31, 100), (5, 1)])
def test_every_size_is_possible(kind, sides):
    network = generator(kind)
    network.eval()
    x = paddle.to_tensor(np.random.default_rng(0).uniform(-1, 1, (1, 1, *sides)).astype("float32"))
    ab = network(x)
    assert ab.shape == [1, 2, *sides]
    assert np.isfinite(ab.numpy()).all()


@pytest.mark.parametrize("kind", ["dynamic_unet", "res_unet"])
def test_bounded_colours_stay_within_the_bounds(kind):
    x = batch_of()["l"]
    for bounded in (True, False):
        network = generator(kind, bounded=bounded)
        network.head.bias.set_value(paddle.to_tensor([3.0, -3.0]))
        largest = network(x).abs().max().item()
        assert largest <= 1 if bounded else largest > 2


def test_the_encoder_returns_its_maps():
    encoder = resnet18(base_dim=4)
    maps = encoder(paddle.zeros([1, 1, 64, 40]))
    assert [m.shape[1:] for m in maps] == [
        [4, 32, 20], [4, 16, 10], [8, 8, 5], [16, 4, 3], [32, 2, 2]
    ]  # fmt: skip
    assert encoder.widths == [m.shape[1] for m in maps]
    assert all(m.min().item() >= 0 for m in maps)


def test_widths_of_the_decoder_follow_the_encoders():
    network = DynamicUNet(resnet34(base_dim=4))
    shapes = [block.conv1.weight.shape[:2] for block in network.blocks]
    assert shapes == [[32, 32], [24, 24], [16, 16], [6, 12]]  # the last one halves
    assert network.conv1.weight.shape == [7, 7, 3, 3]  # six features and the lightness
    network.eval()
    assert network(paddle.zeros([1, 1, 32, 32])).shape == [1, 2, 32, 32]


def test_the_residual_unet_is_the_papers():
    network = ResUNet()
    units = [*network.encoder, network.bridge, *network.decoder]
    widths = [unit.shortcut[0].weight.shape[:2] for unit in units]
    assert widths == [[64, 1], [128, 64], [256, 128], [512, 256], [256, 768], [128, 384], [64, 192]]
    assert [unit.shortcut[0]._stride for unit in units] == [[s, s] for s in (1, 2, 2, 2, 1, 1, 1)]
    assert isinstance(units[0].layers[0], nn.Conv2D)  # the image itself is not normalised
    assert all(isinstance(unit.layers[0], nn.BatchNorm2D) for unit in units[1:])


def test_weights_start_as_each_part_needs_them():
    network = generator("dynamic_unet", 16)
    for name, layer in network.named_sublayers():
        if isinstance(layer, nn.Conv2D) and layer.weight.size > 1000:
            fan_in = np.prod(layer.weight.shape[1:])
            std = 0.02 if name.startswith("encoder") else np.sqrt(2 / fan_in)
            assert layer.weight.numpy().std() == pytest.approx(std, rel=0.1), name
    assert np.abs(network.head.weight.numpy()).max() < 0.1


def test_what_reaches_the_deepest_layers_is_no_rounding():
    """Gradients near Adam's epsilon, 1e-8, would not train them."""
    network, batch = generator("dynamic_unet", 8), batch_of(4, 64)
    (100 * (network(batch["l"]) - batch["ab"]).abs().mean()).backward()
    for layer in (network.middle[0], network.blocks[0].conv1, network.encoder.layer4[0].conv1):
        assert np.abs(layer.weight.grad.numpy()).mean() > 1e-5


def test_sub_pixels_start_without_a_checkerboard():
    network = generator("dynamic_unet", 8)
    y = network.up(paddle.rand([1, 12, 5, 6])).numpy()
    assert y.shape == (1, 12, 10, 12)
    squares = y.reshape(1, 12, 5, 2, 6, 2)
    assert np.ptp(squares, axis=(3, 5)).max() < 1e-6
    assert np.ptp(y) > 0.1


# The encoder's weights


def vision_network(build):
    """Paddle's network with random weights and running statistics."""
    network = build()
    rng = np.random.default_rng(0)
    for name, x in network.state_dict().items():
        if name.endswith(("_mean", "_variance")):
            x.set_value(rng.uniform(0.1, 1.0, x.shape).astype("float32"))
    network.eval()
    return network


def vision_maps(network, x):
    """Return the five feature maps of a network of ``paddle.vision``."""
    maps = [network.relu(network.bn1(network.conv1(x)))]
    h = network.maxpool(maps[0])
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        h = layer(h)
        maps.append(h)
    return maps


@pytest.mark.parametrize(("ours", "theirs"), [(resnet18, "resnet18"), (resnet34, "resnet34")])
def test_a_grey_image_is_seen_as_by_the_network_for_rgb(ours, theirs):
    """Also that layers are wired and named as Paddle's, whose weights are published."""
    published = vision_network(getattr(vision, theirs))
    encoder = ours()
    load_state_strict(encoder, from_vision(layer_arrays(published), in_channels=1))
    encoder.eval()
    grey = batch_of(1)["l"]
    with paddle.no_grad():
        expected = vision_maps(published, paddle.concat([grey] * 3, axis=1))
        for mine, other in zip(encoder(grey), expected):
            scale = other.abs().max().item()
            np.testing.assert_allclose(mine.numpy(), other.numpy(), atol=1e-5 * scale)


def test_three_channels_take_the_stem_as_it_is():
    stem = np.arange(2 * 3 * 49, dtype="float32").reshape(2, 3, 7, 7)
    arrays = {"conv1.weight": stem, "fc.weight": np.zeros((2, 2), "float32")}
    np.testing.assert_array_equal(from_vision(arrays, 3)["conv1.weight"], stem)
    assert set(from_vision(arrays, 3)) == {"conv1.weight"}


def test_encoder_weights_come_from_a_file_and_leave_the_decoder_alone(tmp_path):
    path = tmp_path / "encoder.pdparams"
    published = vision_network(vision.resnet18)
    paddle.save(published.state_dict(), str(path))
    paddle.seed(1)
    model = Colorization(encoder_weights=str(path))
    before = layer_arrays(model.generator)
    model.load_pretrained()
    for name, after in layer_arrays(model.generator).items():
        part, _, rest = name.partition(".")
        if part != "encoder":
            np.testing.assert_array_equal(after, before[name])
        elif rest != "conv1.weight":
            np.testing.assert_array_equal(after, published.state_dict()[rest].numpy())

    model.encoder = "resnet34"
    model.generator.encoder = resnet34()
    with pytest.raises(InputError, match=r"encoder resnet34: not the weights.*missing: layer1\.2"):
        model.load_pretrained()


def test_a_model_is_built_without_its_encoder_weights(tmp_path):
    """Neither inference nor a resumed run needs the ImageNet weights."""
    model = Colorization(encoder_weights=str(tmp_path / "gone.pdparams"))
    with pytest.raises(InputError, match=r"gone\.pdparams does not exist"):
        model.load_pretrained()


def test_without_a_network_the_download_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "WEIGHTS_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing listens
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # Python makes one that keeps the proxies
    model = tiny()
    model.encoder_weights = "paddle"
    start = time.monotonic()
    with pytest.raises(InputError, match=r"resnet18.pdparams cannot be downloaded .*the path"):
        model.load_pretrained()
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"encoder_weights": "paddle"}, "--base-dim 64, not 4"),
        ({"encoder_weights": "paddle", "generator": "res_unet", "base_dim": 64}, "no such encoder"),
        ({"base_dim": 5}, "must be an even number"),
        ({"crop_size": 24}, "at least 32"),
        ({"pretrain_steps": -1}, "--pretrain-steps must be at least 0"),
        ({"pretrain_steps": 5, "lambda_l1": 0.0}, "on L1 alone"),
    ],
)
def test_options_that_cannot_be(options, complaint):
    with pytest.raises(InputError, match=complaint):
        tiny(**options)


# The step


def asked_for(model, step):
    """Return (terms, weights, optimizer) of the updates in a training step."""
    update, asked = Update(), []
    names = {id(optimizer): name for name, optimizer in model.optimizers.items()}

    def listening(losses, *optimizers, weights=None):
        asked.append((list(losses), dict(weights or {}), [names[id(o)] for o in optimizers]))
        return update(losses, *optimizers, weights=weights or {})

    losses = model.train_step(batch_of(), step, listening)
    assert sorted(losses) == sorted(name for terms, _, _ in asked for name in terms)
    return asked


D = (["d_loss_real", "d_loss_fake"], {}, ["discriminator"])


@pytest.mark.parametrize("kind", ["dynamic_unet", "res_unet"])
def test_terms_and_weights(kind):
    both = (["g_loss_fake", "g_loss_l1"], {"g_loss_l1": 100.0}, ["generator"])
    assert asked_for(tiny(generator=kind), 0) == [D, both]


def test_without_l1_the_gan_alone():
    assert asked_for(tiny(lambda_l1=0.0), 0) == [D, (["g_loss_fake"], {}, ["generator"])]


def test_pre_training_moves_the_generator_alone_and_by_l1():
    model = tiny(pretrain_steps=3)
    before = layer_arrays(model)
    for step in range(3):
        assert asked_for(model, step) == [(["g_loss_l1"], {"g_loss_l1": 100.0}, ["generator"])]
    after = layer_arrays(model)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert "generator.head.weight" in moved
    assert not [name for name in moved if name.startswith("discriminator")]
    assert len(asked_for(model, 3)) == 2


def test_no_gradient_of_ds_loss_reaches_the_generator():
    model = tiny()
    update = Update()

    def d_alone(losses, *optimizers, weights=None):
        if "d_loss_real" not in losses:
            return {}
        terms = update(losses, *optimizers)
        assert all(p.grad is None for p in model.generator.parameters())
        return terms

    assert "d_loss_real" in model.train_step(batch_of(), 0, d_alone)


# Pictures


def test_a_panel_shows_grey_result_and_truth():
    from data_reader import colour

    rgb = [noise_image(seed, 32, 32) // 2 + 60 for seed in (1, 2)]
    planes = [colour.encode(colour.rgb_to_lab(image)) for image in rgb]
    batch = {key: paddle.to_tensor(np.stack([p[i] for p in planes]))
             for i, key in enumerate(("l", "ab"))}  # fmt: skip
    images = tiny().sample(batch)
    assert list(images) == ["grey", "result", "truth"]
    grey = images["grey"].numpy()
    assert np.ptp(grey, axis=1).max() < 0.02  # R, G and B are equal
    truth = np.stack([normalise(image) for image in rgb])
    np.testing.assert_allclose(images["truth"].numpy(), truth, atol=1.01 / 127.5)
    assert images["result"].shape == [2, 3, 32, 32]


def test_a_folder_of_photographs_trains(tmp_path):
    for i in range(3):
        write_image(tmp_path / "photos" / f"{i}.png", noise_image(i))
    model = tiny()
    assert model.dataset(str(tmp_path / "photos"), train=False) is None
    item = model.dataset(str(tmp_path / "photos"), train=True).item(0, np.random.default_rng(0))
    assert (item["l"].shape, item["ab"].shape) == ((1, 32, 32), (2, 32, 32))
    result = paddle_gans.train(
        "colorization", data=str(tmp_path / "photos"), out=str(tmp_path / "run"), steps=1,
        batch_size=2, workers=0, **TINY["colorization"],
    )  # fmt: skip
    assert set(result.losses) == {"d_loss_real", "d_loss_fake", "g_loss_fake", "g_loss_l1"}
    assert (tmp_path / "run" / "generator.pdparams").is_file()


# Metrics


class Answer(nn.Layer):
    """A network with a constant output."""

    def __init__(self, ab):
        super().__init__()
        self.ab = ab

    def forward(self, x):
        return self.ab


def test_metrics_by_hand():
    model = tiny()
    a, b = paddle.full([2, 1, 32, 32], 3 / 110), paddle.full([2, 1, 32, 32], 4 / 110)
    batch = {"l": paddle.zeros([2, 1, 32, 32]), "ab": paddle.concat([a, b], axis=1)}
    model.generator = Answer(batch["ab"])
    assert model.validate(batch) == pytest.approx(
        {"chroma_result": 5, "chroma_truth": 5, "psnr_ab": 100, "ciede2000": 0}, abs=1e-4
    )
    model.generator = Answer(paddle.concat([a + 0.1, b], axis=1))  # a is 14
    found = model.validate(batch)
    assert found["chroma_result"] == pytest.approx(np.hypot(14, 4), rel=1e-4)
    assert found["psnr_ab"] == pytest.approx(10 * np.log10(220**2 / (11**2 / 2)), rel=1e-4)
    assert 5 < found["ciede2000"] < 15
    assert set(found) == set(model.metrics)


@pytest.mark.parametrize(
    ("chroma", "warns"),
    [
        ([], False),
        ([2.0], False),
        ([10, 9, 8, 4], True),
        ([10, 9, np.nan, 8, 4], True),
        ([10, 10.5, 9, 7, 5.9], True),
        ([10, 10.5, 9, 7, 6.1], False),  # not below 60 % of 10
        ([30, 25, 16, 9], False),  # too strong at first, and now the truth's
        ([10, 4, 3.9, 4.1], False),  # pale, but not for three in a row
        ([10, 9, 4, 3, 2, 6], False),  # back again
        ([1, 0.9, 0.8, 0.7], False),  # was never strong, and has lost little
    ],
)
def test_fading_colours_are_told(chroma, warns):
    history = [{"chroma_result": float(c), "chroma_truth": 10.0} for c in chroma]
    warnings = tiny().validation_warnings(history)
    assert len(warnings) == warns
    assert all("fade" in warning for warning in warnings)


@pytest.mark.parametrize("truth", [0.0, np.nan])
def test_photographs_without_colour_have_nothing_to_fade(truth):
    history = [{"chroma_result": c, "chroma_truth": truth} for c in (4.0, 3.0, 2.0, 0.5)]
    assert not tiny().validation_warnings(history)
