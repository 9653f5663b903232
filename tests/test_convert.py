"""Other people's files of weights: recognised, converted whole, or refused in one sentence."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import paddle
import pytest
from conftest import TINY, noise_image

import paddle_gans
from data_reader.errors import InputError
from paddle_gans import convert, models
from paddle_gans.conversion import from_others
from paddle_gans.conversion.networks import blur_filters, names_of, networks_of
from paddle_gans.networks.fan import FAN
from paddle_gans.training import fan_weights, resume
from paddle_gans.training.options import resolve
from paddle_gans.weights import name_maps, paddle_file, torch_file
from paddle_gans.weights.arrays import layer_arrays

UNET = {"generator": "unet_128", "discriminator": "paper", "base_dim": 2}
RESNET = {
    "generator": "resnet_9blocks", "discriminator": "patch_gan", "base_dim": 4, "residual_num": 2
}  # fmt: skip
ARTICLE = {"base_dim": 4, "residual_num": 2}
CUT = {"base_dim": 4, "residual_num": 3}
DCGAN = {"generator": "paper", "crop_size": 64, "channels": 3, "base_dim": 4, "noise": "normal"}
STAR = {**TINY["stargan_v2"], "domains": "cat,dog,wild"}
NETS = ("generator", "mapping_network", "style_encoder")


def network_of(model: str, part: str, options: dict):
    """One of our networks, and its map to the names of the authors' code."""
    options = resolve(models.find(model), options, model)
    return networks_of(model, [part], options)[part], names_of(model, part, options)


def theirs(model: str, part: str, options: dict, seed: int = 0) -> dict[str, np.ndarray]:
    """The weights of a network as the authors' code has them, all different."""
    layer, rename = network_of(model, part, options)
    random = np.random.default_rng(seed)
    for x in layer.state_dict().values():
        x.set_value(random.uniform(0.1, 1, x.shape).astype("float32"))
    return {**name_maps.to_reference(layer, rename), **blur_filters(layer)}


