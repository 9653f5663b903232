"""Our networks and training steps compute what the reference implementations compute.

The environment variable PADDLE_GANS_GOLDEN names the folder of the cases; ``golden.py`` says what
is compared. A new article adds a function a network and its line in NETWORKS or STEPS.
"""

from __future__ import annotations

from functools import partial

import golden_names
import pytest
from golden import FOLDER, VARIABLE, Case, NetworkPort, StepPort, check_network, check_steps
from paddle import nn

from paddle_gans import models
from paddle_gans.models import _stargan_v2_networks as stargan_v2_networks
from paddle_gans.models import cyclegan, dcgan, pix2pix, stargan_v2
from paddle_gans.models._colorization_networks import DynamicUNet
from paddle_gans.networks import resnet18
from paddle_gans.networks.layers import instance_norm
from paddle_gans.networks.patch_gan import PatchGAN
from paddle_gans.networks.resnet import ResNetGenerator
from paddle_gans.networks.unet import UNet
from paddle_gans.training.model import adam
from paddle_gans.weights import name_maps

ARTICLES = ("colorization", "cyclegan", "dcgan", "pix2pix", "stargan_v2")
PATHS = sorted(FOLDER.glob("*.json"))
SLOW = {path.stem for path in PATHS if path.stem.startswith("stargan_v2_step")}


def marked(path):
    """A step of networks of 20 million weights takes its time."""
    return pytest.param(path, marks=pytest.mark.slow) if path.stem in SLOW else path


# What the authors' code calls a norm, as our options.
NORMS = {
    "batch": {"norm": nn.BatchNorm2D, "norm_shifts": True},
    "instance": {"norm": instance_norm, "norm_shifts": False},
    "none": {"norm": lambda channels: nn.Identity(), "norm_shifts": True},  # and no bias either
}


def pix2pix_generator(base_dim=64, residual_num=7):
    norm = partial(pix2pix.Norm, mode="running")  # the reference's at test time
    return NetworkPort(pix2pix.Generator(base_dim, residual_num, norm), name_maps.pix2pix_generator)


def pix2pix_discriminator(base_dim=64):
    return NetworkPort(pix2pix.Discriminator(base_dim), name_maps.pix2pix_discriminator)


def cyclegan_generator(input_shape, num_residual_blocks):
    network = cyclegan.Generator(residual_num=num_residual_blocks)
    return NetworkPort(
        network, partial(name_maps.junyanz_resnet, num_blocks=num_residual_blocks, block="block")
    )


def cyclegan_discriminator(input_shape):
    return NetworkPort(cyclegan.Discriminator(), name_maps.patch_gan)


def dcgan_generator():
    """The listing gives its images flat."""
    return NetworkPort(
        dcgan.Generator(), golden_names.dcgan_generator, lambda net, z: net(z).reshape([-1, 784])
    )


def dcgan_discriminator():
    return NetworkPort(
        dcgan.Discriminator(),
        golden_names.dcgan_discriminator,
        lambda net, x: net(x.reshape([-1, 1, 28, 28])),
    )


def colorization_dynamic_unet(encoder, n_in, n_out, img_size):
    network = DynamicUNet(getattr(resnet18, encoder)(n_in), n_out)
    return NetworkPort(network, golden_names.fastai_unet)


def paper_unet(input_nc, output_nc, num_downs, ngf=64, norm="batch", use_dropout=False):
    network = UNet(
        input_nc,
        output_nc,
        depth=num_downs,
        base_dim=ngf,
        dropout=0.5 if use_dropout else 0.0,
        **NORMS[norm],
    )
    return NetworkPort(network, partial(name_maps.junyanz_unet, depth=num_downs))


def paper_patchgan(input_nc, ndf=64, n_layers=3, norm="batch"):
    network = PatchGAN(input_nc, base_dim=ndf, num_layers=n_layers, **NORMS[norm])
    return NetworkPort(network, name_maps.patch_gan)


def paper_resnet(input_nc, output_nc, ngf=64, norm="batch", use_dropout=False, n_blocks=6):
    network = ResNetGenerator(
        input_nc,
        output_nc,
        base_dim=ngf,
        num_blocks=n_blocks,
        dropout=0.5 if use_dropout else 0.0,
        **NORMS[norm],
    )
    return NetworkPort(network, partial(name_maps.junyanz_resnet, num_blocks=n_blocks))


