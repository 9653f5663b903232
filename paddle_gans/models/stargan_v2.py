"""StarGAN v2: diverse image synthesis for multiple domains (Choi et al., CVPR 2020).

The tutorial stopped at R1, which its framework could not compute; here training is complete.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from data_reader import layout
from data_reader.domains import Domains
from data_reader.embedded import demo_path
from data_reader.errors import InputError
from paddle_gans.models._stargan_v2_networks import (
    Discriminator,
    Generator,
    MappingNetwork,
    StyleEncoder,
    channels,
)
from paddle_gans.networks.fan import FAN
from paddle_gans.training.augment import DiffAugment
from paddle_gans.training.config import RunConfig
from paddle_gans.training.fan_weights import load_fan
from paddle_gans.training.losses import r1_penalty, vanilla
from paddle_gans.training.model import GANModel, SampleGrid, Update, adam, frozen
from paddle_gans.training.schedules import linear_ramp_down


class StarGANv2(GANModel):
    """Translates images into other domains, in random styles or in those of reference images.

    Batches contain ``x_real`` [N, 3, S, S] in [-1, 1] of domains ``y_org`` [N]; two references
    ``x_ref``, ``x_ref2`` of domains ``y_trg`` [N]; two latent codes ``z_trg``, ``z_trg2``
    [N, latent_dim] from N(0, 1). Losses, latent-guided: ``d_latent_real``, ``d_latent_fake``,
    ``d_latent_r1``, ``g_latent_adv``, ``g_latent_sty``, ``g_latent_ds`` (diversity, maximised),
    ``g_latent_cyc``; reference-guided: ``d_ref_...``, ``g_ref_...``. Samples and inference use the
    moving averages of generator, mapping network and style encoder. Source: the paper's section 3
    and appendix A; the tutorial's listings, corrected.
    """

    data_class = Domains
    paper_config = RunConfig(batch_size=8, steps=100_000, sample_every=1000, save_every=5000)
    # 1.4e12 operations a step: 1.6 hours. The paper's networks need 21e12, four days.
    quick_config = {"steps": 24_000}
    quick_options = {"crop_size": 128, "base_dim": 32, "max_channels": 256, "ds_steps": 24_000}
    demo_config = RunConfig(batch_size=3, steps=750, log_every=25, sample_every=125, save_every=375)
    demo_options = {
        "domains": "cat,dog,rabbit",
        "crop_size": 64,
        "base_dim": 12,
        "max_channels": 96,
        "hidden_dim": 128,
        # Few steps: high learning rates and a short moving average.
        **{"learning_rate": 1e-3, "mapping_learning_rate": 1e-4, "beta1": 0.5},
        "ema_decay": 0.99,
        # A strong cycle loss keeps the content, which so few steps would otherwise lose.
        **{"lambda_cyc": 5.0, "lambda_ds": 1.0, "ds_steps": 2000},
    }
    inference = {"generator": {}, "mapping_network": {}, "style_encoder": {}}

    def __init__(
        self,
        *,
        domains: str = "cat,dog,wild",  # folder names (default: the folders in --data)
        crop_size: int = 256,  # side of the images in pixels: a power of two, at least 64
        base_dim: int | None = None,  # channels of the first layer (default: 2**14 / crop size)
        max_channels: int = 512,  # channels of the deepest layers
        latent_dim: int = 16,  # length of a latent code
        style_dim: int = 64,  # length of a style
        hidden_dim: int = 512,  # width of the mapping network
        upsample: Literal["nearest", "bilinear"] = "nearest",  # of G; bilinear: no mesh
        w_hpf: float = 0.0,  # 1 for human faces: keep fine detail; needs --fan-weights
        fan_weights: str | None = None,  # weights of the face-alignment network
        lambda_r1: float = 1.0,  # weight of the R1 gradient penalty
        lambda_sty: float = 1.0,  # weight of the style-reconstruction loss
        lambda_ds: float = 2.0,  # initial weight of the diversity loss; 1 for CelebA-HQ
        lambda_cyc: float = 1.0,  # weight of the cycle-consistency loss
        ds_steps: int = 100_000,  # steps until the weight of the diversity loss is 0
        diff_augment: str | None = None,  # augment what D sees: any of color,translation,cutout
        learning_rate: float = 1e-4,  # of generator, style encoder and discriminator
        d_learning_rate: float | None = None,  # of the discriminator (default: --learning-rate)
        mapping_learning_rate: float = 1e-6,  # of the mapping network
        beta1: float = 0.0,  # Adam's beta1
        beta2: float = 0.99,  # Adam's beta2
        weight_decay: float = 1e-4,  # L2 penalty, added to the gradient
        ema_decay: float = 0.999,  # decay of the moving averages; 0: none
        augment: bool = True,  # random resized crops and mirroring
        recompute: bool = False,  # save memory: compute G's blocks again in the backward pass
    ):
        super().__init__()
        self.domains = [name.strip() for name in domains.split(",")]
        check_options(self.domains, crop_size, w_hpf, fan_weights)
        self.crop_size, self.latent_dim, self.augment = crop_size, latent_dim, augment
        self.style_dim, self.hidden_dim = style_dim, hidden_dim
        self.lambda_r1, self.lambda_sty, self.lambda_cyc = lambda_r1, lambda_sty, lambda_cyc
        self.lambda_ds, self.ds_steps = lambda_ds, ds_steps
        self.fan_weights = fan_weights

        count, dims = len(self.domains), channels(crop_size, base_dim, max_channels)
        self.generator = Generator(dims, style_dim, w_hpf, upsample)
        self.generator.recompute = recompute
        self.mapping_network = MappingNetwork(count, latent_dim, style_dim, hidden_dim)
        self.style_encoder = StyleEncoder(dims, count, style_dim)
        self.discriminator = Discriminator(dims, count)
        # Without warm-up, as in the authors' code.
        averaged = ("generator", "mapping_network", "style_encoder")
        self.keep_averages(ema_decay, *averaged, warm_up=False)
        self.diff_augment = DiffAugment(diff_augment)
        self.fan = FAN() if w_hpf > 0 else None
        self.inference = self.inference_for({"w_hpf": w_hpf})
        self.size_multiple = 2 ** (len(self.generator.decode) - 2)

        settings = {"beta1": beta1, "beta2": beta2, "weight_decay": weight_decay}
        optimizer = partial(adam, learning_rate=learning_rate, **settings)
        d_rate = d_learning_rate or learning_rate
        self.optimizers = {
            "generator": optimizer(self.generator),
            "mapping_network": optimizer(self.mapping_network, learning_rate=mapping_learning_rate),
            "style_encoder": optimizer(self.style_encoder),
            "discriminator": optimizer(self.discriminator, learning_rate=d_rate),
        }
        # About six sources, references and random styles, a multiple of the number of domains.
        count = max(1, 6 // count) * count
        self.sample_grid = SampleGrid(count=count, columns=1 + count)

    def train_step(self, batch: dict[str, Tensor], step: int, update: Update) -> dict[str, Tensor]:
        """Update D and then G, each latent-guided and then reference-guided (section 3.2)."""
        nets, masks = self.optimizers, self.masks(batch["x_real"])
        latent = Guide("latent", self.mapping_network, batch["z_trg"], batch["z_trg2"])
        ref = Guide("ref", self.style_encoder, batch["x_ref"], batch["x_ref2"])

        # Update D with latent-guided fakes, then with reference-guided ones.
        weights = self.d_weights(latent)
        losses = update(self.d_losses(batch, latent, masks), nets["discriminator"], weights=weights)
        weights = self.d_weights(ref)
        losses |= update(self.d_losses(batch, ref, masks), nets["discriminator"], weights=weights)

        # Update G, F and E, latent-guided.
        with frozen(self.discriminator):
            terms = self.g_losses(batch, latent, masks)
        trained = (nets["generator"], nets["mapping_network"], nets["style_encoder"])
        losses |= update(terms, *trained, weights=self.g_weights(latent, step))

        # Update G alone, reference-guided.
        with frozen(self.discriminator, self.style_encoder):
            terms = self.g_losses(batch, ref, masks)
        losses |= update(terms, nets["generator"], weights=self.g_weights(ref, step))
        return losses

    def d_losses(self, batch, guide, masks):
        """Return D's losses on real and generated images, and R1."""
        x_real, y_trg = batch["x_real"], batch["y_trg"]
        # R1 is computed at the images that D sees, which are augmented.
        x_seen = self.diff_augment(x_real)[0].detach()
        x_seen.stop_gradient = False
        real = self.discriminator(x_seen, batch["y_org"])
        with paddle.no_grad():
            x_fake = self.generator(x_real, guide.network(guide.source, y_trg), masks)
        fake = self.discriminator(*self.diff_augment(x_fake), y_trg)
        return {
            f"d_{guide.name}_real": vanilla(real, True),
            f"d_{guide.name}_fake": vanilla(fake, False),
            f"d_{guide.name}_r1": r1_penalty(real, x_seen),
        }

    def g_losses(self, batch, guide, masks):
        """Return G's losses; gradients also reach the style's network, unless it is frozen."""
        x_real, y_trg = batch["x_real"], batch["y_trg"]
        s_trg = guide.network(guide.source, y_trg)  # [N, style_dim]
        x_fake = self.generator(x_real, s_trg, masks)
        with paddle.no_grad():  # the constant image that the first is pushed away from
            x_fake2 = self.generator(x_real, guide.network(guide.source2, y_trg), masks)

        # Reconstruct the source in its own style.
        s_org = self.style_encoder(x_real, batch["y_org"])
        x_rec = self.generator(x_fake, s_org, self.masks(x_fake))
        return {
            f"g_{guide.name}_adv": vanilla(
                self.discriminator(*self.diff_augment(x_fake), y_trg), True
            ),
            f"g_{guide.name}_sty": F.l1_loss(self.style_encoder(x_fake, y_trg), s_trg),
            f"g_{guide.name}_ds": F.l1_loss(x_fake, x_fake2),
            f"g_{guide.name}_cyc": F.l1_loss(x_rec, x_real),
        }

    def d_weights(self, guide):
        """Return the weights of D's losses."""
        return {f"d_{guide.name}_r1": self.lambda_r1}

    def g_weights(self, guide, step):
        """Return the weights of the generator's losses at a step; diversity is maximised."""
        lambda_ds = self.lambda_ds * linear_ramp_down(step, self.ds_steps)
        return {
            f"g_{guide.name}_sty": self.lambda_sty,
            f"g_{guide.name}_ds": -lambda_ds,
            f"g_{guide.name}_cyc": self.lambda_cyc,
        }

    def masks(self, x):
        """Return the masks of face parts in images x; None without the face-alignment network."""
        return self.fan.masks(x) if self.fan is not None else None

    def sample(self, batch):
        x = batch["x_real"]
        images = {"source": x}

        # Latent-guided: one row per source, several random styles of each domain.
        styles = self.sample_grid.count // len(self.domains)
        for y, name in enumerate(self.domains):
            for i in range(styles):
                z = batch["z_trg"][i % len(x)].unsqueeze(0)
                images[f"{name} {i + 1}"] = self.render(x, self.drawn_styles(z, y))

        # Reference-guided: one column per source, one row per reference.
        copied = self.averaged("style_encoder")(batch["x_ref"], batch["y_trg"])
        blank = paddle.full_like(x[:1], -1)
        images["reference"] = paddle.concat([blank, batch["x_ref"]])
        for i in range(len(x)):
            source = x[i : i + 1]
            shown = self.render(source, copied)
            images[f"source {i + 1}"] = paddle.concat([source, shown])
        return images

    def translate(
        self,
        inputs,
        *,
        domain: str | None = None,  # target domain (default: each in turn)
        num_styles: int = 1,  # random styles per domain
        seed: int = 0,  # of the random styles
    ):
        """Translate one image into random styles: [1, 3, H, W] to [K, 3, H, W] in [-1, 1]."""
        return self.render(inputs, self.styles_from(domain, num_styles, seed))

    def styles_from(self, domain: str | None, count: int, seed: int):
        """Draw ``count`` styles [K, style_dim] of the domain, or of each domain if it is None."""
        z = self.latents(count, seed)
        chosen = self.domains if domain is None else [domain]
        return paddle.concat([self.drawn_styles(z, self.domain_index(name)) for name in chosen])

    def latents(self, count: int, seed: int):
        """Draw latent codes [count, latent_dim] from a seed."""
        drawn = np.random.default_rng(seed).standard_normal([count, self.latent_dim])
        return paddle.to_tensor(drawn.astype("float32"))

    def drawn_styles(self, z, y: int):
        """Return the styles [N, style_dim] of codes [N, latent_dim] in domain number ``y``."""
        return self.averaged("mapping_network")(z, paddle.full([len(z)], y, "int64"))

    def copied_styles(self, x, y: int):
        """Return the styles [N, style_dim] of references [N, 3, S, S] of domain number ``y``."""
        return self.averaged("style_encoder")(x, paddle.full([len(x)], y, "int64"))

    def render(self, x, s):
        """Render N images [N, 3, H, W] in one style, or one image in N styles, in [-1, 1]."""
        inputs = [x, *(self.masks(x) or ())]  # masks are computed once per image
        count = max(len(x), len(s))
        x, *masks = (part.expand([count, -1, -1, -1]) for part in inputs)
        return self.averaged("generator")(x, s.expand([count, -1]), masks or None).clip(-1, 1)

    def discriminator_outputs(self, batch):
        x, y_trg = batch["x_real"], batch["y_trg"]
        made = self.render(x, self.averaged("mapping_network")(batch["z_trg"], y_trg))
        return {
            "real": self.discriminator(x, batch["y_org"]).mean(),
            "generated": self.discriminator(made, y_trg).mean(),
        }

    def domain_index(self, name: str) -> int:
        """Return the number of a domain.

        Raises:
            InputError: no domain has this name.
        """
        if name not in self.domains:
            raise InputError(f"no domain {name!r}; the domains are {', '.join(self.domains)}")
        return self.domains.index(name)

    @classmethod
    def inference_for(cls, options):
        """Add the face-alignment network, which the high-pass skips need."""
        return {**cls.inference, "fan": {}} if options["w_hpf"] > 0 else cls.inference

    def inference_network(self, name):
        return self.fan if name == "fan" else self.averaged(name)

    @classmethod
    def options_from_data(cls, root):
        """Return the folders in ``root`` as ``domains``."""
        if root is None:
            return {}
        sources, _, _ = layout.domains(root, train=True)
        return {"domains": ",".join(sources)}

    def load_pretrained(self):
        """Load the face-alignment network, which is not trained."""
        if self.fan is not None:
            self.fan.set_state_dict(load_fan(self.fan_weights).state_dict())

    def information(self, data, batch_size, steps):
        """Return the settings, formatted as in the tutorial."""
        return [
            "##### Information #####",
            "# gan type :  gan",
            f"# dataset :  {data}",
            f"# domain_list :  {self.domains}",
            f"# batch_size :  {batch_size}",
            f"# max iteration :  {steps}",
            f"# ds iteration :  {self.ds_steps}",
            "##### Generator #####",
            f"# latent_dim :  {self.latent_dim}",
            f"# style_dim :  {self.style_dim}",
            f"# num_style :  {self.sample_grid.count // len(self.domains)}",
            "##### Mapping Network #####",
            f"# hidden_dim :  {self.hidden_dim}",
            "##### Discriminator #####",
            "# spectral normalization :  False",
        ]

    def dataset(self, root, *, train):
        sizes = {"image_size": self.crop_size, "latent_dim": self.latent_dim}
        root = demo_path("faces") if root is None else root
        found = layout.domains(root, train=train)
        if found is None:
            return None
        sources, references, what = found
        augment = self.augment and train
        made = Domains(sources, references, augment=augment, fixed=not train, what=what, **sizes)
        return made.select(self.domains)


class Guide(NamedTuple):
    """The source of styles: a network and two batches of its inputs."""

    name: str
    network: nn.Layer
    source: Tensor
    source2: Tensor


def check_options(domains, crop_size, w_hpf, fan_weights):
    """Raise InputError for domains, sizes and weights that cannot be used."""
    if len(domains) < 2 or len(set(domains)) < len(domains) or not all(domains):
        raise InputError(
            f"--domains {','.join(domains)}: give at least two different names, comma-separated"
        )
    if crop_size < 64 or crop_size & (crop_size - 1):
        raise InputError(f"--crop-size must be one of 64, 128, 256, 512 ..., not {crop_size}")
    if w_hpf < 0:
        raise InputError(f"--w-hpf must be at least 0, not {w_hpf}; use 1 for human faces, else 0")
    if w_hpf > 0 and fan_weights is None:
        raise InputError(
            f"--w-hpf {w_hpf:g} needs the face-alignment network: give --fan-weights FILE, the "
            "wing.ckpt that StarGAN v2's authors publish or its conversion; or use --w-hpf 0"
        )


MODEL = StarGANv2
