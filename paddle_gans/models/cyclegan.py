"""CycleGAN: unpaired image-to-image translation (Zhu et al., ICCV 2017).

Default: the tutorial's networks and losses. The paper's networks are options.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import paddle.nn.functional as F
from paddle import Tensor, nn

from data_reader import layout
from data_reader.datasets import Unpaired
from data_reader.embedded import demo_path
from data_reader.errors import InputError
from paddle_gans.networks.init import normal_init
from paddle_gans.networks.layers import instance_norm
from paddle_gans.networks.patch_gan import PatchGAN
from paddle_gans.networks.resnet import ResidualBlock, ResNetGenerator
from paddle_gans.training.augment import DiffAugment
from paddle_gans.training.config import RunConfig
from paddle_gans.training.image_pool import ImagePool
from paddle_gans.training.losses import lsgan
from paddle_gans.training.model import GANModel, SampleGrid, Update, adam, frozen
from paddle_gans.training.schedules import decay_epochs, linear_decay


class Generator(nn.Layer):
    """The tutorial's generator: [N, 3, H, W] to [N, 3, H, W] in [-1, 1], H and W divisible by 4.

    It upsamples by nearest neighbour and a convolution instead of the paper's transposed ones.
    """

    def __init__(self, base_dim: int = 64, residual_num: int = 9):
        super().__init__()
        d = base_dim
        down = partial(nn.Conv2D, kernel_size=3, stride=2, padding=1)
        conv = partial(nn.Conv2D, kernel_size=3, padding=1)
        self.encoder = nn.Sequential(
            *[nn.Pad2D(3, mode="reflect"), nn.Conv2D(3, d, 7), instance_norm(d), nn.ReLU()],
            *[down(d, d * 2), instance_norm(d * 2), nn.ReLU()],
            *[down(d * 2, d * 4), instance_norm(d * 4), nn.ReLU()],
        )
        self.blocks = nn.Sequential(*[ResidualBlock(d * 4) for _ in range(residual_num)])
        self.decoder = nn.Sequential(
            *[nn.Upsample(scale_factor=2), conv(d * 4, d * 2), instance_norm(d * 2), nn.ReLU()],
            *[nn.Upsample(scale_factor=2), conv(d * 2, d), instance_norm(d), nn.ReLU()],
            *[nn.Pad2D(3, mode="reflect"), nn.Conv2D(d, 3, 7), nn.Tanh()],
        )
        normal_init(self)

    def forward(self, x):
        return self.decoder(self.blocks(self.encoder(x)))


class Discriminator(nn.Layer):
    """The tutorial's PatchGAN: [N, 3, H, W] to scores [N, 1, H/16, W/16]."""

    def __init__(self, base_dim: int = 64):
        super().__init__()
        d = base_dim
        down = partial(nn.Conv2D, kernel_size=4, stride=2, padding=1)
        self.layers = nn.Sequential(
            *[down(3, d), nn.LeakyReLU(0.2)],
            *[down(d, d * 2), instance_norm(d * 2), nn.LeakyReLU(0.2)],
            *[down(d * 2, d * 4), instance_norm(d * 4), nn.LeakyReLU(0.2)],
            *[down(d * 4, d * 8), instance_norm(d * 8), nn.LeakyReLU(0.2)],
            # Pad one row and column more at the top left, since the kernel is even.
            *[nn.ZeroPad2D([1, 0, 1, 0]), nn.Conv2D(d * 8, 1, 4, padding=1)],
        )
        normal_init(self)

    def forward(self, x):
        return self.layers(x)


GENERATORS = {
    "article": lambda dim, num, *_: Generator(dim, num),  # always upsamples by resizing
    "resnet_9blocks": lambda dim, num, up, affine: ResNetGenerator(
        base_dim=dim,
        num_blocks=num,
        upsample=up,
        norm=nn.InstanceNorm2D if affine else instance_norm,
    ),
}
DISCRIMINATORS = {
    "article": Discriminator,
    "patch_gan": lambda dim: PatchGAN(3, base_dim=dim, norm=instance_norm, norm_shifts=False),
}


