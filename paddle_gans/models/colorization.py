"""Colorization: colour grey photographs with a conditional GAN in CIE Lab.

The tutorial's two generators, trained as in pix2pix (Isola et al., CVPR 2017).
"""

from __future__ import annotations

import urllib.request
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor
from paddle.utils import download
from paddle.vision.models.resnet import model_urls

from data_reader import colour, layout
from data_reader.embedded import demo_path
from data_reader.errors import InputError
from data_reader.photos import Photos
from data_reader.transforms import normalise
from paddle_gans.models._colorization_networks import DynamicUNet, ResUNet
from paddle_gans.networks.patch_gan import PatchGAN
from paddle_gans.networks.resnet18 import WIDTH, from_vision, resnet18, resnet34
from paddle_gans.training.augment import DiffAugment
from paddle_gans.training.config import RunConfig
from paddle_gans.training.losses import GAN_LOSSES
from paddle_gans.training.model import GANModel, Update, adam, frozen
from paddle_gans.weights import formats
from paddle_gans.weights.arrays import load_state_strict

ENCODERS = {"resnet18": resnet18, "resnet34": resnet34}
GENERATORS = {
    "dynamic_unet": lambda encoder, dim, bounded: DynamicUNet(
        ENCODERS[encoder](base_dim=dim), bounded=bounded
    ),
    "res_unet": lambda encoder, dim, bounded: ResUNet(base_dim=dim, bounded=bounded),
}

PEAK = 2 * colour.AB_SCALE  # largest difference between two values of a or b
MAX_PSNR = 100.0  # dB, instead of infinity, so that a mean over images stays finite
FADED_STRENGTH = 0.6  # share of the best colour strength, below which colours count as faded
MIN_FALLS = 3  # consecutive falls of the strength before a warning
TIMEOUT = 5  # seconds, for an answer from the server of the ImageNet weights


