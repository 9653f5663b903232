"""DCGAN: generate digits or other small images from noise (Radford et al., ICLR 2016).

Default: the tutorial's networks and losses. The paper's networks are an option.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from data_reader import layout
from data_reader.digits import Images, read_digits
from data_reader.embedded import demo_path
from data_reader.errors import InputError
from paddle_gans.networks.field import Field
from paddle_gans.networks.init import normal_init
from paddle_gans.networks.layers import resize_conv
from paddle_gans.training.augment import DiffAugment
from paddle_gans.training.config import RunConfig
from paddle_gans.training.losses import vanilla
from paddle_gans.training.model import GANModel, SampleGrid, Update, adam, frozen

NEGATIVE_SLOPE = 0.02  # of LeakyReLU: the default in the framework version of the tutorial


class Generator(nn.Layer):
    """Map noise [N, noise_dim] to images [N, channels, size, size] in [-1, 1]."""

    def __init__(
        self, size=28, channels=1, noise_dim=100, base_dim=64, fc_dim=2048, upsample="deconv"
    ):
        super().__init__()
        self.shape = [-1, base_dim * 2, size // 4, size // 4]
        deconv = partial(nn.Conv2DTranspose, kernel_size=5, stride=2, padding=2, output_padding=1)
        up = deconv if upsample == "deconv" else partial(resize_conv, upsample=upsample)
        self.fc1, self.norm1 = nn.Linear(noise_dim, fc_dim), nn.BatchNorm1D(fc_dim)
        features = base_dim * 2 * (size // 4) ** 2
        self.fc2, self.norm2 = nn.Linear(fc_dim, features), nn.BatchNorm1D(features)
        self.up1 = up(base_dim * 2, base_dim * 2)
        self.up2 = up(base_dim * 2, channels)
        self.relu = nn.ReLU()

    def forward(self, z):
        x = self.relu(self.norm1(self.fc1(z)))
        x = self.relu(self.norm2(self.fc2(x))).reshape(self.shape)  # [N, 2d, size/4, size/4]
        x = self.relu(self.up1(x))  # [N, 2d, size/2, size/2]
        return paddle.tanh(self.up2(x))


class Discriminator(nn.Layer):
    """Map images [N, channels, size, size] to logits [N, 1]."""

    def __init__(self, size=28, channels=1, base_dim=64, fc_dim=1024):
        super().__init__()
        self.conv1 = nn.Conv2D(channels, base_dim, 5)
        self.conv2, self.norm2 = nn.Conv2D(base_dim, base_dim * 2, 5), nn.BatchNorm2D(base_dim * 2)
        side = ((size - 4) // 2 - 4) // 2  # 4 if size is 28
        self.features = base_dim * 2 * side**2
        self.fc1, self.norm3 = nn.Linear(self.features, fc_dim), nn.BatchNorm1D(fc_dim)
        self.fc2 = nn.Linear(fc_dim, 1)
        self.pool, self.leaky_relu = nn.MaxPool2D(2), nn.LeakyReLU(NEGATIVE_SLOPE)

    def forward(self, x):
        x = self.pool(self.leaky_relu(self.conv1(x)))
        x = self.leaky_relu(self.norm2(self.pool(self.conv2(x))))
        x = x.reshape([-1, self.features])
        x = self.leaky_relu(self.norm3(self.fc1(x)))
        return self.fc2(x)


class PaperGenerator(nn.Layer):
    """Transposed convolutions alone: [N, noise_dim] to [N, channels, size, size] in [-1, 1].

    Size is 8 times a power of 2; 64 has the 5 layers of figure 1. The widths follow ``base_dim``,
    that of the last map: the paper's is 128.
    """

    def __init__(self, size=64, channels=3, noise_dim=100, base_dim=64):
        super().__init__()
        deconv = partial(nn.Conv2DTranspose, kernel_size=4, bias_attr=False)
        width = base_dim * size // 8
        layers = [deconv(noise_dim, width), nn.BatchNorm2D(width), nn.ReLU()]
        while width > base_dim:
            layers += [deconv(width, width // 2, stride=2, padding=1)]
            width //= 2
            layers += [nn.BatchNorm2D(width), nn.ReLU()]
        self.layers = nn.Sequential(
            *layers, deconv(width, channels, stride=2, padding=1), nn.Tanh()
        )

    def forward(self, z):
        return self.layers(z.unsqueeze([2, 3]))


class PaperDiscriminator(nn.Layer):
    """Strided convolutions alone: [N, channels, size, size] to logits [N, 1] (section 3)."""

    def __init__(self, size=64, channels=3, base_dim=64):
        super().__init__()
        conv = partial(nn.Conv2D, kernel_size=4, bias_attr=False)
        layers, width = [conv(channels, base_dim, stride=2, padding=1), nn.LeakyReLU(0.2)], base_dim
        while width < base_dim * size // 8:
            layers += [conv(width, width * 2, stride=2, padding=1)]
            width *= 2
            layers += [nn.BatchNorm2D(width), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, conv(width, 1))

    def forward(self, x):
        return self.layers(x).reshape([-1, 1])


class DCGAN(GANModel):
    """Generates images like those of a training set.

    Batches contain ``image`` [N, channels, size, size] in [-1, 1]. Losses: ``d_loss_fake``,
    ``d_loss_real``, ``g_loss`` (of the last update in the step). Sources: Radford et al. 2016; the
    tutorial's listing.
    """

    paper_config = RunConfig(batch_size=128, epochs=20, sample_every=468, save_every=468)
    # The paper's settings take minutes: 0.1e12 operations a step, 9360 steps.
    demo_config = RunConfig(
        batch_size=64, steps=300, log_every=20, sample_every=100, save_every=100
    )
    sample_grid = SampleGrid(count=128, rows=8)  # 8 rows of real, 8 of generated images

    def __init__(
        self,
        *,
        # paper: G and D of strided and transposed convolutions alone, 32 or 64 pixels
        generator: Literal["article", "paper"] = "article",
        crop_size: Literal[28, 32, 64] = 28,  # side of the images in pixels
        channels: Literal[1, 3] = 1,  # grey or RGB
        noise_dim: int = 100,  # length of the noise vector
        noise: Literal["uniform", "normal"] = "uniform",  # uniform in [-1, 1], or from N(0, 1)
        base_dim: int = 64,  # channels of the first convolution
        upsample: Literal["deconv", "resize", "bilinear"] = "deconv",  # the others: no checkerboard
        g_steps: int = 2,  # generator updates per step
        double_sigmoid: bool = False,  # apply the sigmoid twice, as the tutorial's listing does
        init: Literal["normal", "framework"] = "normal",  # N(0, 0.02), or the framework's default
        diff_augment: str | None = None,  # augment what D sees: any of color,translation,cutout
        ema_decay: float = 0.0,  # decay of the generator's moving average, e.g. 0.999; 0: none
        learning_rate: float = 2e-4,  # of both Adam optimizers
        d_learning_rate: float | None = None,  # of the discriminator (default: --learning-rate)
        beta1: float = 0.5,  # Adam's beta1; 0.9 in the tutorial's listing
        beta2: float = 0.999,  # Adam's beta2
    ):
        super().__init__()
        self.crop_size, self.channels, self.noise_dim = crop_size, channels, noise_dim
        self.noise_kind, self.g_steps, self.double_sigmoid = noise, g_steps, double_sigmoid
        if g_steps < 1:
            raise InputError(f"--g-steps must be at least 1, not {g_steps}")
        paper = generator == "paper"
        if paper and crop_size == 28:
            raise InputError(
                "--generator paper makes images of 32 or 64 pixels; add --crop-size 64"
            )
        if paper and upsample != "deconv":
            raise InputError("--generator paper has transposed convolutions; leave --upsample out")
        if paper:
            self.generator = PaperGenerator(crop_size, channels, noise_dim, base_dim)
            self.discriminator = PaperDiscriminator(crop_size, channels, base_dim)
        else:
            self.generator = Generator(crop_size, channels, noise_dim, base_dim, upsample=upsample)
            self.discriminator = Discriminator(crop_size, channels, base_dim)
        if init == "normal":
            for network in (self.generator, self.discriminator):
                normal_init(network, norm_std=0.02 if paper else 0.0)
        self.keep_averages(ema_decay, "generator")
        self.augment = DiffAugment(diff_augment)
        optimizer = partial(adam, beta1=beta1, beta2=beta2)
        d_rate = d_learning_rate or learning_rate
        self.optimizers = {
            "generator": optimizer(self.generator, learning_rate=learning_rate),
            "discriminator": optimizer(self.discriminator, learning_rate=d_rate),
        }

    def train_step(self, batch: dict[str, Tensor], step: int, update: Update) -> dict[str, Tensor]:
        """Update D on generated and on real images, then G ``g_steps`` times (Algorithm 1)."""
        real = batch["image"]
        count = real.shape[0]

        # Update D on generated images, then on real ones.
        fake = self.generator(self.noise(count)).detach()
        d_fake = {"d_loss_fake": self.loss(fake, False)}
        losses = update(d_fake, self.optimizers["discriminator"])
        d_real = {"d_loss_real": self.loss(real, True)}
        losses.update(update(d_real, self.optimizers["discriminator"]))

        # Update G, with new noise each time.
        for _ in range(self.g_steps):
            fake = self.generator(self.noise(count))
            with frozen(self.discriminator):
                terms = {"g_loss": self.loss(fake, True)}
            losses.update(update(terms, self.optimizers["generator"]))
        return losses

    def loss(self, images, is_real):
        """Return D's cross entropy against the label real or generated."""
        logits = self.discriminator(*self.augment(images))
        return vanilla(F.sigmoid(logits) if self.double_sigmoid else logits, is_real)

    def noise(self, count):
        """Draw z [count, noise_dim], uniform in [-1, 1] or normal."""
        if self.noise_kind == "normal":
            return paddle.randn([count, self.noise_dim])
        return paddle.uniform([count, self.noise_dim], min=-1.0, max=1.0)

    def sample(self, batch):
        real = batch["image"]
        return {"real": real, "generated": self.draw(self.noise(real.shape[0]))}

    def draw(self, z):
        """Generate images [N, channels, size, size] from noise z [N, noise_dim]."""
        return self.averaged("generator")(z)

    def generator_inputs(self):
        shape, meaning = ("batch", self.noise_dim), "noise, uniform in the range"
        if self.noise_kind == "normal":
            return [Field("z", shape, "float32", "normal", None, "noise, normal")]
        return [Field("z", shape, "float32", "uniform", (-1, 1), meaning)]

    def discriminator_outputs(self, batch):
        return {name: self.discriminator(x).mean() for name, x in self.sample(batch).items()}

    def translate(
        self,
        inputs=None,
        *,
        count: int = 64,  # number of images
        seed: int = 0,  # of the noise; equal seeds give equal images
        interpolate: bool = False,  # interpolate between noise vectors in equal steps
    ):
        """Generate images [count, channels, size, size] in [-1, 1]; ``inputs`` is not used."""
        if count < 1:
            raise InputError(f"--count must be at least 1, not {count}")
        paddle.seed(seed)
        if interpolate:
            return self.draw(walk(self.noise(max(2, -(-count // WALK_STEPS) + 1)), count))
        return self.draw(self.noise(count))

    def dataset(self, root, *, train):
        shape = {"size": self.crop_size, "channels": self.channels}
        root = demo_path("digits") if root is None else root
        digits = read_digits(layout.one_path(root), train=train, **shape)
        if digits is not None:
            return digits
        images = layout.images(root, train=train)
        return Images(images, **shape) if images else None


WALK_STEPS = 8  # images between two noise vectors


def walk(corners, count):
    """Return ``count`` points [count, D] in equal steps on the lines through ``corners`` [K, D]."""
    at = paddle.linspace(0, corners.shape[0] - 1, count)
    first = paddle.clip(at.floor(), 0, corners.shape[0] - 2).astype("int64")
    share = (at - first.astype("float32")).unsqueeze(1)
    return (1 - share) * paddle.gather(corners, first) + share * paddle.gather(corners, first + 1)


MODEL = DCGAN
