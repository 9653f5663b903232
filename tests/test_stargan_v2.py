"""StarGAN v2: the order of the updates, R1, diversity, domains, averages, high-pass skips."""

import numpy as np
import paddle
import pytest
from conftest import TINY, noise_image
from golden import FOLDER, Case
from paddle import nn

import paddle_gans
from data_reader import InputError
from data_reader.images import write_image
from paddle_gans.fast_cpu import accelerate
from paddle_gans.models._stargan_v2_networks import AdaIN, Discriminator, channels, high_pass
from paddle_gans.models.stargan_v2 import Guide, StarGANv2
from paddle_gans.training.losses import r1_penalty
from paddle_gans.training.model import Update
from paddle_gans.training.trainer import training_step
from paddle_gans.weights import formats

OPTIONS = {**TINY["stargan_v2"], "domains": "cat,dog"}


def make_model(**options):
    paddle.seed(0)
    model = StarGANv2(**{**OPTIONS, **options})
    accelerate(model)
    return model


def make_batch(size=64, count=2, seed=0):
    rng = np.random.default_rng(seed)
    images = {
        key: rng.uniform(-1, 1, (count, 3, size, size)) for key in ("x_real", "x_ref", "x_ref2")
    }
    latents = {key: rng.standard_normal((count, 16)) for key in ("z_trg", "z_trg2")}
    floats = {k: paddle.to_tensor(x.astype("float32")) for k, x in {**images, **latents}.items()}
    turns = np.arange(count) % 2
    return {**floats, "y_org": paddle.to_tensor(turns), "y_trg": paddle.to_tensor(1 - turns)}


def values(network):
    return {name: p.numpy().copy() for name, p in network.named_parameters()}


def moved(before, network):
    return [n for n, x in values(network).items() if not np.array_equal(before[n], x)]


# The step


def test_defaults_are_the_articles():
    model = StarGANv2(max_channels=8, base_dim=8)
    assert (model.lambda_r1, model.lambda_sty, model.lambda_ds, model.lambda_cyc) == (1, 1, 2, 1)
    assert (model.ds_steps, model.ema_decay, model.crop_size) == (100_000, 0.999, 256)
    rates = {name: optimizer.get_lr() for name, optimizer in model.optimizers.items()}
    assert rates.pop("mapping_network") == 1e-6
    assert set(rates.values()) == {1e-4}
    assert (StarGANv2.paper_config.batch_size, StarGANv2.paper_config.steps) == (8, 100_000)
    assert channels(256, None, 512) == [64, 128, 256, 512, 512, 512, 512]


def test_four_updates_in_order_each_of_its_own_networks():
    model, update, asked = make_model(), Update(), []
    names = {id(optimizer): name for name, optimizer in model.optimizers.items()}

    def listening(losses, *optimizers, weights):
        before = {name: values(getattr(model, name)) for name in model.optimizers}
        terms = update(losses, *optimizers, weights=weights)
        went = {name for name in before if moved(before[name], getattr(model, name))}
        assert went == {names[id(o)] for o in optimizers}
        asked.append((list(losses), [names[id(o)] for o in optimizers], weights))
        return terms

    model.train_step(make_batch(), 0, listening)
    assert asked == [
        (["d_latent_real", "d_latent_fake", "d_latent_r1"],
         ["discriminator"], {"d_latent_r1": 1.0}),
        (["d_ref_real", "d_ref_fake", "d_ref_r1"],
         ["discriminator"], {"d_ref_r1": 1.0}),
        (["g_latent_adv", "g_latent_sty", "g_latent_ds", "g_latent_cyc"],
         ["generator", "mapping_network", "style_encoder"],
         {"g_latent_sty": 1.0, "g_latent_ds": -2.0, "g_latent_cyc": 1.0}),
        (["g_ref_adv", "g_ref_sty", "g_ref_ds", "g_ref_cyc"],
         ["generator"],
         {"g_ref_sty": 1.0, "g_ref_ds": -2.0, "g_ref_cyc": 1.0}),
    ]  # fmt: skip


def test_the_weight_of_diversity_falls_to_nothing_as_a_function_of_the_step():
    model, ref = make_model(lambda_ds=2.0, ds_steps=100), Guide("ref", None, None, None)
    weights = [-model.g_weights(ref, step)["g_ref_ds"] for step in (0, 25, 50, 100, 5000)]
    assert weights == [2.0, 1.5, 1.0, 0.0, 0.0]