class Colorization(GANModel):
    """Predicts the colours of photographs from their lightness.

    Batches contain ``l`` [N, 1, H, W] = L / 50 - 1 and ``ab`` [N, 2, H, W] = ab / 110, of Lab.
    Losses: ``d_loss_real``, ``d_loss_fake``, ``g_loss_fake``, ``g_loss_l1``; only the last before
    step ``pretrain_steps``. Sources: the tutorial; Isola et al. 2017, section 3.
    """

    data_class = Photos
    paper_config = RunConfig(batch_size=16, epochs=50, sample_every=1000, save_every=2500)
    # 0.87e12 operations a step at 128 pixels: 1.5 hours. With 3.5e12 at 256, 50 epochs of 100,000
    # images take two days.
    quick_config = {"steps": 36_000, "epochs": None}
    quick_options = {"load_size": 144, "crop_size": 128}
    demo_config = RunConfig(
        batch_size=8,
        steps=600,
        log_every=20,
        sample_every=100,
        save_every=200,
        validate_every=100,
    )
    demo_options = {"base_dim": 24, "load_size": 72, "crop_size": 64, "ema_decay": 0.99}
    metrics = {
        "chroma_result": "none",  # Lab units; should be near chroma_truth
        "chroma_truth": "none",
        "psnr_ab": "higher",  # dB
        "ciede2000": "lower",
    }

    def __init__(
        self,
        *,
        generator: Literal["dynamic_unet", "res_unet"] = "dynamic_unet",  # U-Net architecture
        encoder: Literal["resnet18", "resnet34"] = "resnet18",  # of dynamic_unet only
        encoder_weights: str | None = None,  # of ImageNet: a file, or `paddle` to download them
        base_dim: int = 64,  # channels of the first layer
        bounded: bool = False,  # limit ab to +-110 by a tanh
        gan_mode: Literal["vanilla", "lsgan"] = "vanilla",  # adversarial loss
        lambda_l1: float = 100.0,  # weight of the L1 loss; 0: adversarial loss only
        pretrain_steps: int = 0,  # train G on L1 alone for this many steps first
        diff_augment: str | None = None,  # augment what D sees: any of color,translation,cutout
        ema_decay: float = 0.0,  # decay of the generator's moving average, e.g. 0.999; 0: none
        learning_rate: float = 2e-4,  # of both Adam optimizers
        d_learning_rate: float | None = None,  # of the discriminator (default: --learning-rate)
        beta1: float = 0.5,  # Adam's beta1
        beta2: float = 0.999,  # Adam's beta2
        load_size: int = 256,  # pixels of the short side before cropping; 0: original size
        crop_size: int = 256,  # side of the crop in pixels
        flip: bool = True,  # mirror half of the training images
        grey: Literal["keep", "skip"] = "keep",  # keep or skip grey images in --data
    ):
        super().__init__()
        check_options(generator, encoder_weights, base_dim, lambda_l1, pretrain_steps, crop_size)
        self.load_size, self.crop_size, self.flip, self.grey = load_size, crop_size, flip, grey
        self.encoder, self.encoder_weights = encoder, encoder_weights
        self.lambda_l1, self.pretrain_steps = lambda_l1, pretrain_steps
        self.gan_loss = GAN_LOSSES[gan_mode]

        self.generator = GENERATORS[generator](encoder, base_dim, bounded)
        self.keep_averages(ema_decay, "generator")
        self.augment = DiffAugment(diff_augment)
        self.discriminator = PatchGAN(3, base_dim=base_dim)

        optimizer = partial(adam, beta1=beta1, beta2=beta2)
        d_rate = d_learning_rate or learning_rate
        self.optimizers = {
            "generator": optimizer(self.generator, learning_rate=learning_rate),
            "discriminator": optimizer(self.discriminator, learning_rate=d_rate),
        }

    def load_pretrained(self):
        """Load the encoder's ImageNet weights that ``encoder_weights`` names.

        Raises:
            InputError: they cannot be downloaded or read, or do not fit this encoder.
        """
        if self.encoder_weights is None:
            return
        downloads = self.encoder_weights == "paddle"
        path = download_weights(self.encoder) if downloads else Path(self.encoder_weights)
        arrays = {k: x for k, x in formats.load(path).items() if isinstance(x, np.ndarray)}
        source = f"--encoder-weights {path} with --encoder {self.encoder}"
        load_state_strict(self.generator.encoder, from_vision(arrays, in_channels=1), source)

    def train_step(self, batch: dict[str, Tensor], step: int, update: Update) -> dict[str, Tensor]:
        """Update D, then G (pix2pix, section 3.3); only G, on L1 alone, while pre-training."""
        lightness, ab = batch["l"], batch["ab"]
        fake = self.generator(lightness)
        if step < self.pretrain_steps:
            return self.update_generator({"g_loss_l1": F.l1_loss(fake, ab)}, update)

        # Update D on real and on generated colours.
        terms = self.d_losses(lightness, ab, fake.detach())
        losses = update(terms, self.optimizers["discriminator"])

        # Update G: adversarial loss and distance to the truth.
        with frozen(self.discriminator):
            terms = self.g_losses(lightness, ab, fake)
        losses.update(self.update_generator(terms, update))
        return losses

    def update_generator(self, terms, update):
        """Update G; L1 is weighted in pre-training too, so that Adam's moments keep their scale."""
        weights = {"g_loss_l1": self.lambda_l1} if "g_loss_l1" in terms else {}
        return update(terms, self.optimizers["generator"], weights=weights)

    def d_losses(self, lightness, ab, fake):
        """Return D's losses on lightness [N, 1, H, W] with real and generated ab [N, 2, H, W]."""
        return {
            "d_loss_real": self.gan_loss(self.d_logits(lightness, ab), True),
            "d_loss_fake": self.gan_loss(self.d_logits(lightness, fake), False),
        }

    def g_losses(self, lightness, ab, fake):
        """Return G's adversarial loss, and L1 unless its weight is 0."""
        terms = {"g_loss_fake": self.gan_loss(self.d_logits(lightness, fake), True)}
        if self.lambda_l1 > 0:
            terms["g_loss_l1"] = F.l1_loss(fake, ab)
        return terms

    def d_logits(self, lightness, ab):
        """Return D's logits for augmented lightness [N, 1, H, W] with ab [N, 2, H, W]."""
        return self.discriminator(*self.augment(join(lightness, ab)))

    def discriminator_outputs(self, batch):
        lightness = batch["l"]
        planes = {"real": batch["ab"], "generated": self.translate(lightness)}
        return {name: self.discriminator(join(lightness, ab)).mean() for name, ab in planes.items()}

    def sample(self, batch):
        lightness, ab = batch["l"], batch["ab"]
        return {
            "grey": to_rgb(lightness, paddle.zeros_like(ab)),
            "result": to_rgb(lightness, self.translate(lightness)),
            "truth": to_rgb(lightness, ab),
        }

    def translate(self, inputs):
        """Predict ab / 110 [N, 2, H, W] from lightness [N, 1, H, W] = L / 50 - 1 of any size."""
        return self.averaged("generator")(inputs)

    def validate(self, batch):
        """Return means over the images: chroma (Lab units), PSNR of ab (dB), CIEDE2000."""
        lightness, truth = batch["l"].numpy(), batch["ab"].numpy()
        result = self.translate(batch["l"]).numpy()
        found = {
            "chroma_result": colour.chroma(result) * colour.AB_SCALE,
            "chroma_truth": colour.chroma(truth) * colour.AB_SCALE,
            "psnr_ab": [
                min(colour.psnr(difference * colour.AB_SCALE, PEAK), MAX_PSNR)
                for difference in result - truth
            ],
            "ciede2000": [
                colour.ciede2000(colour.decode(x, y), colour.decode(x, z)).mean()
                for x, y, z in zip(lightness, result, truth)
            ],
        }
        return {name: float(np.mean(values)) for name, values in found.items()}

    def validation_warnings(self, history):
        """Warn of fading colours, which the tutorial attributes to overfitting.

        The strength of colours is the result's chroma over the truth's. They fade if it fell in
        each of the last three validations, to less than 60 % of its best value; a best above 1
        counts as 1, since a fall towards the truth is good.
        """
        pairs = [(metrics["chroma_result"], metrics["chroma_truth"]) for metrics in history]
        pairs = [(result, truth) for result, truth in pairs if np.isfinite(result) and truth > 0]
        strengths = [result / truth for result, truth in pairs]
        last = strengths[-MIN_FALLS - 1 :]
        falls = sum(now < before for before, now in zip(last, last[1:]))
        best = min(max(strengths, default=0.0), 1.0)
        if falls < MIN_FALLS or last[-1] >= FADED_STRENGTH * best:
            return []
        result, truth = pairs[-1]
        return [
            f"the colours fade: chroma {result:.1f}, truth {truth:.1f}, falling in the last "
            f"{MIN_FALLS} validations; the generator may be overfitting, and earlier weights may "
            "be better"
        ]

    def dataset(self, root, *, train):
        root = demo_path("colours") if root is None else root
        paths, what = layout.photos(root, train=train)
        if not paths:
            return None
        return Photos(
            paths,
            load_size=self.load_size,
            crop_size=self.crop_size,
            crop_type="Random" if train else "Center",
            flip=self.flip and train,
            grey=self.grey,
            what=what,
        )