def save(path: Path, state: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        torch_file.dump(state, file)
    return path


def run(*words) -> None:
    assert convert.main([str(word) for word in words]) == 0


def refused(*words) -> str:
    with pytest.raises(InputError) as caught:
        convert.main([str(word) for word in words])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def assert_arrays(folder: Path, part: str, model: str, options: dict, seed: int = 0) -> None:
    """The network in the folder is the one that ``theirs`` made."""
    layer, rename = network_of(model, part, options)
    given = without(theirs(model, part, options, seed), ".filt")
    expected = name_maps.to_ours(given, layer, rename)
    found = paddle_file.load(folder / f"{part}.pdparams")
    assert set(found) - {"__paddle_gans__"} == set(expected)
    for name, x in expected.items():
        np.testing.assert_array_equal(found[name], x, err_msg=name)


# What is recognised.


@pytest.mark.parametrize(
    ("file", "model", "part", "options"),
    [
        ("latest_net_G.pth", "pix2pix", "generator", UNET),
        ("latest_net_D.pth", "pix2pix", "discriminator", UNET),
        ("latest_net_G_A.pth", "cyclegan", "generator_ab", RESNET),
        ("200_net_G_B.pth", "cyclegan", "generator_ba", RESNET),
        ("latest_net_D_A.pth", "cyclegan", "discriminator_b", RESNET),
        ("netG_B2A.pth", "cyclegan", "generator_ba", RESNET),
        ("horse2zebra.pth", "cyclegan", "generator_ab", RESNET),
        ("G_AB_199.pth", "cyclegan", "generator_ab", ARTICLE),
        ("D_B_199.pth", "cyclegan", "discriminator_b", ARTICLE),
        ("latest_net_G.pth", "cut", "generator", CUT),
        ("latest_net_D.pth", "cut", "discriminator", CUT),
        ("netG_epoch_24.pth", "dcgan", "generator", DCGAN),
        ("netG_epoch_24.pth", "dcgan", "generator", {**DCGAN, "crop_size": 32, "channels": 1}),
        ("netD_epoch_24.pth", "dcgan", "discriminator", DCGAN),
    ],
)
def test_a_file_becomes_its_network(tmp_path, file, model, part, options):
    path = save(tmp_path / file, theirs(model, part, options))
    run(path, "--to", tmp_path / "run")
    assert_arrays(tmp_path / "run", part, model, options)
    if part.startswith("generator"):
        translate = paddle_gans.load(tmp_path / "run")
        assert translate.name == model
        known = without(options, "discriminator")
        assert {k: translate.options[k] for k in known} == known
        if model == "dcgan":
            assert translate(count=2)[0].shape[:2] == (options["crop_size"],) * 2
            return
        photo = noise_image(0, 128, 128)
        assert translate(photo).shape == photo.shape
    else:
        with pytest.raises(InputError, match="does not say which model it is of"):
            paddle_gans.load(tmp_path / "run")


def test_a_folder_is_converted_whole_and_its_newest_epoch(tmp_path):
    folder = tmp_path / "horse2zebra"
    parts = {
        "G_A": "generator_ab", "G_B": "generator_ba",
        "D_A": "discriminator_b", "D_B": "discriminator_a",
    }  # fmt: skip
    for seed, (name, part) in enumerate(parts.items()):
        save(folder / f"latest_net_{name}.pth", theirs("cyclegan", part, RESNET, seed))
    save(folder / "5_net_G_A.pth", theirs("cyclegan", "generator_ab", RESNET, 9))
    run(folder, "--to", tmp_path / "run")
    for seed, part in enumerate(parts.values()):
        assert_arrays(tmp_path / "run", part, "cyclegan", RESNET, seed)
    translate = paddle_gans.load(tmp_path / "run")
    assert translate(noise_image(0, 32, 32), direction="b2a").shape == (32, 32, 3)
    model = models.find("cyclegan")(**RESNET, crop_size=32)
    resume.init_from(model, tmp_path / "run")
    discriminator = layer_arrays(model.discriminator_a)
    written = paddle_file.load(tmp_path / "run" / "discriminator_a.pdparams")
    np.testing.assert_array_equal(discriminator["layers.0.weight"], written["layers.0.weight"])


def test_the_authors_order_under_other_names_is_not_pytorch_gans(tmp_path, capsys):
    options = {**RESNET, "affine": True}
    weights = theirs("cyclegan", "generator_ab", options)
    renamed = {f"_orig_mod.{k}".replace("conv_block", "block"): x for k, x in weights.items()}
    run(save(tmp_path / "G_A2B_epoch33.pth", renamed), "--to", tmp_path / "run")
    assert_arrays(tmp_path / "run", "generator_ab", "cyclegan", options)
    assert "ResNet generator of junyanz" in capsys.readouterr().out
    run(tmp_path / "run", "--to-torch", tmp_path / "back")
    assert set(torch_file.load(tmp_path / "back" / "latest_net_G_A.pth")) == set(weights)
    assert "norm instance with affine=True" in capsys.readouterr().out


def test_cut_without_its_projections(tmp_path, capsys):
    """netF only trains. ``--direction`` is that of the training data."""
    for name, part in {"G": "generator", "D": "discriminator"}.items():
        weights = theirs("cut", part, CUT)
        save(
            tmp_path / "cut" / f"latest_net_{name}.pth",
            {f"module.{k}": x for k, x in weights.items()},
        )
    heads = save(tmp_path / "cut" / "latest_net_F.pth", {"mlp_0.0.weight": zeros(8, 3)})
    run(tmp_path / "cut", "--to", tmp_path / "run", "--direction", "b2a")
    assert_arrays(tmp_path / "run", "generator", "cut", CUT)
    assert paddle_gans.load(tmp_path / "run").options["direction"] == "b2a"
    out = capsys.readouterr().out
    assert "latest_net_F.pth is CUT's netF, which only training uses" in out
    assert "skipped: a blur, whose weights are fixed" in out
    run(tmp_path / "run", "--to-torch", tmp_path / "back")
    weights, back = (
        theirs("cut", "generator", CUT),
        torch_file.load(tmp_path / "back" / "latest_net_G.pth"),
    )
    assert {name: x.tolist() for name, x in back.items()} == {
        n: x.tolist() for n, x in weights.items()
    }
    assert "--netG resnet_3blocks --ngf 4" in capsys.readouterr().out
    assert "which only training uses; give netG" in refused(heads, "--to", tmp_path / "heads")


def test_a_direction_is_taken_where_no_name_says_it(tmp_path):
    weights = theirs("cyclegan", "generator_ba", RESNET)
    run(save(tmp_path / "zebra.pth", weights), "--to", tmp_path / "run", "--direction", "b2a")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["generator_ba.pdparams"]
    path = save(tmp_path / "latest_net_G_A.pth", weights)
    said = refused(path, "--to", tmp_path / "other", "--direction", "b2a")
    assert "says its direction; leave --direction out" in said
    assert not (tmp_path / "other").exists()


def star_file(path: Path, options=STAR, **more) -> Path:
    state = {part: theirs("stargan_v2", part, options) for part in NETS}
    return save(path, {**state, **more})


def test_stargan_v2(tmp_path, capsys):
    path = star_file(tmp_path / "000123_nets_ema.ckpt")
    run(path, "--to", tmp_path / "run", "--domains", "cat", "dog", "wild")
    for part in NETS:
        assert_arrays(tmp_path / "run", part, "stargan_v2", STAR)
    translate = paddle_gans.load(tmp_path / "run")
    assert (translate.step, translate.domains) == (123, ["cat", "dog", "wild"])
    expected = resolve(models.find("stargan_v2"), STAR, "stargan_v2")
    assert translate.options == expected
    assert translate(noise_image(0, 64, 64), domain="dog").shape == (64, 64, 3)
    assert "transposed" in capsys.readouterr().out

    # Trained on, the averages start where the networks do.
    model = models.find("stargan_v2")(**STAR)
    resume.init_from(model, tmp_path / "run")
    for part in NETS:
        average = layer_arrays(getattr(model, f"{part}_ema"))
        for name, x in layer_arrays(getattr(model, part)).items():
            np.testing.assert_array_equal(average[name], x)


def test_domains_without_names_are_numbered_and_wrong_ones_refused(tmp_path, capsys):
    path = star_file(tmp_path / "nets_ema.ckpt")
    run(path, "--to", tmp_path / "run", "--quiet")
    assert paddle_gans.load(tmp_path / "run").domains == ["domain1", "domain2", "domain3"]
    assert "--domains names them" in capsys.readouterr().out
    said = refused(path, "--to", tmp_path / "b", "--domains", "female", "male")
    assert "has 3 domains, --domains female male names 2" in said
    assert "two different names" in refused(path, "--to", tmp_path / "b", "--domains", *"aab")


def test_stargan_v2_for_faces_needs_what_finds_them(tmp_path):
    faces = {**STAR, "w_hpf": 1.0, "fan_weights": "fan.pdparams"}
    path = star_file(tmp_path / "nets_ema.ckpt", faces)
    assert "wing.ckpt" in refused(path, "--to", tmp_path / "run")
    wing = wing_file(tmp_path / "wing.ckpt")
    run(path, wing, "--to", tmp_path / "run")
    options = paddle_gans.load(tmp_path / "run").options
    assert options["w_hpf"] == 1.0
    assert options["fan_weights"] == str(tmp_path / "run" / "fan.pdparams")
    assert "--w-hpf 0 does not fit" in refused(path, wing, "--to", tmp_path / "b", "--w-hpf", "0")
    animals = star_file(tmp_path / "animals.ckpt")
    assert "aligns no faces" in refused(animals, wing, "--to", tmp_path / "b")


def wing_file(path: Path, **more) -> Path:
    weights = name_maps.to_reference(FAN(), name_maps.fan)
    weights["bn1.num_batches_tracked"] = np.zeros((), "int64")
    return save(path, {"state_dict": {**weights, **more}, "epoch": {}})


def test_wing_alone_is_for_fan_weights(tmp_path, capsys):
    wing = wing_file(tmp_path / "wing.ckpt", extra=np.zeros(3, "float32"))
    run(wing, "--to", tmp_path / "run")
    out = capsys.readouterr().out
    assert "skipped: not part of the face-alignment network" in out
    assert "--fan-weights" in out
    path = tmp_path / "run" / "fan.pdparams"
    expected = torch_file.load(wing)["state_dict"]["conv1.conv.weight"]
    found = layer_arrays(fan_weights.load_fan(path))["stem.0.conv.weight"]
    np.testing.assert_array_equal(found, expected)


# PaddleGAN's files.


def in_paddle(state: dict, flipped: bool = True) -> dict:
    """The reference's weights in Paddle's names and layouts."""
    changed = {}
    for name, x in state.items():
        name = name.replace("running_mean", "_mean").replace("running_var", "_variance")
        if x.ndim == 1 and name.endswith((".norm1.weight", ".norm2.weight", "to_rgb.0.weight")):
            name = name.replace(".weight", ".scale")
        changed[name] = x.T if flipped and x.ndim == 2 else x
    return changed


@pytest.mark.parametrize("suffix", [".pdparams", ".bin"])
def test_pix2pix_of_paddlegan(tmp_path, capsys, suffix):
    generator, judge = (theirs("pix2pix", part, UNET) for part in ("generator", "discriminator"))
    del judge["model.0.bias"]  # PaddleGAN leaves it out before a batch norm's conv
    path = tmp_path / f"iter_40_checkpoint{suffix}"
    optimizer = {"moment": np.zeros(3, "float32"), "LR_Scheduler": {"last_lr": 0.1}}
    nets = {"netG": in_paddle(generator), "netD": in_paddle(judge)}
    paddle.save({**nets, "epoch": 7, "optimG": optimizer}, str(path))
    run(path, "--to", tmp_path / "run")
    assert_arrays(tmp_path / "run", "generator", "pix2pix", UNET)
    assert paddle_gans.load(tmp_path / "run").options["norm_mode"] == "instance"
    found = paddle_file.load(tmp_path / "run" / "discriminator.pdparams")
    assert not found["layers.0.bias"].any()
    np.testing.assert_array_equal(found["layers.3._variance"], judge["model.3.running_var"])
    out = capsys.readouterr().out
    assert "missing: zeros" in out
    assert "skipped, not weights: epoch, optimG" in out


@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_cyclegan_whose_norms_have_parameters(tmp_path, scale):
    """PaddleGAN's do nothing, and are left out."""
    weights = theirs("cyclegan", "generator_ab", RESNET)
    for name, x in theirs("cyclegan", "generator_ab", {**RESNET, "affine": True}).items():
        if name not in weights:
            value = scale if name.endswith("weight") else 0
            weights[name.replace("weight", "scale")] = np.full_like(x, value)
    path = tmp_path / "CycleGAN.pdparams"
    paddle.save({"netG_A": weights, "netG_B": weights}, str(path))
    run(path, "--to", tmp_path / "run")
    translate = paddle_gans.load(tmp_path / "run")
    assert translate.options["affine"] == (scale != 1)
    for part in ("generator_ab", "generator_ba"):
        if scale == 1:
            assert_arrays(tmp_path / "run", part, "cyclegan", RESNET)
        else:
            assert set(getattr(translate.model, part).encoder[2].scale.tolist()) == {scale}


@pytest.mark.parametrize("by_paddle", [True, False], ids=["PaddleGAN", "PyTorch's names"])
def test_stargan_v2_in_a_pdparams(tmp_path, by_paddle):
    state = {part: theirs("stargan_v2", part, STAR) for part in NETS}
    if by_paddle:
        state = {part: in_paddle(weights) for part, weights in state.items()}
    else:  # as paddle.save of {name: x.numpy()} leaves it
        assert "encode.0.norm1.weight" in state["generator"]
    paddle.save(state, str(tmp_path / "stargan.pdparams"))
    run(tmp_path / "stargan.pdparams", "--to", tmp_path / "run", "--domains", "cat", "dog", "wild")
    for part in NETS:
        assert_arrays(tmp_path / "run", part, "stargan_v2", STAR)


def test_our_own_file_is_sent_the_way_back(tmp_path):
    run(
        save(tmp_path / "latest_net_G_A.pth", theirs("cyclegan", "generator_ab", RESNET)),
        *("--to", tmp_path / "run"),
    )
    said = refused(tmp_path / "run" / "generator_ab.pdparams", "--to", tmp_path / "b")
    assert "was saved by paddle_gans already" in said


# What is refused, with the difference or the reason.


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w.pop("model.19.bias"), r"missing: model\.19\.bias"),
        (lambda w: w.pop("model.1.weight"), r"missing: model\.1\.weight"),
        (lambda w: w.pop("model.1.bias"), r"missing: model\.1\.bias"),
        (lambda w: w.update(extra=np.zeros(3, "float32")), "unexpected: extra"),
        (
            lambda w: w.update({"model.4.bias": np.zeros(3, "float32")}),
            r"of another shape: model\.4\.bias \[3\] instead of \[8\]",
        ),
    ],
)
def test_a_near_miss_is_refused_with_the_difference(tmp_path, change, said):
    weights = theirs("cyclegan", "generator_ab", RESNET)
    change(weights)
    path = save(tmp_path / "latest_net_G_A.pth", weights)
    with pytest.raises(InputError, match=f"is nearly a ResNet generator of .*; {said}$"):
        convert.main([str(path), "--to", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def changed(state: dict, **new) -> dict:
    return {**state, **{name.replace("__", "."): x for name, x in new.items()}}


def without(state: dict, *parts: str) -> dict:
    return {name: x for name, x in state.items() if not any(part in name for part in parts)}


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, "float32")


def strangers() -> dict[str, tuple[dict, str]]:
    unet, judge = theirs("pix2pix", "generator", UNET), theirs("pix2pix", "discriminator", UNET)
    resnet = theirs("cyclegan", "generator_ab", RESNET)
    patch = theirs("cyclegan", "discriminator_a", RESNET)
    innermost = "model.model.1.model" + ".3.model" * 5
    return {
        "unet of 6 levels": (without(unet, innermost), "pix2pix here has 8"),
        "unet with instance norm": (
            without(unet, ".1.model.2.", "running"), "has instance norm or none"
        ),
        "grey unet": (
            changed(unet, model__model__0__weight=zeros(2, 1, 4, 4)), "takes 1 channels and gives 3"
        ),
        "resnet with batch norm": (
            changed(resnet, model__2__weight=zeros(4), model__2__running_mean=zeros(4)),
            "has batch norm",
        ),
        "resnet without norm": (without(resnet, ".1.bias", ".4.bias", ".7.bias"), "has no norm"),
        "CUT with other blurs": (
            changed(theirs("cut", "generator", CUT), model__7__filt=zeros(8, 1, 3, 3)),
            "is nearly a ResNet generator of taesungp/contrastive-unpaired-translation, 3 blocks, "
            "but differs; unexpected: model.7.filt",
        ),
        "discriminator of 4 channels": (
            changed(judge, model__0__weight=zeros(2, 4, 4, 4)), "has batch norm and takes 4"
        ),
        "discriminator with spectral norm": (
            changed(patch, model__2__weight_u=zeros(8), model__2__weight_v=zeros(64)),
            "discriminators here have none",
        ),
        "PaddleGAN's with spectral norm": (
            {"model.0.weight_orig": zeros(4, 3, 4, 4), "model.0.spectral_norm.weight_u": zeros(4)},
            "spectral norm; ours have none",
        ),
        "pixel discriminator": ({"net.0.weight": zeros(4, 3, 1, 1)}, "ours judge patches"),
        "discriminator of 2 layers": (
            {f"model.{i}.weight": zeros(4, 3, 4, 4) for i in (0, 2, 5, 8)}, "has 2 layers"
        ),
        "DCGAN of 128 pixels": (
            {f"main.{3 * i}.weight": zeros(4, 4, 4, 4) for i in range(6)},
            "has images of 128 pixels and 4 channels",
        ),
        "another network": ({"features.0.weight": zeros(3, 3)}, "unknown network"),
        "one network of three": (
            theirs("stargan_v2", "generator", STAR), "mapping_network and style_encoder missing"
        ),
        "a network far larger than its file": (
            changed(resnet, model__1__weight=zeros(5000, 3, 7, 7)), "a network with 18902 million"
        ),
        "a network that diverged": (
            changed(resnet, model__4__bias=np.full(8, np.nan, "float32")), "holds NaN or infinity"
        ),
        "no networks": ({}, "holds no tensor"),
    }  # fmt: skip


STRANGERS = strangers()


@pytest.mark.parametrize("which", STRANGERS)
def test_what_our_models_do_not_have_is_refused_with_the_reason(tmp_path, which):
    state, said = STRANGERS[which]
    path = save(tmp_path / "weights.pth", state)
    assert said in refused(path, "--to", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_files_that_do_not_belong_together(tmp_path):
    unet = save(tmp_path / "latest_net_G.pth", theirs("pix2pix", "generator", UNET))
    zebra = save(tmp_path / "latest_net_G_A.pth", theirs("cyclegan", "generator_ab", RESNET))
    again = save(tmp_path / "5_net_G_A.pth", theirs("cyclegan", "generator_ab", RESNET))
    wide = {**RESNET, "base_dim": 6}
    other = save(tmp_path / "latest_net_G_B.pth", theirs("cyclegan", "generator_ba", wide))
    judge = save(tmp_path / "judge.pth", theirs("cyclegan", "discriminator_a", RESNET))
    to = ("--to", tmp_path / "run")
    assert "convert them one at a time" in refused(unet, zebra, *to)
    assert "are both cyclegan's generator_ab" in refused(zebra, again, *to)
    assert "has base_dim 4" in refused(zebra, other, *to)
    assert "of A or of B?" in refused(judge, *to)


def test_a_discriminator_judges_what_its_program_means_by_a(tmp_path):
    """netD_A beside netG_A2B judges A; latest_net_D_A what G_A makes, beside any generator."""
    judge = theirs("cyclegan", "discriminator_a", RESNET)
    for generator, name, options, own in (
        ("netG_A2B", "netD_A", RESNET, "a"),
        ("latest_net_G_A", "latest_net_D_A", RESNET, "b"),
        ("G_AB", "latest_net_D_A", ARTICLE, "b"),
    ):
        folder = tmp_path / generator
        save(folder / f"{generator}.pth", theirs("cyclegan", "generator_ab", options))
        save(folder / f"{name}.pth", judge)
        files = sorted(folder.iterdir())
        names_here = {one.name for one in from_others.convert(files, {}).networks}
        assert names_here == {"generator_ab", f"discriminator_{own}"}


# The command.


def test_wrong_words(tmp_path):
    path = save(tmp_path / "latest_net_G_A.pth", theirs("cyclegan", "generator_ab", RESNET))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("mine")
    (tmp_path / "note.pth").write_text("hello")
    (tmp_path / "empty").mkdir()
    assert "give a weight file" in refused("--to", tmp_path / "run")
    assert "give either --to DIR" in refused(path)
    assert "give either --to DIR" in refused(path, "--to", "a", "--to-torch", "b")
    assert "is not empty; name a new folder" in refused(path, "--to", tmp_path / "full")
    assert "does not exist" in refused(tmp_path / "absent.pth", "--to", "a")
    assert "is a text file (a web page" in refused(tmp_path / "note.pth", "--to", "a")
    assert "holds no file that ends in" in refused(tmp_path / "empty", "--to", "a")
    assert "did you mean --domains" in refused(path, "--to", "a", "--domain", "cat")
    assert "cannot write" in refused(path, "--to", tmp_path / "note.pth" / "run")
    assert "cyclegan does not use --domains" in refused(path, "--to", "a", "--domains", "cat")
    run("--to", tmp_path / "empty", "--quiet", path)
    assert [file.name for file in (tmp_path / "empty").iterdir()] == ["generator_ab.pdparams"]


def test_infer_points_to_the_command(tmp_path):
    weights = theirs("cyclegan", "generator_ab", RESNET)
    with pytest.raises(InputError, match=r"convert G\.pth --to DIR"):
        paddle_gans.load(save(tmp_path / "G.pth", weights))
    paddle.save(weights, str(tmp_path / "G.pdparams"))
    with pytest.raises(InputError, match=r"python -m paddle_gans\.convert"):
        paddle_gans.load(tmp_path / "G.pdparams")


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "n" * 300])
def test_names_that_would_spoil_the_terminal_are_refused(tmp_path, name):
    path = save(tmp_path / "G.pth", {name: np.zeros(3, "float32")})
    assert "which no layer has" in refused(path, "--to", tmp_path / "run")