def pix2pix_step(case: Case) -> StepPort:
    shapes = {part: {n: s for n, s, _ in params} for part, params in case["params"].items()}
    generator, discriminator = shapes["generator"], shapes["discriminator"]
    options = {"learning_rate" if k == "lr" else k: v for k, v in case["hyper"].items()}
    model = pix2pix.Pix2Pix(
        base_dim=generator["conv1.weight"][0],
        residual_num=sum(name.endswith(".conv1.weight") for name in generator),
        **options,
    )
    width = discriminator["conv1.weight"][0]
    if width != generator["conv1.weight"][0]:  # the model has one width for both
        rates = {k: options[k] for k in ("learning_rate", "beta1", "beta2")}
        model.discriminator = pix2pix.Discriminator(width)
        model.optimizers["discriminator"] = adam(model.discriminator, **rates)
    networks = {
        "generator": (model.generator, name_maps.pix2pix_generator),
        "discriminator": (model.discriminator, name_maps.pix2pix_discriminator),
    }
    return StepPort(model, networks, tolerance=lambda name, t: 5e-3)


def cyclegan_step(case: Case) -> StepPort:
    names = [name for name, _, _ in case["params"]["G_AB"]]
    blocks = sum(name.endswith(".block.1.weight") for name in names)
    options = {"learning_rate" if k == "lr" else k: v for k, v in case["hyper"].items()}
    side = case.batch(0)["a"].shape[-1]
    model = cyclegan.CycleGAN(residual_num=blocks, crop_size=side, **options)
    generator = partial(name_maps.junyanz_resnet, num_blocks=blocks, block="block")
    networks = {
        "G_AB": (model.generator_ab, generator),
        "G_BA": (model.generator_ba, generator),
        "D_A": (model.discriminator_a, name_maps.patch_gan),
        "D_B": (model.discriminator_b, name_maps.patch_gan),
    }

    def rename_losses(terms):
        gan, cycle, same = (terms[f"g_loss_{n}"] for n in ("gan", "cycle", "identity"))
        return {
            "loss_G": gan + model.lambda_cyc * cycle + model.lambda_id * same,
            "loss_GAN": gan,
            "loss_cycle": cycle,
            "loss_identity": same,
            "loss_D_A": terms["d_loss_a"],
            "loss_D_B": terms["d_loss_b"],
        }

    return StepPort(model, networks, lambda name, t: 5e-3 if t < 2 else 3e-2, rename_losses)


def stargan_v2_generator(img_size, style_dim, w_hpf):
    """The masks of the high-pass skips are two inputs more."""
    dims = stargan_v2_networks.channels(img_size, None, 512)
    network = stargan_v2_networks.Generator(dims, style_dim, w_hpf)
    return NetworkPort(
        network, name_maps.stargan, lambda net, x, s, *masks: net(x, s, masks or None)
    )


def stargan_v2_mapping_network(latent_dim, style_dim, num_domains):
    network = stargan_v2_networks.MappingNetwork(num_domains, latent_dim, style_dim)
    return NetworkPort(network, name_maps.stargan)


def stargan_v2_style_encoder(img_size, style_dim, num_domains):
    dims = stargan_v2_networks.channels(img_size, None, 512)
    network = stargan_v2_networks.StyleEncoder(dims, num_domains, style_dim)
    return NetworkPort(network, name_maps.stargan)


def stargan_v2_discriminator(img_size, num_domains):
    dims = stargan_v2_networks.channels(img_size, None, 512)
    network = stargan_v2_networks.Discriminator(dims, num_domains)
    rename = partial(name_maps.stargan_discriminator, num_blocks=len(dims) - 1)
    return NetworkPort(network, rename)


