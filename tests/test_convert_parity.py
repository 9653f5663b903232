"""What PyTorch saves and this package converts computes the same; and back. Needs torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import paddle
import pytest
from conftest import noise_image

import paddle_gans
from data_reader.errors import InputError
from data_reader.transforms import normalise
from paddle_gans import convert
from paddle_gans.conversion import detect, from_others, networks, state_dicts
from paddle_gans.training.losses import vanilla
from paddle_gans.weights import torch_file
from paddle_gans.weights.arrays import layer_arrays

torch = pytest.importorskip("torch")
import torch_networks as reference  # noqa: E402  it imports torch

ALLOWED = 1e-4
LEGACY = {"_use_new_zipfile_serialization": False}


def run(*words) -> None:
    assert convert.main([str(word) for word in words]) == 0


def random_images(channels=3, side=64, n=2, seed=0) -> np.ndarray:
    x = np.random.default_rng(seed).uniform(-1, 1, (n, channels, side, side))
    return x.astype("float32")


def theirs(network, *inputs) -> np.ndarray:
    with torch.no_grad():
        return network(*[torch.from_numpy(x) for x in inputs]).numpy()


def assert_equal(ours, expected) -> None:
    assert np.abs(expected).max() > 0.05, "a network that says nothing proves nothing"
    print(f"largest difference {np.abs(np.asarray(ours) - expected).max():.1e}")
    np.testing.assert_allclose(np.asarray(ours), expected, atol=ALLOWED, rtol=0)


def layers(*paths, **hints) -> dict:
    """Our networks of files, in inference mode."""
    result = from_others.convert([Path(path) for path in paths], hints)
    for one in result.networks:
        one.layer.eval()
    return {one.name: one.layer for one in result.networks}


def save(network, path, **how):
    path.parent.mkdir(exist_ok=True)
    torch.save(network if isinstance(network, dict) else network.state_dict(), path, **how)
    return path


# The two formats, and every kind of number.


@pytest.mark.parametrize("how", [{}, LEGACY], ids=["zip", "legacy"])
def test_what_torch_saves_is_read(tmp_path, how):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    adam = torch.optim.Adam(network.parameters())
    network(torch.rand(1, 3, 8, 8)).sum().backward()
    adam.step()
    base = torch.arange(40.0).reshape(5, 8)
    saved = {
        "net": network.state_dict(), "optimizer": adam.state_dict(), "epoch": 3, "best": 0.5,
        "part": base[1:4, ::2], "turned": base.t(), "parameter": torch.nn.Parameter(base),
        "half": torch.rand(3).half(), "brain": torch.rand(4).bfloat16(), "none": None,
        "double": torch.rand(3).double(), "bool": torch.tensor([True, False]), "empty": base[:0],
        "scalar": torch.tensor(7), "size": torch.Size([1, 2]), "numpy": np.float32(2.5),
    }  # fmt: skip
    assert_same(torch_file.load(save(saved, tmp_path / "x.pth", **how)), saved)


def assert_same(ours, expected):
    if isinstance(expected, dict):
        assert list(ours) == list(expected)
        for key in expected:
            assert_same(ours[key], expected[key])
    elif isinstance(expected, torch.Tensor):
        assert ours.shape == tuple(expected.shape)
        np.testing.assert_array_equal(ours.astype("float64"), expected.detach().double().numpy())
    elif isinstance(expected, (list, tuple)):
        for one, other in zip(ours, expected):
            assert_same(one, other)
    else:
        assert ours == expected


# pix2pix: batch norm with its variance, transposed convolutions, dropout, skips.


@pytest.mark.parametrize(("depth", "name"), [(7, "unet_128"), (8, "unet_256")])
def test_unet(tmp_path, depth, name):
    network = reference.shaken(reference.UNet(2, depth))
    save(network, tmp_path / "latest_net_G.pth", **LEGACY)
    run(tmp_path / "latest_net_G.pth", "--to", tmp_path / "run", "--direction", "b2a", "--quiet")
    translate = paddle_gans.load(tmp_path / "run")
    chosen = {key: translate.options[key] for key in ("generator", "base_dim", "direction")}
    assert chosen == {"generator": name, "base_dim": 2, "direction": "b2a"}
    x = random_images(side=2**depth, n=1)
    assert_equal(translate.model.generator(paddle.to_tensor(x)), theirs(network, x))

    photo = noise_image(1, 2**depth, 2**depth)
    expected = theirs(network, normalise(photo)[None])[0].transpose(1, 2, 0)
    assert np.abs(translate(photo) - (expected + 1) * 127.5).max() < 0.6


def test_unet_with_the_statistics_of_each_image(tmp_path):
    """Their test.py leaves the network in training mode, but its dropout then works too."""
    network = reference.shaken(reference.UNet(2, 7, dropout=False))
    path = save(network, tmp_path / "latest_net_G.pth")
    run(path, "--to", tmp_path / "run", "--norm-mode", "instance")
    x = random_images(side=128, n=1)
    ours = paddle_gans.load(tmp_path / "run").model.generator(paddle.to_tensor(x))
    assert_equal(ours, theirs(network.train(), x))


def test_discriminator_of_pix2pix(tmp_path):
    network = reference.shaken(reference.PatchGAN(4, 6, "batch"))
    ours = layers(save(network, tmp_path / "latest_net_D.pth"))["discriminator"]
    x = random_images(6)
    assert_equal(ours(paddle.to_tensor(x)), theirs(network, x))


# CycleGAN: instance norm without parameters.


@pytest.mark.parametrize("norm", ["instance", "old", "affine"])
@pytest.mark.parametrize(
    "how", [{}, {"dropout": True}, {"upsample": True}, {"name": "block"}], ids=str
)
def test_resnet(tmp_path, norm, how):
    network = reference.ResNet(4, 2, norm, **how)
    path = save(reference.shaken(network), tmp_path / "horse2zebra.pth")
    if norm == "affine" and "upsample" in how:
        with pytest.raises(InputError, match="has affine instance norm"):
            layers(path)
        return
    ours = layers(path)["generator_ab"]
    if norm == "old":  # the authors throw these statistics away
        for layer in network.modules():
            if isinstance(layer, torch.nn.InstanceNorm2d):
                layer.track_running_stats, layer.running_mean, layer.running_var = False, None, None
    x = random_images()
    assert_equal(ours(paddle.to_tensor(x)), theirs(network, x))


def test_cut(tmp_path):
    """Blurs instead of strides; netF is left out. The file has a wrapper of a compiled network."""
    nets = {
        "G": reference.ResNet(4, 2, blur=True),
        "D": reference.PatchGAN(4, 3, "instance", blur=True),
    }
    for name, network in nets.items():
        reference.shaken(network)
        state = {f"_orig_mod.{key}": x for key, x in network.state_dict().items()}
        save(state, tmp_path / "horse2zebra_CUT" / f"latest_net_{name}.pth")
    heads = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8))
    state = {f"mlp_0.{key}": x for key, x in heads.state_dict().items()}
    save(state, tmp_path / "horse2zebra_CUT" / "latest_net_F.pth")
    ours, x = layers(tmp_path / "horse2zebra_CUT"), random_images(side=48)
    assert_equal(ours["generator"](paddle.to_tensor(x)), theirs(nets["G"], x))
    assert_equal(ours["discriminator"](paddle.to_tensor(x)), theirs(nets["D"], x))
    found = back(tmp_path, tmp_path / "horse2zebra_CUT")
    for path in found:
        assert_loads(nets[path.stem[-1]], path)
    assert len(found) == 2


@pytest.mark.parametrize("even", [False, True], ids=["authors", "PyTorch-GAN"])
def test_discriminators_of_cyclegan_judge_their_own_domain(tmp_path, even):
    network = reference.shaken(reference.PatchGAN(4, 3, "instance", even=even))
    ours = layers(save(network, tmp_path / "latest_net_D_A.pth"))
    assert list(ours) == ["discriminator_a" if even else "discriminator_b"]
    x = random_images()
    assert_equal(next(iter(ours.values()))(paddle.to_tensor(x)), theirs(network, x))


def test_a_whole_cyclegan_is_loaded_and_trained_on(tmp_path):
    nets = {name: reference.ResNet(4, 1) for name in ("G_A", "G_B")}
    nets.update({name: reference.PatchGAN(4, 3, "instance") for name in ("D_A", "D_B")})
    for seed, (name, network) in enumerate(nets.items()):
        save(reference.shaken(network, seed), tmp_path / "theirs" / f"latest_net_{name}.pth")
    run(tmp_path / "theirs", "--to", tmp_path / "run")
    photo, x = noise_image(1, 32, 32), normalise(noise_image(1, 32, 32))[None]
    translate = paddle_gans.load(tmp_path / "run")
    for direction, name in (("a2b", "G_A"), ("b2a", "G_B")):
        expected = (theirs(nets[name], x)[0].transpose(1, 2, 0) + 1) * 127.5
        assert np.abs(translate(photo, direction=direction) - expected).max() < 0.6

    paddle_gans.train(
        "cyclegan", steps=1, out=tmp_path / "more", init_from=str(tmp_path / "run"),
        generator="resnet_9blocks", discriminator="patch_gan", base_dim=4, residual_num=1,
        crop_size=32, pool_size=1, learning_rate=0.0,
    )  # fmt: skip
    after = paddle_gans.load(tmp_path / "more").model.generator_ab
    for name, x in layer_arrays(translate.model.generator_ab).items():
        np.testing.assert_array_equal(layer_arrays(after)[name], x)


@pytest.mark.parametrize(("size", "channels"), [(64, 3), (32, 1)])
def test_dcgan_and_back(tmp_path, size, channels):
    nets = {
        "netG": reference.DCGAN(4, 10, size=size, channels=channels),
        "netD": reference.DCGAN(4, size=size, channels=channels),
    }
    state = {f"{name}_state_dict": reference.shaken(net).state_dict() for name, net in nets.items()}
    path = save({**state, "epoch": 7}, tmp_path / "weights.tar")
    ours = layers(path)
    z = np.random.default_rng(0).standard_normal((2, 10)).astype("float32")
    x = random_images(channels, size)
    assert_equal(ours["generator"](paddle.to_tensor(z)), theirs(nets["netG"], z))
    assert_equal(ours["discriminator"](paddle.to_tensor(x)), theirs(nets["netD"], x))
    for file in back(tmp_path, path):
        assert_loads(nets[file.stem], file)


def test_dcgan_trains_as_in_pytorch(tmp_path):
    """Losses and gradients in training mode, where batch norm uses the batch."""
    nets = {"netG": reference.DCGAN(4, 10), "netD": reference.DCGAN(4)}
    ours = layers(
        save({k: reference.shaken(n).state_dict() for k, n in nets.items()}, tmp_path / "x")
    )
    z = np.random.default_rng(0).standard_normal((4, 10)).astype("float32")
    g, d = (net.train() for net in nets.values())
    logits = d(g(torch.from_numpy(z)))
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    loss.backward()
    for layer in ours.values():
        layer.train()
    found = vanilla(ours["discriminator"](ours["generator"](paddle.to_tensor(z))), True)
    found.backward()
    assert found.item() == pytest.approx(loss.item(), abs=1e-5)
    for network, name in ((g, "generator"), (d, "discriminator")):
        expected = [p.grad.numpy() for p in network.parameters()]
        grads = [p.grad.numpy() for p in ours[name].parameters() if p.trainable]
        assert len(grads) == len(expected)
        for one, other in zip(grads, expected):
            np.testing.assert_allclose(one, other, atol=1e-5 * max(1, np.abs(other).max()))


# Spectral norm: what inference divides by.


@pytest.mark.parametrize("new", [False, True], ids=["weight_orig", "parametrizations"])
def test_spectral_norms_of_a_generator_are_divided_into_its_weights(tmp_path, new):
    wrap = torch.nn.utils.parametrizations.spectral_norm if new else torch.nn.utils.spectral_norm
    network = reference.ResNet(4, 1)
    for layer in network.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            wrap(layer)
    network(torch.rand(1, 3, 16, 16))  # a step of the power method
    network.eval()
    ours = layers(save(network, tmp_path / "G_AB.pth"))["generator_ab"]
    x = random_images()
    assert_equal(ours(paddle.to_tensor(x)), theirs(network, x))


# StarGAN v2: instance norm with parameters, adaptive norm, linear layers, heads of domains.


def star(w_hpf, size=64, d=4, most=12):
    nets = {
        "generator": reference.StarGenerator(d, size, 6, w_hpf, most),
        "mapping_network": reference.Mapping(5, 6, 3, 8),
        "style_encoder": reference.StyleEncoder(d, size, 6, 3, most),
        "discriminator": reference.StarDiscriminator(d, size, 3, most),
    }
    return {name: reference.shaken(network, i) for i, (name, network) in enumerate(nets.items())}


@pytest.mark.parametrize("prefix", ["", "module."])
def test_stargan_v2(tmp_path, prefix):
    nets = star(0)
    state = {
        name: {prefix + key: x for key, x in network.state_dict().items()}
        for name, network in nets.items()
        if name != "discriminator"
    }
    path = save(state, tmp_path / "000700_nets_ema.ckpt", **LEGACY)
    run(path, "--to", tmp_path / "run", "--domains", "cat", "dog", "wild")
    translate = paddle_gans.load(tmp_path / "run")
    assert translate.domains == ["cat", "dog", "wild"]
    assert translate.step == 700
    model, y = translate.model, np.array([2, 0])
    z = np.random.default_rng(1).standard_normal((2, 5)).astype("float32")
    s = theirs(nets["mapping_network"], z, y)
    assert_equal(model.mapping_network_ema(paddle.to_tensor(z), paddle.to_tensor(y)), s)
    x = random_images()
    copied = theirs(nets["style_encoder"], x, y)
    assert_equal(model.style_encoder_ema(paddle.to_tensor(x), paddle.to_tensor(y)), copied)
    shown = model.generator_ema(paddle.to_tensor(x), paddle.to_tensor(s))
    assert_equal(shown, theirs(nets["generator"], x, s))


def test_stargan_v2_for_faces_keeps_their_detail(tmp_path):
    nets = star(2.0)
    masks = [random_images(1, 64, seed=i) / 2 + 0.5 for i in (1, 2)]
    result = detect.stargan_options(
        {state.label: state for state in states_of(tmp_path, nets)}, None, 2.0
    )
    assert (result["w_hpf"], result["crop_size"], result["max_channels"]) == (2.0, 64, 12)
    options = {**result, "fan_weights": "fan.pdparams"}
    found = {state.label: state for state in states_of(tmp_path, nets)}
    (layer,) = networks.networks_of("stargan_v2", ["generator"], options).values()
    rename = networks.names_of("stargan_v2", "generator", options)
    networks.load_into(layer, rename, found["generator"], detect.detect(found["generator"]))
    layer.eval()
    x, s = random_images(), np.random.default_rng(3).standard_normal((2, 6)).astype("float32")
    ours = layer(*map(paddle.to_tensor, (x, s)), list(map(paddle.to_tensor, masks)))
    with torch.no_grad():
        expected = nets["generator"](*map(torch.from_numpy, (x, s)), [*map(torch.tensor, masks)])
    assert_equal(ours, expected.numpy())


def states_of(folder, nets):
    state = {name: network.state_dict() for name, network in nets.items()}
    found, _ = state_dicts.read(save(state, folder / "nets_ema.ckpt"))
    return found


def test_discriminator_of_stargan_v2(tmp_path):
    nets = star(0)
    path = save({n: x.state_dict() for n, x in nets.items()}, tmp_path / "000001_nets.ckpt")
    x, y = random_images(), np.array([1, 2])
    ours = layers(path)["discriminator"](paddle.to_tensor(x), paddle.to_tensor(y))
    assert_equal(ours, theirs(nets["discriminator"], x, y))


# There and back.


def back(tmp_path, source):
    run(source, "--to", tmp_path / "run")
    run(tmp_path / "run", "--to-torch", tmp_path / "back", "--quiet")
    return sorted((tmp_path / "back").iterdir())


def assert_loads(network, path, key=None):
    """Their code loads the file, strictly, and has what it had."""
    before = {name: x.clone() for name, x in network.state_dict().items()}
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state if key is None else state[key])
    for name, x in network.state_dict().items():
        assert name.endswith("num_batches_tracked") or torch.equal(x, before[name]), name


def test_pix2pix_back(tmp_path):
    nets = {"G": reference.UNet(2, 7), "D": reference.PatchGAN(2, 6, "batch")}
    for name, network in nets.items():
        save(reference.shaken(network), tmp_path / "theirs" / f"latest_net_{name}.pth")
    found = back(tmp_path, tmp_path / "theirs")
    assert [path.name for path in found] == ["latest_net_D.pth", "latest_net_G.pth"]
    for path in found:
        assert_loads(nets[path.stem[-1]], path)


@pytest.mark.parametrize(
    ("names", "even"), [("latest_net_D_A latest_net_G_A", False), ("D_A G_AB", True)]
)
def test_cyclegan_back(tmp_path, names, even):
    d, g = names.split()
    nets = {
        d: reference.shaken(reference.PatchGAN(2, 3, "instance", even=even)),
        g: reference.shaken(reference.ResNet(2, 1, upsample=even)),
    }
    for name, network in nets.items():
        save(network, tmp_path / "theirs" / f"{name}.pth")
    found = back(tmp_path, tmp_path / "theirs")
    assert [path.stem for path in found] == [d, g]
    for path in found:
        assert_loads(nets[path.stem], path)


def test_stargan_v2_back(tmp_path, capsys):
    nets = star(0)
    del nets["discriminator"]
    state = {name: network.state_dict() for name, network in nets.items()}
    (path,) = back(tmp_path, save(state, tmp_path / "000007_nets_ema.ckpt"))
    assert path.name == "000007_nets_ema.ckpt"
    for name, network in nets.items():
        assert_loads(network, path, name)
    assert "max_conv_dim = 12 instead of 512" in capsys.readouterr().out


def test_a_memory_map_of_what_is_written_is_aligned(tmp_path):
    save(reference.shaken(reference.ResNet(2, 1)), tmp_path / "G_AB.pth")
    (path,) = back(tmp_path, tmp_path / "G_AB.pth")
    for x in torch.load(str(path), weights_only=True, mmap=True).values():
        assert x.data_ptr() % 64 == 0