def test_averages_follow_and_are_what_inference_takes():
    model = make_model(ema_decay=0.75)
    start = values(model.generator)
    training_step(model, make_batch(), 0, Update())
    for name, average in values(model.generator_ema).items():
        expected = 0.75 * start[name] + 0.25 * values(model.generator)[name]
        np.testing.assert_allclose(average, expected, atol=1e-6)
    assert model.inference_network("mapping_network") is model.mapping_network_ema
    assert set(model.inference) == {"generator", "mapping_network", "style_encoder"}


def test_recompute_gives_the_same_numbers():
    results = []
    for recompute in (False, True):
        model = make_model(recompute=recompute)
        losses = [model.train_step(make_batch(seed=t), t, Update()) for t in range(2)]
        results.append({name: term.item() for name, term in losses[-1].items()})
    for name, value in results[0].items():
        assert results[1][name] == pytest.approx(value, rel=1e-4), name


# Networks and penalties


def test_r1_of_a_linear_discriminator():
    """The slope of w x is w: the penalty is |w|^2 / 2, whatever the images, and grows by w."""
    w = paddle.to_tensor([3.0, 4.0], stop_gradient=False)
    x = paddle.randn([5, 2])
    x.stop_gradient = False
    penalty = r1_penalty((x * w).sum(axis=1), x)
    assert penalty.item() == pytest.approx(12.5)
    penalty.backward()
    np.testing.assert_allclose(w.grad.numpy(), [3.0, 4.0], rtol=1e-6)


def test_r1_equals_the_references():
    paths = sorted(FOLDER.glob("stargan_v2_r1*.json"))
    if not paths:
        pytest.skip(f"no golden cases in {FOLDER}")
    from test_golden import stargan_v2_discriminator

    from paddle_gans.weights import name_maps
    from paddle_gans.weights.arrays import load_state_strict

    for path in paths:
        r1, case = Case(path), Case(path.with_name(path.name.replace("_r1", "_discriminator")))
        port = stargan_v2_discriminator(**case["constructor"])
        load_state_strict(
            port.network, name_maps.to_ours(case.weights(case["params"]), port.network, port.rename)
        )
        for kernels in ("Paddle's", "fast"):
            if kernels == "fast":
                accelerate(port.network)
            x, y = case.inputs().values()
            penalty = r1_penalty(port.network(x, y), x).item()
            assert penalty == pytest.approx(r1["r1"], rel=1e-4), kernels


def test_a_row_takes_the_logit_of_its_own_domain():
    network = Discriminator([4, 8, 8, 8, 8], num_domains=3)
    x = paddle.randn([3, 3, 64, 64])
    every = [network(x, paddle.full([3], y, "int64")).numpy() for y in range(3)]
    own = network(x, paddle.to_tensor([2, 0, 1])).numpy()
    np.testing.assert_allclose(own, [every[2][0], every[0][1], every[1][2]], rtol=1e-5)


def test_adain_scales_from_one_and_each_image_by_its_own_style():
    layer = AdaIN(2, 3)
    layer.affine.weight.set_value(paddle.to_tensor(np.eye(2, 6, dtype="float32")))
    layer.affine.bias.set_value(paddle.to_tensor([0, 0, 0, 7, 0, 0], dtype="float32"))
    x = paddle.randn([2, 3, 16, 16]) * 5 + 2
    y = layer(x, paddle.to_tensor([[2.0, 0.0], [0.0, 4.0]])).numpy()
    assert y.std(axis=(2, 3)) == pytest.approx(np.array([[3, 1, 1], [1, 5, 1]]), abs=1e-2)
    assert y.mean(axis=(2, 3)) == pytest.approx(np.array([[7, 0, 0], [7, 0, 0]]), abs=1e-4)


def test_high_pass_is_eight_and_minus_one_around():
    x = paddle.zeros([1, 2, 4, 4])
    x[0, 1, 1, 1] = 1.0
    expected = np.zeros((4, 4))
    expected[:3, :3] = -0.5
    expected[1, 1] = 4.0
    np.testing.assert_allclose(high_pass(x, 2.0)[0, 1].numpy(), expected, atol=1e-6)
    assert not high_pass(x, 2.0)[0, 0].numpy().any()


# Faces, with the frozen network


