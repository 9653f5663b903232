"""pix2pix: image-to-image translation with a conditional GAN (Isola et al., CVPR 2017).

Default: the tutorial's networks and losses. The paper's U-Nets and discriminator are options.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from data_reader import layout
from data_reader.datasets import Paired
from data_reader.embedded import demo_path
from data_reader.errors import InputError
from paddle_gans.networks.init import normal_init
from paddle_gans.networks.layers import resize_conv
from paddle_gans.networks.patch_gan import PatchGAN
from paddle_gans.networks.unet import UNet
from paddle_gans.training.augment import DiffAugment
from paddle_gans.training.config import RunConfig
from paddle_gans.training.losses import GAN_LOSSES, gradient_penalty
from paddle_gans.training.model import GANModel, Update, adam, frozen
from paddle_gans.training.schedules import decay_epochs, linear_decay


class Norm(nn.BatchNorm2D):
    """Batch norm that uses its running statistics, or those of each image, at test time.

    ``mode="instance"`` uses those of each image: the tutorial never leaves training mode, so at
    test time its batch of one image is normalised by its own statistics.
    """

    def __init__(self, channels: int, mode: str = "instance"):
        super().__init__(channels)
        self.mode = mode

    def forward(self, x):
        if self.training or self.mode == "running":
            return super().forward(x)
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self._epsilon)


class Residual(nn.Layer):
    """Residual block of two 3x3 convolutions; input and output [N, C, H, W]."""

    def __init__(self, channels: int, norm=Norm):
        super().__init__()
        self.pad = nn.Pad2D(1, mode="reflect")
        self.conv1 = nn.Conv2D(channels, channels, 3, bias_attr=False)
        self.norm1 = norm(channels)
        self.conv2 = nn.Conv2D(channels, channels, 3, bias_attr=False)
        self.norm2 = norm(channels)
        self.relu = nn.ReLU()

    def forward(self, x):
        h = self.relu(self.norm1(self.conv1(self.pad(x))))
        return x + self.norm2(self.conv2(self.pad(h)))


class Generator(nn.Layer):
    """The tutorial's ResNet generator: [N, 3, H, W] to the same in [-1, 1]; 4 divides H and W."""

    def __init__(
        self, base_dim: int = 64, residual_num: int = 7, norm=Norm, upsample: str = "deconv"
    ):
        super().__init__()
        conv = partial(nn.Conv2D, bias_attr=False)
        up = partial(nn.Conv2DTranspose, kernel_size=3, stride=2, padding=1, bias_attr=False)
        if upsample == "resize":
            up = partial(resize_conv, bias_attr=False)
        self.border = nn.Pad2D(3, mode="reflect")
        self.conv1 = conv(3, base_dim, 7)
        self.norm1 = norm(base_dim)
        self.conv2 = conv(base_dim, base_dim * 2, 3, stride=2, padding=1)
        self.norm2 = norm(base_dim * 2)
        self.conv3 = conv(base_dim * 2, base_dim * 4, 3, stride=2, padding=1)
        self.norm3 = norm(base_dim * 4)
        self.residuals = nn.LayerList([Residual(base_dim * 4, norm) for _ in range(residual_num)])
        self.up1 = up(base_dim * 4, base_dim * 2)
        self.norm4 = norm(base_dim * 2)
        self.up2 = up(base_dim * 2, base_dim)
        self.norm5 = norm(base_dim)
        # A transposed convolution returns 2n - 1 rows and columns; pad with zeros to 2n.
        self.complete = nn.Pad2D([0, 1, 0, 1]) if upsample == "deconv" else nn.Identity()
        self.conv4 = nn.Conv2D(base_dim, 3, 7)
        self.relu = nn.ReLU()
        normal_init(self)

    def forward(self, x):
        x = self.relu(self.norm1(self.conv1(self.border(x))))
        x = self.relu(self.norm2(self.conv2(x)))  # [N, 2d, H/2, W/2]
        x = self.relu(self.norm3(self.conv3(x)))  # [N, 4d, H/4, W/4]

        for residual in self.residuals:
            x = residual(x)

        x = self.complete(self.relu(self.norm4(self.up1(x))))  # [N, 2d, H/2, W/2]
        x = self.complete(self.relu(self.norm5(self.up2(x))))  # [N, d, H, W]
        return paddle.tanh(self.conv4(self.border(x)))