def test_the_table_names_every_array(tmp_path, capsys):
    weights = theirs("cyclegan", "generator_ab", RESNET)
    weights["model.2.running_mean"] = np.zeros(4, "float32")
    run(save(tmp_path / "latest_net_G_A.pth", weights), "--to", tmp_path / "run")
    lines = capsys.readouterr().out.splitlines()
    for name in weights:
        assert sum(line.split()[:1] == [name] for line in lines) == 1
    assert any("own statistics" in line for line in lines)
    assert "16 arrays" not in lines[-2]
    assert "; 1 skipped" in lines[-2]
    assert lines[-1].startswith("python -m paddle_gans.infer --weights")


def test_to_torch(tmp_path, capsys):
    weights = theirs("pix2pix", "generator", UNET)
    run(save(tmp_path / "latest_net_G.pth", weights), "--to", tmp_path / "run")
    run(tmp_path / "run", "--to-torch", tmp_path / "back.pth")
    found = torch_file.load(tmp_path / "back.pth")
    assert {n for n in found if not n.endswith("num_batches_tracked")} == set(weights)
    for name, x in weights.items():
        np.testing.assert_array_equal(found[name], x)
    assert "UnetGenerator(3, 3, 7, ngf=2), norm batch" in capsys.readouterr().out
    assert "back.pth exists" in refused(tmp_path / "run", "--to-torch", tmp_path / "back.pth")
    for more in (("--direction", "a2b"), ("--format", "safetensors")):
        assert "is for --to;" in refused(tmp_path / "run", "--to-torch", "b", *more)
    assert "does not exist" in refused(tmp_path / "none.pdparams", "--to-torch", "b")


