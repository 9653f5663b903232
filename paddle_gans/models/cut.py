"""CUT and FastCUT: contrastive unpaired translation (Park et al., ECCV 2020).

One generator, and no way back: a patch of the result must resemble the patch of the input at the
same place more than the input's other patches. Networks, losses and defaults are the authors'.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from data_reader.datasets import Unpaired
from paddle_gans.networks.layers import instance_norm
from paddle_gans.networks.resnet import ResidualBlock
from paddle_gans.training.augment import DiffAugment
from paddle_gans.training.config import RunConfig
from paddle_gans.training.losses import lsgan
from paddle_gans.training.model import GANModel, Update, adam, frozen
from paddle_gans.training.schedules import decay_epochs, linear_decay

from .cyclegan import CycleGAN, check_crop


class BlurPool(nn.Sequential):
    """Halve the sides with the filter 1, 2, 1: [N, C, H, W] to [N, C, ceil(H/2), ceil(W/2)].

    Two means of two neighbours in turn are that filter. Source: Zhang 2019, "Making Convolutional
    Networks Shift-Invariant Again".
    """

    def __init__(self):
        super().__init__(nn.Pad2D(1, mode="reflect"), nn.AvgPool2D(2, 1), nn.AvgPool2D(2, 2))


class Generator(nn.Layer):
    """CycleGAN's ResNet with blurred down- and upsampling: [N, 3, H, W] to the same in [-1, 1].

    H and W must be multiples of 4. The layers are numbered as in the authors' code; their
    upsampling by the filter 1, 3, 3, 1 is the bilinear one. Source: appendix C.1.
    """

    def __init__(self, base_dim: int = 64, residual_num: int = 9):
        super().__init__()
        d = base_dim
        conv = partial(nn.Conv2D, kernel_size=3, padding=1)
        up = partial(nn.Upsample, scale_factor=2, mode="bilinear")
        self.layers = nn.Sequential(
            *[nn.Pad2D(3, mode="reflect"), nn.Conv2D(3, d, 7), instance_norm(d), nn.ReLU()],
            *[conv(d, d * 2), instance_norm(d * 2), nn.ReLU(), BlurPool()],
            *[conv(d * 2, d * 4), instance_norm(d * 4), nn.ReLU(), BlurPool()],
            *[ResidualBlock(d * 4) for _ in range(residual_num)],
            *[up(), conv(d * 4, d * 2), instance_norm(d * 2), nn.ReLU()],
            *[up(), conv(d * 2, d), instance_norm(d), nn.ReLU()],
            *[nn.Pad2D(3, mode="reflect"), nn.Conv2D(d, 3, 7), nn.Tanh()],
        )
        # Where patches are compared: pixels, both downsampling convolutions, the first and the
        # middle block. Of 9 blocks: 0, 4, 8, 12, 16.
        self.tapped = sorted({0, 4, 8, 12, 12 + (residual_num - 1) // 2})
        self.feature_channels = [3, d * 2, *[d * 4] * (len(self.tapped) - 2)]
        xavier_init(self)

    def forward(self, x):
        return self.layers(x)

    def features(self, x, whole=False):
        """Return the encoder's feature maps [N, C, h, w], from pixels to blocks.

        With ``whole``, the generator's output follows.
        """
        last = len(self.layers) - 1 if whole else self.tapped[-1]
        maps = []
        for i in range(last + 1):
            x = self.layers[i](x)
            if i in self.tapped or i == last:
                maps.append(x)
        return maps


class Discriminator(nn.Layer):
    """The 70x70 PatchGAN with blurred downsampling: [N, 3, H, W] to scores [N, 1, h, w].

    h = H / 8 - 2.
    """

    def __init__(self, base_dim: int = 64):
        super().__init__()
        d = base_dim
        conv = partial(nn.Conv2D, kernel_size=4, padding=1)
        self.layers = nn.Sequential(
            *[conv(3, d), nn.LeakyReLU(0.2), BlurPool()],
            *[conv(d, d * 2), instance_norm(d * 2), nn.LeakyReLU(0.2), BlurPool()],
            *[conv(d * 2, d * 4), instance_norm(d * 4), nn.LeakyReLU(0.2), BlurPool()],
            *[conv(d * 4, d * 8), instance_norm(d * 8), nn.LeakyReLU(0.2), conv(d * 8, 1)],
        )
        xavier_init(self)

    def forward(self, x):
        return self.layers(x)


class Projection(nn.Layer):
    """H_l, an MLP of two layers for each feature map: patches to unit vectors (section 3.2).

    Takes maps [N, C, h, w] and the positions of patches in each; returns [N, patches, width].
    """

    def __init__(self, channels: list[int], width: int = 256):
        super().__init__()
        mlp = lambda c: nn.Sequential(nn.Linear(c, width), nn.ReLU(), nn.Linear(width, width))  # noqa: E731
        self.mlps = nn.LayerList([mlp(count) for count in channels])
        xavier_init(self)

    def forward(self, maps, positions):
        patches = [
            x.flatten(2).index_select(at, axis=2).transpose([0, 2, 1])
            for x, at in zip(maps, positions)
        ]
        return [F.normalize(mlp(x), axis=2, epsilon=1e-7) for mlp, x in zip(self.mlps, patches)]


class CUT(GANModel):
    """Translates images of one domain into another, in one direction, trained without pairs.

    Batches contain ``a`` and ``b`` [N, 3, H, W] in [-1, 1]. Losses: ``d_loss_real``,
    ``d_loss_fake``, ``g_loss_gan``, ``g_loss_nce``, ``g_loss_nce_identity`` (not in FastCUT).
    Sources: Park et al. 2020, section 3, and the authors' code for what it leaves open.
    """

    data_class = Unpaired
    paper_config = RunConfig(batch_size=1, epochs=400, sample_every=500, save_every=1000)
    demo_config = RunConfig(
        batch_size=1, steps=1000, log_every=20, sample_every=200, save_every=500
    )
    demo_options = {"base_dim": 24, "residual_num": 4, "crop_size": 64}
    size_multiple = 4

    def __init__(
        self,
        *,
        direction: Literal["a2b", "b2a"] = "a2b",  # translate A to B, or B to A
        variant: Literal["cut", "fastcut"] = "cut",  # fastcut: lighter; see docs/articles.md
        base_dim: int = 64,  # channels of the first layer
        residual_num: int = 9,  # residual blocks in the generator
        lambda_gan: float = 1.0,  # weight of the adversarial loss
        lambda_nce: float | None = None,  # weight of the PatchNCE loss (default: cut 1, fastcut 10)
        patch_num: int = 256,  # patches that are compared in each feature map
        projection_dim: int = 256,  # width of the MLPs, and length of the patches' vectors
        temperature: float = 0.07,  # of the PatchNCE loss
        diff_augment: str | None = None,  # augment what D sees: any of color,translation,cutout
        ema_decay: float = 0.0,  # decay of the generator's moving average, e.g. 0.999; 0: none
        learning_rate: float = 2e-4,  # of both Adam optimizers
        d_learning_rate: float | None = None,  # of the discriminator (default: --learning-rate)
        beta1: float = 0.5,  # Adam's beta1
        beta2: float = 0.999,  # Adam's beta2
        decay_start_epoch: int = 200,  # epoch at which the learning rate begins to decay
        decay_end_epoch: int = 400,  # epoch at which it reaches 0
        # pixels of the short side before cropping; 0: original size (default: 1.12 x crop size)
        load_size: int | None = None,
        crop_size: int = 256,  # side of the crop in pixels
        flip: bool = True,  # mirror half of the training images
        recompute: bool = False,  # save memory: compute residual blocks again in the backward pass
    ):
        super().__init__()
        check_crop(crop_size)
        self.direction, self.crop_size, self.flip = direction, crop_size, flip
        self.load_size = int(1.12 * crop_size) if load_size is None else load_size
        self.decay = decay_epochs(decay_start_epoch, decay_end_epoch)
        # CUT also compares G(b) with b; FastCUT mirrors half of G's inputs instead.
        self.identity = variant == "cut"
        if lambda_nce is None:
            lambda_nce = 1.0 if self.identity else 10.0
        self.lambda_gan, self.lambda_nce = lambda_gan, lambda_nce
        self.patch_num, self.temperature = patch_num, temperature

        self.generator = Generator(base_dim, residual_num)
        self.keep_averages(ema_decay, "generator")
        for layer in self.generator.sublayers():
            if isinstance(layer, ResidualBlock):
                layer.recompute = recompute
        self.projection = Projection(self.generator.feature_channels, projection_dim)
        self.discriminator = Discriminator(base_dim)
        self.augment = DiffAugment(diff_augment)

        optimizer = partial(adam, beta1=beta1, beta2=beta2)
        d_rate = d_learning_rate or learning_rate
        self.optimizers = {
            "generator": optimizer(self.generator, self.projection, learning_rate=learning_rate),
            "discriminator": optimizer(self.discriminator, learning_rate=d_rate),
        }

    def train_step(self, batch: dict[str, Tensor], step: int, update: Update) -> dict[str, Tensor]:
        """Update D, then G and H (section 3; the authors' order)."""
        source, target = self.directed(batch)
        x = paddle.concat([source, target]) if self.identity else source
        mirrored = not self.identity and paddle.rand([1]).item() < 0.5
        *keys, y = self.generator.features(mirror(x) if mirrored else x, whole=True)
        fake = y[: len(source)]

        # Update D on real images of the target's domain and on generated ones.
        real_scores, fake_scores = self.scores(target), self.scores(fake.detach())
        losses = update(
            {"d_loss_real": lsgan(real_scores, True), "d_loss_fake": lsgan(fake_scores, False)},
            self.optimizers["discriminator"],
            weights={"d_loss_real": 0.5, "d_loss_fake": 0.5},
        )

        # Update G and H: D should take G(x) for real, and its patches should resemble those of x.
        with frozen(self.discriminator):
            terms = {"g_loss_gan": lsgan(self.scores(fake), True)}
        if mirrored:
            with paddle.no_grad():
                keys = self.generator.features(x)
        nce = self.patch_nce(keys, y, mirrored)
        terms["g_loss_nce"] = nce[: len(source)].mean()
        weights = {"g_loss_gan": self.lambda_gan, "g_loss_nce": self.lambda_nce}
        if self.identity:  # the weight is that of the mean of both, as in the authors' code
            terms["g_loss_nce_identity"] = nce[len(source) :].mean()
            weights["g_loss_nce"] = weights["g_loss_nce_identity"] = self.lambda_nce / 2
        losses.update(update(terms, self.optimizers["generator"], weights=weights))
        return losses

    def scores(self, images):
        """Return D's scores of augmented images [N, 3, H, W]."""
        return self.discriminator(*self.augment(images))

    def patch_nce(self, keys, y, mirrored=False):
        """Return PatchNCE of each translation y and the features of its input (equation 4), [N].

        ``mirrored`` says that y is the translation of the mirrored input.
        """
        queries = self.generator.features(y)
        if mirrored:
            queries = [mirror(q) for q in queries]
        positions = [choose_positions(k.shape[2] * k.shape[3], self.patch_num) for k in keys]
        with paddle.no_grad():  # only the translation learns to resemble
            keys = self.projection(keys, positions)
        queries = self.projection(queries, positions)
        terms = [contrast(q, k, self.temperature) for q, k in zip(queries, keys)]
        return sum(terms) / len(terms)

    def directed(self, batch):
        """Return (source, target) of a batch in the training direction."""
        a, b = batch["a"], batch["b"]
        return (a, b) if self.direction == "a2b" else (b, a)

    def lr_scale(self, step, steps_per_epoch):
        return linear_decay(step // steps_per_epoch, *self.decay)

    def sample(self, batch):
        source, target = self.directed(batch)
        a, b = ("A", "B") if self.direction == "a2b" else ("B", "A")
        made = {f"G({a})": self.translate(source), b: target, f"G({b})": self.translate(target)}
        return {a: source, **made}

    def discriminator_outputs(self, batch):
        source, target = self.directed(batch)
        images = {"real": target, "generated": self.translate(source)}
        return {name: self.discriminator(image).mean() for name, image in images.items()}

    def translate(self, inputs):
        return self.averaged("generator")(inputs)

    dataset = CycleGAN.dataset  # the same images, in the same layouts


def contrast(queries, keys, temperature):
    """Return InfoNCE of unit vectors [N, patches, width], averaged over patches: [N] (equation 3).

    The key of a query is the one at its place; the image's other keys are its negatives.
    """
    n, count, _ = queries.shape
    logits = paddle.matmul(queries, keys, transpose_y=True) / temperature  # [N, query, key]
    own = paddle.arange(count).expand([n, count])
    return F.cross_entropy(logits, own, reduction="none").mean(axis=1)


def choose_positions(count, most):
    """Return at most ``most`` different random positions of ``count``."""
    return paddle.randperm(count)[:most]


def mirror(x):
    """Return images or feature maps [N, C, H, W] with left and right exchanged."""
    return x.flip([3])


def xavier_init(network: nn.Layer, gain: float = 0.02) -> None:
    """Initialise as the authors: weights from N(0, gain * sqrt(2 / (fan_in + fan_out))), biases 0.

    Source: Glorot and Bengio 2010, equation 16.
    """
    for layer in network.sublayers():
        if isinstance(layer, (nn.Conv2D, nn.Linear)):
            a, b, *kernel = layer.weight.shape
            std = gain * math.sqrt(2 / ((a + b) * math.prod(kernel)))
            nn.initializer.Normal(0.0, std)(layer.weight)
            nn.initializer.Constant(0.0)(layer.bias)


MODEL = CUT