def join(lightness, ab):
    """Return the input of D: the Lab image [N, 3, H, W]."""
    return paddle.concat([lightness, ab], axis=1)


def to_rgb(lightness, ab):
    """Convert lightness [N, 1, H, W] and ab [N, 2, H, W] to RGB [N, 3, H, W] in [-1, 1]."""
    planes = zip(lightness.numpy(), ab.numpy())
    images = [normalise(colour.lab_to_rgb(colour.decode(x, y))) for x, y in planes]
    return paddle.to_tensor(np.stack(images))


def download_weights(encoder: str) -> Path:
    """Download the ImageNet weights that Paddle publishes into its cache, unless present.

    Raises:
        InputError: they cannot be downloaded.
    """
    url, checksum = model_urls[encoder]
    try:
        if not (Path(download.WEIGHTS_HOME) / url.rpartition("/")[2]).is_file():
            # Paddle's download has no timeout: without an answer it would wait for ever.
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=TIMEOUT).close()
        return Path(download.get_weights_path_from_url(url, checksum))
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"--encoder-weights paddle: {url} cannot be downloaded "
            f"({getattr(error, 'reason', error)}); download it elsewhere and pass the path to "
            "--encoder-weights, or omit the option"
        ) from error


def check_options(generator, encoder_weights, base_dim, lambda_l1, pretrain_steps, crop_size):
    """Raise InputError for options that cannot be used, alone or together."""
    if crop_size < 32:
        raise InputError(f"--crop-size must be at least 32 for the discriminator, not {crop_size}")
    if base_dim < 2 or base_dim % 2:
        raise InputError(f"--base-dim must be an even number of at least 2, not {base_dim}")
    if pretrain_steps < 0:
        raise InputError(f"--pretrain-steps must be at least 0, not {pretrain_steps}")
    if pretrain_steps > 0 and lambda_l1 <= 0:
        raise InputError("--pretrain-steps train on L1 alone, but --lambda-l1 is 0")
    if encoder_weights is not None and generator != "dynamic_unet":
        raise InputError(f"--encoder-weights are for dynamic_unet; {generator} has no such encoder")
    if encoder_weights is not None and base_dim != WIDTH:
        raise InputError(f"--encoder-weights need --base-dim {WIDTH}, not {base_dim}")


MODEL = Colorization