class Discriminator(nn.Layer):
    """The tutorial's 70x70 PatchGAN: A and B concatenated [N, 6, H, W] to logits [N, 1, h, w].

    h = H / 8 - 2. Unlike in the paper, instance norm also follows the first convolution.
    """

    def __init__(self, base_dim: int = 64):
        super().__init__()
        conv = partial(nn.Conv2D, kernel_size=4, padding=1)
        d = base_dim
        self.conv1, self.norm1 = conv(6, d, stride=2), nn.InstanceNorm2D(d)
        self.conv2 = conv(d, d * 2, stride=2, bias_attr=False)
        self.norm2 = nn.InstanceNorm2D(d * 2)
        self.conv3 = conv(d * 2, d * 4, stride=2, bias_attr=False)
        self.norm3 = nn.InstanceNorm2D(d * 4)
        self.conv4 = conv(d * 4, d * 8, bias_attr=False)
        self.norm4 = nn.InstanceNorm2D(d * 8)
        self.conv5 = conv(d * 8, 1)
        self.leaky_relu = nn.LeakyReLU(0.2)
        normal_init(self)

    def features(self, x):
        """Return the activations of the four hidden layers, then the logits."""
        h1 = self.leaky_relu(self.norm1(self.conv1(x)))
        h2 = self.leaky_relu(self.norm2(self.conv2(h1)))
        h3 = self.leaky_relu(self.norm3(self.conv3(h2)))
        h4 = self.leaky_relu(self.norm4(self.conv4(h3)))
        return [h1, h2, h3, h4, self.conv5(h4)]

    def forward(self, x):
        return self.features(x)[-1]


def unet(depth: int, base_dim: int, _: int, norm, upsample: str) -> UNet:
    """Build the paper's U-Net, which has no residual blocks, with ``Generator``'s arguments."""
    return UNet(depth=depth, base_dim=base_dim, norm=norm, upsample=upsample)


# Generators: constructor, multiple that the input's sides must be of, and default crop size.
GENERATORS = {
    "resnet": (Generator, 4, 224),
    "unet_256": (partial(unet, 8), 256, 256),
    "unet_128": (partial(unet, 7), 128, 128),
}