def stargan_v2_step(case: Case) -> StepPort:
    hyper = case["hyper"]
    model = stargan_v2.StarGANv2(
        domains="first,second",
        crop_size=case.batch(0)["x"].shape[-1],
        learning_rate=hyper["lr"],
        mapping_learning_rate=hyper["f_lr"],
        beta1=float(hyper["beta1"]),
        beta2=hyper["beta2"],
        weight_decay=1e-4,
        lambda_r1=hyper["lambda_reg"],
        lambda_sty=float(hyper["lambda_sty"]),
        lambda_ds=float(hyper["lambda_ds"]),
        lambda_cyc=float(hyper["lambda_cyc"]),
        ds_steps=hyper["ds_iter"],
        ema_decay=hyper["ema_beta"],
    )
    blocks = len(model.discriminator.shared) - 4
    networks = {
        "generator": (model.generator, name_maps.stargan),
        "mapping_network": (model.mapping_network, name_maps.stargan),
        "style_encoder": (model.style_encoder, name_maps.stargan),
        "discriminator": (
            model.discriminator, partial(name_maps.stargan_discriminator, num_blocks=blocks)
        ),
    }  # fmt: skip
    batch_keys = {"x": "x_real", "ref": "x_ref", "ref2": "x_ref2", "z": "z_trg", "z2": "z_trg2"}
    train_step = model.train_step
    steps_done = []

    def rename_batch(batch, step, update):
        steps_done.append(step)
        renamed = {batch_keys.get(key, key): x for key, x in batch.items()}
        return train_step(renamed, step, update)

    model.train_step = rename_batch

    def rename_losses(terms):
        losses = {}
        for name, value in terms.items():
            side, kind, term = name.split("_")
            losses[f"{side.upper()}/{kind}/{'reg' if term == 'r1' else term}"] = value
        weights = model.g_weights(stargan_v2.Guide("ref", None, None, None), steps_done[-1] + 1)
        return {**losses, "lambda_ds_after": -weights["g_ref_ds"]}

    averages = {name: model.inference_network(name) for name in model.inference}
    gradients = {"D/latent": 1e-3, "D/ref": 1e-3, "G/latent": 5e-3, "G/ref": 3e-2}
    tolerance = lambda name, t: 5e-3 if t == 0 else 1e-1  # noqa: E731
    return StepPort(model, networks, tolerance, rename_losses, averages, gradients)


# How cases are built, by the beginning of their names; the longest that fits counts.
NETWORKS = {
    "pix2pix_generator": pix2pix_generator,
    "pix2pix_discriminator": pix2pix_discriminator,
    "pix2pix_paper_unet": paper_unet,
    "pix2pix_paper_patchgan": paper_patchgan,
    "cyclegan_paper_resnet": paper_resnet,
    "cyclegan_generator": cyclegan_generator,
    "cyclegan_discriminator": cyclegan_discriminator,
    "dcgan_generator": dcgan_generator,
    "dcgan_discriminator": dcgan_discriminator,
    "colorization_dynamic_unet": colorization_dynamic_unet,
    "stargan_v2_generator": stargan_v2_generator,
    "stargan_v2_mapping_network": stargan_v2_mapping_network,
    "stargan_v2_style_encoder": stargan_v2_style_encoder,
    "stargan_v2_discriminator": stargan_v2_discriminator,
}
STEPS = {
    "pix2pix_step": pix2pix_step,
    "cyclegan_step": cyclegan_step,
    "stargan_v2_step": stargan_v2_step,
}
# Cases of parts that have tests of their own.
ELSEWHERE = {"stargan_v2_r1": "test_stargan_v2.py", "stargan_v2_fan": "test_fan.py"}


@pytest.mark.skipif(not PATHS, reason=f"no golden cases in {FOLDER}; {VARIABLE} names another")
@pytest.mark.parametrize("kernels", ["plain", "fast"])
@pytest.mark.parametrize("path", map(marked, PATHS), ids=lambda path: path.stem)
def test_equals_the_reference(path, kernels, monkeypatch):
    monkeypatch.setenv("PADDLE_GANS_FAST_CPU", "0" if kernels == "plain" else "1")
    case = Case(path)
    prefix = longest_prefix(case.name, [*NETWORKS, *STEPS, *ELSEWHERE])
    if prefix in NETWORKS:
        check_network(case, NETWORKS[prefix](**case["constructor"]))
    elif prefix in STEPS:
        check_steps(case, STEPS[prefix](case))
    elif longest_prefix(case.name, ELSEWHERE):
        pytest.skip(f"in {ELSEWHERE[longest_prefix(case.name, ELSEWHERE)]}")
    else:
        article = longest_prefix(case.name, ARTICLES)
        assert article, f"{case.name} belongs to no article"
        assert article not in models.names(), f"{article} is built, but nothing runs {case.name}"
        pytest.skip(f"{article} is not built yet")


def longest_prefix(name, prefixes):
    """The longest of ``prefixes`` that ``name`` begins with; None without one."""
    return max((p for p in prefixes if name.startswith(p)), key=len, default=None)