class CycleGAN(GANModel):
    """Translates images of domain A into domain B and back, trained without pairs.

    Batches contain ``a`` and ``b`` [N, 3, H, W] in [-1, 1]. Losses: ``g_loss_gan``,
    ``g_loss_cycle``, ``g_loss_identity`` (means over both directions), ``d_loss_a``,
    ``d_loss_b``. Sources: Zhu et al. 2017, sections 3 and 4; the tutorial's training loop.
    """

    data_class = Unpaired
    paper_config = RunConfig(batch_size=1, epochs=200, sample_every=500, save_every=1000)
    # 0.53e12 operations a step at 128 pixels: 1.5 hours. With 2.1e12 at 256, 200 epochs of
    # monet2photo take five days.
    quick_config = {"steps": 60_000, "epochs": None, "save_every": 5000}
    quick_options = {"crop_size": 128}
    demo_config = RunConfig(
        batch_size=1, steps=1000, log_every=20, sample_every=200, save_every=500
    )
    demo_options = {"base_dim": 24, "residual_num": 4, "crop_size": 64}
    inference = {"generator_ab": {"direction": "a2b"}, "generator_ba": {"direction": "b2a"}}
    size_multiple = 4
    sample_grid = SampleGrid(count=3, columns=3)  # A, B(A), A(B(A)) over B, A(B), B(A(B))

    def __init__(
        self,
        *,
        generator: Literal["article", "resnet_9blocks"] = "article",  # resnet_9blocks: the paper's
        discriminator: Literal["article", "patch_gan"] = "article",  # patch_gan: the paper's
        base_dim: int = 64,  # channels of the first layer
        residual_num: int = 9,  # residual blocks in each generator
        upsample: Literal["deconv", "resize", "bilinear"] = "deconv",  # resnet_9blocks only
        affine: bool = False,  # train a scale and a shift in resnet_9blocks' instance norms
        lambda_cyc: float = 10.0,  # weight of the cycle-consistency loss
        lambda_id: float = 5.0,  # weight of the identity loss; 0: none
        pool_size: int = 50,  # size of each pool of generated images; 0: no pool
        diff_augment: str | None = None,  # augment what D sees: any of color,translation,cutout
        ema_decay: float = 0.0,  # decay of the generators' moving averages, e.g. 0.999; 0: none
        learning_rate: float = 2e-4,  # of all Adam optimizers
        d_learning_rate: float | None = None,  # of the discriminators (default: --learning-rate)
        beta1: float = 0.5,  # Adam's beta1
        beta2: float = 0.999,  # Adam's beta2
        decay_start_epoch: int = 100,  # epoch at which the learning rate begins to decay
        decay_end_epoch: int = 200,  # epoch at which it reaches 0
        # pixels of the short side before cropping; 0: original size (default: 1.12 x crop size)
        load_size: int | None = None,
        crop_size: int = 256,  # side of the crop in pixels
        flip: bool = True,  # mirror half of the training images
        recompute: bool = False,  # save memory: compute residual blocks again in the backward pass
    ):
        super().__init__()
        check_crop(crop_size)
        if affine and generator == "article":
            raise InputError("--affine is for --generator resnet_9blocks; give both or neither")
        self.crop_size, self.flip = crop_size, flip
        self.load_size = int(1.12 * crop_size) if load_size is None else load_size
        self.lambda_cyc, self.lambda_id = lambda_cyc, lambda_id
        self.decay = decay_epochs(decay_start_epoch, decay_end_epoch)

        build = partial(GENERATORS[generator], base_dim, residual_num, upsample, affine)
        self.generator_ab, self.generator_ba = build(), build()
        self.keep_averages(ema_decay, "generator_ab", "generator_ba")
        self.augment = DiffAugment(diff_augment)
        for layer in self.sublayers():
            if isinstance(layer, ResidualBlock):
                layer.recompute = recompute
        self.discriminator_a = DISCRIMINATORS[discriminator](base_dim)
        self.discriminator_b = DISCRIMINATORS[discriminator](base_dim)
        self.pool_a = ImagePool(pool_size, 3, crop_size, crop_size)
        self.pool_b = ImagePool(pool_size, 3, crop_size, crop_size)

        settings = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2}
        d_settings = {**settings, "learning_rate": d_learning_rate or learning_rate}
        self.optimizers = {
            "generators": adam(self.generator_ab, self.generator_ba, **settings),
            "discriminator_a": adam(self.discriminator_a, **d_settings),
            "discriminator_b": adam(self.discriminator_b, **d_settings),
        }

    def train_step(self, batch: dict[str, Tensor], step: int, update: Update) -> dict[str, Tensor]:
        """Update both generators, then each discriminator with its pool (sections 3 and 4)."""
        a, b = batch["a"], batch["b"]
        fake_b, fake_a = self.generator_ab(a), self.generator_ba(b)

        # Update both generators.
        with frozen(self.discriminator_a, self.discriminator_b):
            terms = self.g_losses(a, b, fake_a, fake_b)
        weights = {"g_loss_cycle": self.lambda_cyc}
        if self.lambda_id > 0:
            weights["g_loss_identity"] = self.lambda_id
        losses = update(terms, self.optimizers["generators"], weights=weights)

        # Update D_A and D_B on real images and on images from the pools.
        d_a = {"d_loss_a": self.d_loss(self.discriminator_a, a, self.pool_a(fake_a))}
        losses.update(update(d_a, self.optimizers["discriminator_a"]))
        d_b = {"d_loss_b": self.d_loss(self.discriminator_b, b, self.pool_b(fake_b))}
        losses.update(update(d_b, self.optimizers["discriminator_b"]))
        return losses

    def d_loss(self, discriminator, real, fake):
        """Return the mean of a discriminator's losses on real and generated images [N, 3, H, W]."""
        real, fake = discriminator(*self.augment(real)), discriminator(*self.augment(fake))
        return (lsgan(real, True) + lsgan(fake, False)) / 2

    def g_losses(self, a, b, fake_a, fake_b):
        """Return the generators' losses, averaged over both directions; images [N, 3, H, W]."""
        adversarial = (
            lsgan(self.discriminator_b(*self.augment(fake_b)), True),
            lsgan(self.discriminator_a(*self.augment(fake_a)), True),
        )
        cycle_a = F.l1_loss(self.generator_ba(fake_b), a)
        cycle_b = F.l1_loss(self.generator_ab(fake_a), b)
        terms = {"g_loss_gan": sum(adversarial) / 2, "g_loss_cycle": (cycle_a + cycle_b) / 2}
        if self.lambda_id > 0:
            same_a = F.l1_loss(self.generator_ba(a), a)
            same_b = F.l1_loss(self.generator_ab(b), b)
            terms["g_loss_identity"] = (same_a + same_b) / 2
        return terms

    def lr_scale(self, step, steps_per_epoch):
        return linear_decay(step // steps_per_epoch, *self.decay)

    def sample(self, batch):
        a, b = batch["a"], batch["b"]
        to_a, to_b = self.averaged("generator_ba"), self.averaged("generator_ab")
        b_of_a, a_of_b = to_b(a), to_a(b)
        return {
            "A": a, "B(A)": b_of_a, "A(B(A))": to_a(b_of_a),
            "B": b, "A(B)": a_of_b, "B(A(B))": to_b(a_of_b),
        }  # fmt: skip

    def discriminator_outputs(self, batch):
        a, b = batch["a"], batch["b"]
        d_a, d_b = self.discriminator_a, self.discriminator_b
        fake_a, fake_b = self.averaged("generator_ba")(b), self.averaged("generator_ab")(a)
        return {
            "real": (d_a(a).mean() + d_b(b).mean()) / 2,
            "generated": (d_a(fake_a).mean() + d_b(fake_b).mean()) / 2,
        }

    def translate(
        self,
        inputs,
        *,
        direction: Literal["a2b", "b2a"] = "a2b",  # which generator (weights files name theirs)
    ):
        return self.averaged("generator_ab" if direction == "a2b" else "generator_ba")(inputs)

    def dataset(self, root, *, train):
        root = demo_path("landscapes") if root is None else root
        roots = root if isinstance(root, (list, tuple)) else [root]
        found = layout.unpaired(roots, train=train)
        if found is None:
            return None
        a, b, what = found
        return Unpaired(
            a, b,
            load_size=self.load_size,
            crop_size=self.crop_size,
            crop_type="Random" if train else "Center",
            flip=self.flip and train,
            what=what,
        )  # fmt: skip


def check_crop(crop_size):
    """Raise InputError for a size that cannot be trained with."""
    if crop_size < 32 or crop_size % 4:
        raise InputError(f"--crop-size must be a multiple of 4 and at least 32, not {crop_size}")


MODEL = CycleGAN
