"""Colorization: colour for grey photographs by a conditional GAN in CIE Lab.

The article's two generators, on pix2pix's training (Isola et al., CVPR 2017).
"""

from __future__ import annotations

import urllib.request
from functools import partial
from pathlib import Path
from typing import Literal, Optional

import numpy as np
import paddle
import paddle.nn.functional as F
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
from paddle_gans.training.model import GANModel, adam, frozen
from paddle_gans.weights import formats
from paddle_gans.weights.arrays import load_state_strict

ENCODERS = {"resnet18": resnet18, "resnet34": resnet34}
GENERATORS = {
    "dynamic_unet": lambda encoder, dim, bounded: DynamicUNet(
        ENCODERS[encoder](base_dim=dim), bounded=bounded
    ),
    "res_unet": lambda encoder, dim, bounded: ResUNet(base_dim=dim, bounded=bounded),
}

PEAK = 2 * colour.AB_SCALE  # how far apart two values of a or b can be
BEST_PSNR = 100.0  # dB, in the place of infinity: equal pictures must not spoil a mean
PALE = 0.6  # share of their own best strength below which colours are called faded
FALLS = 3  # validations in a row that a fading takes

ANSWER_SECONDS = 5  # that the server of the weights has


class Colorization(GANModel):
    """Learns the colours of photographs from their lightness.

    Batches hold ``l`` [N, 1, H, W] = L / 50 - 1 and ``ab`` [N, 2, H, W] = ab / 110, of Lab. Terms:
    ``d_loss_real``, ``d_loss_fake``, ``g_loss_fake``, ``g_loss_l1``; before step
    ``pretrain_steps`` the last one alone. There is no noise. Sources: the article; Isola et al.
    2017, section 3.
    """

    data_class = Photos
    paper_config = RunConfig(batch_size=16, epochs=50, sample_every=1000, save_every=2500)
    demo_config = RunConfig(
        batch_size=8,
        steps=600,
        log_every=20,
        sample_every=100,
        save_every=200,
        validate_every=100,
    )
    demo_options = {"base_dim": 24, "load_size": 72, "crop_size": 64}
    metrics = {
        "chroma_result": "none",  # Lab units; close to the truth's is good, but says little
        "chroma_truth": "none",
        "psnr_ab": "higher",  # dB
        "ciede2000": "lower",
    }

    def __init__(
        self,
        *,
        generator: Literal["dynamic_unet", "res_unet"] = "dynamic_unet",  # article: 50, 40 epochs
        encoder: Literal["resnet18", "resnet34"] = "resnet18",  # of dynamic_unet
        encoder_weights: Optional[str] = None,  # ImageNet start: `paddle` downloads, or a file
        base_dim: int = 64,  # channels of the first layer
        bounded: bool = False,  # a tanh keeps ab within +-110
        gan_mode: Literal["vanilla", "lsgan"] = "vanilla",  # adversarial loss
        lambda_l1: float = 100.0,  # weight of the L1 term; 0 trains the GAN alone
        pretrain_steps: int = 0,  # steps of L1 alone before the GAN begins
        diff_augment: Optional[str] = None,  # what D sees: color,translation,cutout or some of it
        ema_decay: float = 0.0,  # of the generator's moving average, e.g. 0.999; 0: none
        learning_rate: float = 2e-4,  # of both Adam optimizers
        d_learning_rate: Optional[float] = None,  # of D's, where it differs
        beta1: float = 0.5,  # Adam's first decay
        beta2: float = 0.999,  # Adam's second decay
        load_size: int = 256,  # pixels of a picture's short side before cropping; 0: as they are
        crop_size: int = 256,  # pixels
        flip: bool = True,  # mirror half of the pictures
        grey: Literal["keep", "skip"] = "keep",  # what becomes of grey pictures in --data
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
        self.optimizers = {
            "generator": optimizer(self.generator, learning_rate=learning_rate),
            "discriminator": optimizer(
                self.discriminator, learning_rate=d_learning_rate or learning_rate
            ),
        }

    def load_pretrained(self):
        """Start the encoder from the weights that ``encoder_weights`` names.

        For the beginning of a new run: a checkpoint, and a file for inference, holds all.

        Raises:
            InputError: they cannot be had, or are not those of this encoder.
        """
        if self.encoder_weights is None:
            return
        mine = self.encoder_weights != "paddle"
        path = Path(self.encoder_weights) if mine else published(self.encoder)
        arrays = {k: x for k, x in formats.load(path).items() if isinstance(x, np.ndarray)}
        source = f"--encoder-weights {path} with --encoder {self.encoder}"
        load_state_strict(self.generator.encoder, from_vision(arrays, in_channels=1), source)

    def train_step(self, batch, step, update):
        lightness, ab = batch["l"], batch["ab"]
        fake = self.generator(lightness)
        if step < self.pretrain_steps:
            return self.update_generator({"g_loss_l1": F.l1_loss(fake, ab)}, update)

        # Update D: real colours against generated ones, G held constant.
        terms = self.d_losses(lightness, ab, fake.detach())
        losses = update(terms, self.optimizers["discriminator"])

        # Update G: fool D, and stay close to the truth.
        with frozen(self.discriminator):
            terms = self.g_losses(lightness, ab, fake)
        losses.update(self.update_generator(terms, update))
        return losses

    def update_generator(self, terms, update):
        """One step of G on these terms; L1 has its weight in pre-training too, for Adam's sake."""
        weights = {"g_loss_l1": self.lambda_l1} if "g_loss_l1" in terms else {}
        return update(terms, self.optimizers["generator"], weights=weights)

    def d_losses(self, lightness, ab, fake):
        """D's terms: lightness [N, 1, H, W] with real and with generated ab [N, 2, H, W]."""
        return {
            "d_loss_real": self.gan_loss(self.d_logits(lightness, ab), True),
            "d_loss_fake": self.gan_loss(self.d_logits(lightness, fake), False),
        }

    def g_losses(self, lightness, ab, fake):
        """G's terms: the adversarial one, and L1 unless its weight is 0."""
        terms = {"g_loss_fake": self.gan_loss(self.d_logits(lightness, fake), True)}
        if self.lambda_l1 > 0:
            terms["g_loss_l1"] = F.l1_loss(fake, ab)
        return terms

    def d_logits(self, lightness, ab):
        """D's logits for lightness [N, 1, H, W] with ab [N, 2, H, W], both augmented."""
        return self.discriminator(*self.augment(join(lightness, ab)))

    def discriminator_outputs(self, batch):
        lightness = batch["l"]
        planes = {"real": batch["ab"], "generated": self.translate(lightness)}
        return {name: self.discriminator(join(lightness, ab)).mean() for name, ab in planes.items()}

    def sample(self, batch):
        lightness, ab = batch["l"], batch["ab"]
        return {
            "grey": pictures(lightness, paddle.zeros_like(ab)),
            "result": pictures(lightness, self.translate(lightness)),
            "truth": pictures(lightness, ab),
        }

    def translate(self, inputs):
        """ab / 110 [N, 2, H, W] of lightness [N, 1, H, W] = L / 50 - 1, at any size."""
        return self.averaged("generator")(inputs)

    def validate(self, batch):
        """Means over the images: chroma (Lab units), PSNR of ab (dB), CIEDE2000."""
        lightness, truth = batch["l"].numpy(), batch["ab"].numpy()
        result = self.translate(batch["l"]).numpy()
        found = {
            "chroma_result": colour.chroma(result) * colour.AB_SCALE,
            "chroma_truth": colour.chroma(truth) * colour.AB_SCALE,
            "psnr_ab": [
                min(colour.psnr(difference * colour.AB_SCALE, PEAK), BEST_PSNR)
                for difference in result - truth
            ],
            "ciede2000": [
                colour.ciede2000(colour.decode(x, y), colour.decode(x, z)).mean()
                for x, y, z in zip(lightness, result, truth)
            ],
        }
        return {name: float(np.mean(values)) for name, values in found.items()}

    def validation_warnings(self, history):
        """Warn of fading colours, which the article takes for over-fitting.

        They fade when their strength, the result's chroma over the truth's, fell in each of the
        last three validations, to less than 60 % of what it was at its best. A strength above 1,
        as the first colours may have it, counts as 1: to come down to the truth is no fading.
        """
        pairs = [(figures["chroma_result"], figures["chroma_truth"]) for figures in history]
        pairs = [(result, truth) for result, truth in pairs if np.isfinite(result) and truth > 0]
        strengths = [result / truth for result, truth in pairs]
        last = strengths[-FALLS - 1 :]
        falls = sum(now < before for before, now in zip(last, last[1:]))
        best = min(max(strengths, default=0.0), 1.0)
        if falls < FALLS or last[-1] >= PALE * best:
            return []
        result, truth = pairs[-1]
        return [
            f"the colours fade: their chroma is {result:.1f}, that of the truth {truth:.1f}, and "
            f"it fell in the last {FALLS} validations, as it does when the generator over-fits; "
            "weights from before that may be the better ones"
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
    """What D judges: the whole Lab picture, [N, 3, H, W]."""
    return paddle.concat([lightness, ab], axis=1)


def pictures(lightness, ab):
    """Lightness [N, 1, H, W] and ab [N, 2, H, W] as RGB, [N, 3, H, W] in [-1, 1]."""
    planes = zip(lightness.numpy(), ab.numpy())
    images = [normalise(colour.lab_to_rgb(colour.decode(x, y))) for x, y in planes]
    return paddle.to_tensor(np.stack(images))


def published(encoder: str) -> Path:
    """The ImageNet weights that Paddle publishes, in its own cache; downloaded the first time.

    Raises:
        InputError: they cannot be downloaded.
    """
    url, checksum = model_urls[encoder]
    try:
        if not (Path(download.WEIGHTS_HOME) / url.rpartition("/")[2]).is_file():
            # Paddle's download has no time limit: where nothing answers, it would wait for ever.
            request = urllib.request.Request(url, method="HEAD")
            urllib.request.urlopen(request, timeout=ANSWER_SECONDS).close()
        return Path(download.get_weights_path_from_url(url, checksum))
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"--encoder-weights paddle: {url} cannot be downloaded "
            f"({getattr(error, 'reason', error)}); get it in another way and give "
            "--encoder-weights the path, or leave the option out"
        ) from error


def check_options(generator, encoder_weights, base_dim, lambda_l1, pretrain_steps, crop_size):
    """Raise InputError for what cannot be built or trained."""
    if crop_size < 32:
        raise InputError(f"--crop-size {crop_size} is too small for the discriminator; 32 will do")
    if base_dim < 2 or base_dim % 2:
        raise InputError(f"--base-dim {base_dim} is no even number from 2 on")
    if pretrain_steps < 0:
        raise InputError(f"--pretrain-steps {pretrain_steps} is below 0")
    if pretrain_steps > 0 and lambda_l1 <= 0:
        raise InputError("--pretrain-steps train on L1 alone, and --lambda-l1 is 0")
    if encoder_weights is not None and generator != "dynamic_unet":
        raise InputError(f"--encoder-weights are for dynamic_unet; {generator} has no such encoder")
    if encoder_weights is not None and base_dim != WIDTH:
        raise InputError(
            f"--encoder-weights are those of networks with --base-dim {WIDTH}, not {base_dim}"
        )


MODEL = Colorization
