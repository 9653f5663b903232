"""A plain image-to-image model in about 40 lines; tests run every command on it.

Nothing outside this file knows it: the commands must choose what they do by ``data_class``.
"""

import paddle
import paddle.nn.functional as F
from paddle import nn

from data_reader import layout
from data_reader.datasets import Paired
from data_reader.embedded import demo_path
from paddle_gans.training.config import RunConfig
from paddle_gans.training.losses import vanilla
from paddle_gans.training.model import GANModel, adam, frozen


class Plain(GANModel):
    """Learns to turn image A into its partner B."""

    data_class = Paired
    paper_config = demo_config = RunConfig(batch_size=2, steps=2)

    def __init__(
        self,
        *,
        base_dim: int = 4,  # channels of the hidden layer
        crop_size: int = 32,  # pixels
    ):
        super().__init__()
        self.crop_size = crop_size
        self.generator = nn.Sequential(nn.Conv2D(3, base_dim, 3, padding=1), nn.ReLU(),
                                       nn.Conv2D(base_dim, 3, 3, padding=1), nn.Tanh())  # fmt: skip
        self.discriminator = nn.Conv2D(6, 1, 4, stride=2)
        settings = {"learning_rate": 2e-4, "beta1": 0.5, "beta2": 0.999}
        self.optimizers = {
            "generator": adam(self.generator, **settings),
            "discriminator": adam(self.discriminator, **settings),
        }

    def train_step(self, batch, step, update):
        a, b, fake = batch["a"], batch["b"], self.generator(batch["a"])
        real_pair, fake_pair = paddle.concat([a, b], 1), paddle.concat([a, fake], 1)
        d_losses = {
            "d_loss_real": vanilla(self.discriminator(real_pair), True),
            "d_loss_fake": vanilla(self.discriminator(fake_pair.detach()), False),
        }
        losses = update(d_losses, self.optimizers["discriminator"])
        with frozen(self.discriminator):
            g_losses = {
                "g_loss_fake": vanilla(self.discriminator(fake_pair), True),
                "g_loss_l1": F.l1_loss(fake, b),
            }
        return {**losses, **update(g_losses, self.optimizers["generator"])}

    def sample(self, batch):
        return {"A": batch["a"], "G(A)": self.generator(batch["a"]), "B": batch["b"]}

    def translate(self, inputs):
        return self.generator(inputs)

    def dataset(self, root, *, train):
        pairs, what = layout.paired(demo_path("streets") if root is None else root, train=train)
        crop = {"crop_size": self.crop_size, "crop_type": "Random" if train else "Center"}
        return Paired(pairs, load_size=0, what=what, **crop) if pairs else None


MODEL = Plain