def test_to_torch_of_a_run_takes_its_discriminators_along(tmp_path):
    paddle_gans.train("cyclegan", steps=1, out=tmp_path / "run", **TINY["cyclegan"])
    run(tmp_path / "run", "--to-torch", tmp_path / "back")
    files = sorted(path.name for path in (tmp_path / "back").iterdir())
    assert files == ["D_A.pth", "D_B.pth", "G_AB.pth", "G_BA.pth"]
    run(tmp_path / "back", "--to", tmp_path / "again", "--quiet")
    run_weights = paddle_file.load(tmp_path / "run" / "generator_ba.pdparams")
    again = paddle_file.load(tmp_path / "again" / "generator_ba.pdparams")
    for name, x in run_weights.items():
        if isinstance(x, np.ndarray):
            np.testing.assert_array_equal(again[name], x)
    assert "name a folder" in refused(tmp_path / "run", "--to-torch", tmp_path / "x.pth")


def test_to_torch_of_a_model_without_a_counterpart(tmp_path):
    paddle_gans.train("dcgan", steps=1, out=tmp_path / "run", **TINY["dcgan"])
    said = refused(tmp_path / "run", "--to-torch", tmp_path / "back")
    assert "dcgan has no counterpart" in said
    assert not (tmp_path / "back").exists()


def test_the_largest_published_file_stays_within_the_limits(tmp_path):
    """Names and numbers of StarGAN v2 at 256 with its face network and an optimizer's moments."""
    options = {"domains": "a,b,c", "base_dim": 1, "max_channels": 1, "hidden_dim": 1,
               "style_dim": 1, "w_hpf": 1.0, "fan_weights": "x"}  # fmt: skip
    state = {p: theirs("stargan_v2", p, options) for p in (*NETS, "discriminator")}
    state["fan"] = name_maps.to_reference(FAN(), name_maps.fan)
    state["optimizers"] = {f"{p}.{i}": dict(w) for p, w in state.items() for i in ("m", "v")}
    found = torch_file.load(save(tmp_path / "all.ckpt", state))
    assert list(found) == list(state)


def test_side_of_a_name():
    piece = partial(from_others.StateDict, label="")
    expected = {
        "latest_net_G_A": "A", "G_AB_199": "AB", "netG_A2B": "AB", "netG_B": "B", "D_B": "B",
        "horse2zebra": None, "BIG_A": None, "latest_net_G": None,
    }  # fmt: skip
    assert {stem: from_others.side_of(piece(Path(f"{stem}.pth"))) for stem in expected} == expected