@pytest.mark.slow
def test_with_masks_it_trains_saves_and_keeps_the_face_network(tmp_path):
    from paddle_gans.networks.fan import FAN

    fan = tmp_path / "fan.pdparams"
    paddle.save(FAN().state_dict(), str(fan))
    out = tmp_path / "run"
    options = {**TINY["stargan_v2"], "w_hpf": 1.0, "fan_weights": str(fan), "batch_size": 1}
    paddle_gans.train("stargan_v2", steps=1, out=str(out), **options)
    saved, _ = formats.read_network(out / "fan.pdparams")
    for name, value in paddle.load(str(fan)).items():
        np.testing.assert_array_equal(saved[name], value.numpy())

    fan.unlink()  # the checkpoint and the run folder hold it
    paddle_gans.train("stargan_v2", steps=2, out=str(out), **options)
    translate = paddle_gans.load(str(out))
    image = translate(noise_image(1, 70, 90), domain="dog")
    assert image.shape[2] == 3


# Data and domains


@pytest.fixture
def animals(tmp_path):
    for domain in ("ape", "bee", "cow"):
        for i in range(3):
            write_image(tmp_path / "animals" / domain / f"{i}.png", noise_image(i, 64, 64))
    return tmp_path / "animals"


def train(data, out, **settings):
    options = {**TINY["stargan_v2"], "batch_size": 2, "workers": 0, **settings}
    return paddle_gans.train("stargan_v2", data=str(data), out=str(out), **options)


def test_domains_are_the_folders_and_can_be_chosen(animals, tmp_path):
    train(animals, tmp_path / "all", steps=1)
    assert '"ape,bee,cow"' in (tmp_path / "all" / "config.json").read_text()
    train(animals, tmp_path / "two", steps=1, domains="cow,ape")
    assert '"cow,ape"' in (tmp_path / "two" / "config.json").read_text()
    with pytest.raises(InputError, match=r"no domain 'dog'.*ape, bee, cow"):
        train(animals, tmp_path / "none", steps=1, domains="cow,dog")
    assert not (tmp_path / "none").exists()


def test_resumed_equals_uninterrupted_diversity_and_averages_included(animals, tmp_path):
    for steps in (2, 4):
        train(animals, tmp_path / "parts", steps=steps, ds_steps=8)
    train(animals, tmp_path / "whole", steps=4, ds_steps=8)
    ends = [tmp_path / run / "checkpoints" / "000004" for run in ("parts", "whole")]
    names = sorted(p.name for p in ends[0].glob("*.pd*"))
    assert {"generator_ema.pdparams", "mapping_network.pdopt"} <= set(names)
    for name in names:
        assert (ends[0] / name).read_bytes() == (ends[1] / name).read_bytes(), name


def test_the_run_begins_with_its_settings(animals, tmp_path, capsys):
    train(animals, tmp_path / "run", steps=1)
    printed = capsys.readouterr().out
    for line in ("# domain_list :  ['ape', 'bee', 'cow']", "# batch_size :  2",
                 "# max iteration :  1", "# ds iteration :  100000", "# latent_dim :  16",
                 "# style_dim :  64", "# hidden_dim :  8"):  # fmt: skip
        assert line in printed


def test_the_panel_shows_both_guides():
    model = make_model()
    assert (model.sample_grid.count, model.sample_grid.columns) == (6, 7)
    with paddle.no_grad():
        images = model.sample(make_batch(count=6))
    labels = list(images)
    assert labels[:7] == ["source", *[f"{d} {i}" for d in ("cat", "dog") for i in (1, 2, 3)]]
    assert labels[7:] == ["reference", *[f"source {i}" for i in range(1, 7)]]
    assert [len(images[label]) for label in ("cat 1", "reference", "source 1")] == [6, 7, 7]


@pytest.mark.parametrize(("options", "words"), [
    ({"domains": "cat"}, "two different names"),
    ({"domains": "cat,cat"}, "two different names"),
    ({"crop_size": 100}, "64, 128, 256"),
    ({"crop_size": 32}, "64, 128, 256"),
    ({"w_hpf": 1.0}, "--fan-weights FILE"),
    ({"w_hpf": -1.0}, "at least 0"),
])  # fmt: skip
def test_what_cannot_be_is_said(options, words):
    with pytest.raises(InputError, match=words):
        StarGANv2(**{**OPTIONS, **options})


def test_every_size_from_64_builds():
    for size in (64, 128, 256):
        model = StarGANv2(**{**OPTIONS, "crop_size": size, "max_channels": 4})
        x = paddle.zeros([1, 3, size, size])
        style = model.style_encoder(x, paddle.to_tensor([1]))
        assert style.shape == [1, 64]
        assert model.generator(x, style).shape == [1, 3, size, size]
        assert model.discriminator(x, paddle.to_tensor([0])).shape == [1]
        assert isinstance(model.generator.encode, nn.LayerList)