class Pix2Pix(GANModel):
    """Translates images A into images B, trained on aligned pairs.

    Batches contain ``a`` and ``b`` [N, 3, H, W] in [-1, 1]. Losses: ``d_loss_real``,
    ``d_loss_fake``, ``d_loss_gp`` (wgangp only), ``g_loss_fake``, ``g_loss_fm`` (Wang et al. 2018,
    equation 4), ``g_loss_l1``; those of weight 0 are not computed. Sources: Isola et al. 2017,
    section 3; the tutorial's listing.
    """

    data_class = Paired
    paper_config = RunConfig(batch_size=1, steps=50_000, save_every=2500)
    # The tutorial's 50,000 steps of 0.22e12 operations take half an hour, 400,000 four hours.
    demo_config = RunConfig(
        batch_size=1, steps=2000, log_every=20, sample_every=400, save_every=500
    )
    demo_options = {
        "direction": "b2a",
        "upsample": "resize",
        "ema_decay": 0.998,
        "base_dim": 24,
        "residual_num": 5,
        "load_size": 128,
        "crop_size": 112,
        "flip": True,
    }

    # Each keyword is a flag of the command, and the comment beside it its help.
    def __init__(
        self,
        *,
        direction: Literal["a2b", "b2a"] = "a2b",  # translate A to B, or B to A
        generator: Literal["resnet", "unet_256", "unet_128"] = "resnet",  # unet: the paper's
        discriminator: Literal["article", "paper"] = "article",  # paper: with batch norm
        base_dim: int = 64,  # channels of the first layer
        residual_num: int = 7,  # residual blocks in the resnet generator
        upsample: Literal["deconv", "resize"] = "deconv",  # resize: nearest + conv, no checkerboard
        norm_mode: Literal["instance", "running"] = "instance",  # test-time statistics
        gan_mode: Literal["vanilla", "lsgan", "wgangp"] = "vanilla",  # adversarial loss
        lambda_gan: float = 1.0,  # weight of the adversarial loss; 0: L1 only
        lambda_l1: float = 100.0,  # weight of the L1 loss; 0: adversarial loss only
        lambda_fm: float = 0.0,  # weight of pix2pixHD's feature matching loss, e.g. 10
        lambda_gp: float = 10.0,  # weight of wgangp's gradient penalty
        diff_augment: str | None = None,  # augment what D sees: any of color,translation,cutout
        ema_decay: float = 0.0,  # decay of the generator's moving average, e.g. 0.999; 0: none
        learning_rate: float = 2e-4,  # of both Adam optimizers
        d_learning_rate: float | None = None,  # of the discriminator (default: --learning-rate)
        decay_start_epoch: int | None = None,  # epoch at which learning rates begin to decay
        decay_end_epoch: int | None = None,  # epoch at which they reach 0 (default: no decay)
        beta1: float = 0.5,  # Adam's beta1
        beta2: float = 0.999,  # Adam's beta2
        load_size: int = 256,  # pixels of the short side before cropping; 0: original size
        crop_size: int | None = None,  # pixels (default: resnet 224, unet_256 256, unet_128 128)
        flip: bool = False,  # mirror half of the training pairs
        a_side: Literal["left", "right"] = "left",  # side of A in files that contain both
        labels: Literal["auto", "a", "b", "none"] = "auto",  # label maps: resized without blending
        allow_outside: bool = False,  # a list file may name images outside its folder
    ):
        super().__init__()
        build, self.size_multiple, default_crop = GENERATORS[generator]
        self.crop_size = default_crop if crop_size is None else crop_size
        check_options(self.crop_size, self.size_multiple, generator, lambda_gan, lambda_l1)
        self.decay = decay_epochs(decay_start_epoch, decay_end_epoch)
        self.load_size, self.flip, self.a_side, self.labels = load_size, flip, a_side, labels
        self.direction, self.allow_outside = direction, allow_outside

        norm = partial(Norm, mode=norm_mode)
        self.generator = build(base_dim, residual_num, norm, upsample)
        self.keep_averages(ema_decay, "generator")
        is_paper = discriminator == "paper"
        self.discriminator = PatchGAN(6, base_dim=base_dim) if is_paper else Discriminator(base_dim)
        self.augment = DiffAugment(diff_augment)
        self.gan_loss = GAN_LOSSES[gan_mode]
        self.penalise = gan_mode == "wgangp"
        self.lambda_gan, self.lambda_l1, self.lambda_gp = lambda_gan, lambda_l1, lambda_gp
        self.lambda_fm = lambda_fm

        optimizer = partial(adam, beta1=beta1, beta2=beta2)
        d_rate = d_learning_rate or learning_rate
        self.optimizers = {
            "generator": optimizer(self.generator, learning_rate=learning_rate),
            "discriminator": optimizer(self.discriminator, learning_rate=d_rate),
        }

    def train_step(self, batch: dict[str, Tensor], step: int, update: Update) -> dict[str, Tensor]:
        """Update D on real and generated pairs, then G (section 3.3)."""
        source, target = self.directed(batch)
        fake = self.generator(source)
        losses = {}

        # Update D on real pairs and on pairs with a generated image.
        if self.lambda_gan > 0:
            losses.update(
                update(
                    self.d_losses(source, target, fake.detach()),
                    self.optimizers["discriminator"],
                    weights={"d_loss_gp": self.lambda_gp} if self.penalise else {},
                )
            )

        # Update G: adversarial loss and distance to the target.
        with frozen(self.discriminator):  # Paddle decides this in the forward pass
            terms = self.g_losses(source, target, fake)
        weights = {
            "g_loss_fake": self.lambda_gan,
            "g_loss_fm": self.lambda_fm,
            "g_loss_l1": self.lambda_l1,
        }
        weights = {name: weights[name] for name in terms}  # a term of weight 0 is not computed
        losses.update(update(terms, self.optimizers["generator"], weights=weights))
        return losses

    def d_losses(self, source, target, fake):
        """Return D's losses on real and generated pairs of images [N, 3, H, W]."""
        real_pair, fake_pair = self.pair(source, target), self.pair(source, fake)
        terms = {
            "d_loss_real": self.gan_loss(self.discriminator(real_pair), True),
            "d_loss_fake": self.gan_loss(self.discriminator(fake_pair), False),
        }
        if self.penalise:
            terms["d_loss_gp"] = gradient_penalty(self.discriminator, real_pair, fake_pair)
        return terms

    def g_losses(self, source, target, fake):
        """Return G's adversarial, feature matching and L1 losses, unless their weight is 0."""
        terms = {}
        if self.lambda_gan > 0 and self.lambda_fm > 0:
            seen, *images = self.augment(source, fake, target)
            pairs = [paddle.concat([seen, image], axis=1) for image in images]
            *of_fake, logits = self.discriminator.features(pairs[0])
            with paddle.no_grad():
                of_target = self.discriminator.features(pairs[1])
            terms["g_loss_fake"] = self.gan_loss(logits, True)
            terms["g_loss_fm"] = sum(map(F.l1_loss, of_fake, of_target))
        elif self.lambda_gan > 0:
            terms["g_loss_fake"] = self.gan_loss(self.discriminator(self.pair(source, fake)), True)
        if self.lambda_l1 > 0:
            terms["g_loss_l1"] = F.l1_loss(fake, target)
        return terms

    def pair(self, source, image):
        """Return the input of D: both images with the same augmentation, [N, 6, H, W]."""
        return paddle.concat(self.augment(source, image), axis=1)

    def discriminator_outputs(self, batch):
        source, target = self.directed(batch)
        images = {"real": target, "generated": self.translate(source)}
        return {
            name: self.discriminator(paddle.concat([source, image], axis=1)).mean()
            for name, image in images.items()
        }

    def directed(self, batch):
        """Return (source, target) of a batch in the training direction."""
        a, b = batch["a"], batch["b"]
        return (a, b) if self.direction == "a2b" else (b, a)

    def lr_scale(self, step, steps_per_epoch):
        return linear_decay(step // steps_per_epoch, *self.decay) if self.decay else 1.0

    def sample(self, batch):
        source, target = self.directed(batch)
        names = ("A", "B") if self.direction == "a2b" else ("B", "A")
        return {names[0]: source, f"G({names[0]})": self.translate(source), names[1]: target}

    def translate(self, inputs):
        return self.averaged("generator")(inputs)

    def dataset(self, root, *, train):
        root = demo_path("streets") if root is None else root
        pairs, what = layout.paired(root, train=train, allow_outside=self.allow_outside)
        if not pairs:
            return None
        return Paired(
            pairs,
            load_size=self.load_size,
            crop_size=self.crop_size,
            crop_type="Random" if train else "Center",
            flip=self.flip and train,
            a_side=self.a_side,
            labels=self.labels,
            what=what,
        )


def check_options(crop_size, multiple, generator, lambda_gan, lambda_l1):
    """Raise InputError for sizes and weights that cannot be trained with."""
    if crop_size < multiple or crop_size % multiple:
        near = max(multiple, round(crop_size / multiple) * multiple)
        raise InputError(
            f"--crop-size {crop_size} does not fit the generator {generator}, which needs "
            f"multiples of {multiple}; use {near}"
        )
    if lambda_gan <= 0 and lambda_l1 <= 0:
        raise InputError("--lambda-gan and --lambda-l1 are both 0; set at least one above 0")


MODEL = Pix2Pix
