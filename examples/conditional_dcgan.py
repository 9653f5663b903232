"""Conditional DCGAN: generate a given digit from noise (Mirza and Osindero 2014)."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from data_reader import layout
from data_reader.digits import Digits, read_digits
from data_reader.embedded import demo_path
from data_reader.errors import InputError
from paddle_gans.networks.field import Field
from paddle_gans.networks.init import normal_init
from paddle_gans.training.config import RunConfig
from paddle_gans.training.losses import vanilla
from paddle_gans.training.model import GANModel, SampleGrid, Update, adam, frozen

CLASSES = 10


class Generator(nn.Layer):
    """Map noise z [N, noise_dim] and classes y [N] to images [N, 1, 28, 28] in [-1, 1]."""

    def __init__(self, noise_dim: int, base_dim: int):
        super().__init__()
        d, up = base_dim, {"kernel_size": 4, "stride": 2, "padding": 1}
        self.maps = [-1, d * 2, 7, 7]
        self.linear = nn.Linear(noise_dim + CLASSES, d * 2 * 7 * 7)
        self.layers = nn.Sequential(
            *[nn.BatchNorm2D(d * 2), nn.ReLU(), nn.Conv2DTranspose(d * 2, d, **up)],
            *[nn.BatchNorm2D(d), nn.ReLU(), nn.Conv2DTranspose(d, 1, **up), nn.Tanh()],
        )
        normal_init(self)

    def forward(self, z, y):
        h = self.linear(paddle.concat([z, F.one_hot(y, CLASSES)], axis=1))
        return self.layers(h.reshape(self.maps))


class Discriminator(nn.Layer):
    """Map images x [N, 1, 28, 28] and their classes y [N] to logits [N]."""

    def __init__(self, base_dim: int):
        super().__init__()
        d, down = base_dim, {"kernel_size": 4, "stride": 2, "padding": 1}
        self.layers = nn.Sequential(
            *[nn.Conv2D(1 + CLASSES, d, **down), nn.LeakyReLU(0.2)],
            *[nn.Conv2D(d, d * 2, **down), nn.BatchNorm2D(d * 2), nn.LeakyReLU(0.2)],
            nn.Conv2D(d * 2, 1, 7),
        )
        normal_init(self)

    def forward(self, x, y):
        n, _, height, width = x.shape
        planes = F.one_hot(y, CLASSES).reshape([n, CLASSES, 1, 1])
        planes = planes.expand([n, CLASSES, height, width])  # one is all 1, the others 0
        return self.layers(paddle.concat([x, planes], axis=1)).reshape([n])


class ConditionalDCGAN(GANModel):
    """Generates images of a given digit.

    Batches contain ``image`` [N, 1, 28, 28] in [-1, 1] and ``digit`` [N], int64. Losses:
    ``d_loss_real``, ``d_loss_fake``, ``g_loss``. Source: Mirza and Osindero 2014, section 3.
    """

    paper_config = RunConfig(batch_size=128, epochs=20, sample_every=468, save_every=468)
    demo_config = RunConfig(
        batch_size=64,
        steps=500,
        log_every=20,
        sample_every=100,
        save_every=250,
    )
    demo_options = {"base_dim": 32, "learning_rate": 1e-3}
    sample_grid = SampleGrid(count=40, rows=4)  # 4 rows of real, 4 of generated digits

    def __init__(
        self,
        *,
        noise_dim: int = 100,  # length of the noise vector
        base_dim: int = 64,  # channels of the first convolution
        learning_rate: float = 2e-4,  # of both Adam optimizers
        beta1: float = 0.5,  # Adam's beta1
        beta2: float = 0.999,  # Adam's beta2
    ):
        super().__init__()
        self.noise_dim = noise_dim
        self.generator = Generator(noise_dim, base_dim)
        self.discriminator = Discriminator(base_dim)
        settings = {"learning_rate": learning_rate, "beta1": beta1, "beta2": beta2}
        self.optimizers = {
            "generator": adam(self.generator, **settings),
            "discriminator": adam(self.discriminator, **settings),
        }

    def train_step(self, batch: dict[str, Tensor], step: int, update: Update) -> dict[str, Tensor]:
        """Update D, then G, both with the classes of the batch."""
        real, digit = batch["image"], batch["digit"]
        fake = self.generator(self.noise(len(digit)), digit)

        # Update D on real digits and on generated ones of the same classes.
        losses = update(
            {
                "d_loss_real": vanilla(self.discriminator(real, digit), True),
                "d_loss_fake": vanilla(self.discriminator(fake.detach(), digit), False),
            },
            self.optimizers["discriminator"],
        )

        # Update G: D should classify its digits as real.
        with frozen(self.discriminator):
            terms = {"g_loss": vanilla(self.discriminator(fake, digit), True)}
        losses.update(update(terms, self.optimizers["generator"]))
        return losses

    def noise(self, count):
        """Draw z [count, noise_dim] from N(0, 1)."""
        return paddle.randn([count, self.noise_dim])

    def sample(self, batch):
        real, digit = batch["image"], batch["digit"]
        return {"real": real, "generated": self.generator(self.noise(len(digit)), digit)}

    def translate(
        self,
        inputs=None,
        *,
        digit: int | None = None,  # digit to generate (default: all ten in turn)
        count: int = 100,  # number of images
        seed: int = 0,  # of the noise; equal seeds give equal images
    ):
        """Generate images [count, 1, 28, 28] in [-1, 1]; ``inputs`` is not used."""
        if digit is not None and not 0 <= digit < CLASSES:
            raise InputError(f"--digit must be 0 to {CLASSES - 1}, not {digit}")
        if count < 1:
            raise InputError(f"--count must be at least 1, not {count}")
        paddle.seed(seed)
        y = paddle.arange(count) if digit is None else paddle.full([count], digit, "int64")
        return self.generator(self.noise(count), y % CLASSES)

    def generator_inputs(self):
        z = Field("z", ("batch", self.noise_dim), "float32", "normal", None, "noise, N(0, 1)")
        return [z, Field("y", ("batch",), "int64", "integer", (0, CLASSES - 1), "which digit")]

    def dataset(self, root, *, train):
        root = demo_path("digits") if root is None else root
        found = read_digits(layout.one_path(root), train=train, size=28, channels=1)
        if found is not None:
            return LabelledDigits(found.items, found.labels, found.path)
        if train:
            raise InputError(f"{root} contains none of MNIST's four files")
        return None


class LabelledDigits(Digits):
    """MNIST's images with their classes as ``digit``."""

    def item(self, index, rng):
        return {**super().item(index, rng), "digit": np.array(self.labels[index], np.int64)}


MODEL = ConditionalDCGAN
