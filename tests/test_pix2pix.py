"""pix2pix: the article's shapes, weights of losses, normalisation."""

import numpy as np
import paddle
import pytest
from conftest import TINY

from data_reader import InputError
from paddle_gans.models.pix2pix import Discriminator, Generator, Norm, Pix2Pix, Residual
from paddle_gans.training.model import Update


def test_shapes_that_the_article_prints():
    pair = paddle.zeros([1, 6, 224, 224])
    assert Discriminator(4)(pair).shape == [1, 1, 26, 26]
    assert Discriminator(4)(paddle.zeros([1, 6, 256, 256])).shape == [1, 1, 30, 30]
    image = paddle.zeros([1, 3, 224, 224])
    assert Residual(3)(image).shape == [1, 3, 224, 224]
    assert Generator(4, 1)(image).shape == [1, 3, 224, 224]


def test_defaults_are_the_articles():
    model = Pix2Pix()
    assert (model.load_size, model.crop_size, model.direction) == (256, 224, "a2b")
    assert (model.lambda_l1, model.lambda_gan) == (100.0, 1.0)
    assert Pix2Pix.paper_config.batch_size == 1
    assert len(model.generator.residuals) == 7
    assert model.generator.conv1.weight.shape == [64, 3, 7, 7]
    for optimizer in model.optimizers.values():
        assert optimizer.get_lr() == pytest.approx(2e-4)
        assert optimizer._beta1 == 0.5
        assert optimizer._beta2 == 0.999
    assert Pix2Pix(generator="unet_256", base_dim=2).crop_size == 256
    assert Pix2Pix(generator="unet_128", base_dim=2).crop_size == 128


def test_convolutions_start_at_a_hundredth_and_two():
    spread = float(Pix2Pix().generator.residuals[0].conv1.weight.numpy().std())
    assert spread == pytest.approx(0.02, rel=0.01)


def batch_of(size=32, count=1):
    rng = np.random.default_rng(0)
    return {k: paddle.to_tensor(rng.uniform(-1, 1, (count, 3, size, size)).astype("float32"))
            for k in "ab"}  # fmt: skip


def updates_of(**options):
    """Return (terms, weights) of the updates in a training step."""
    model, update, asked = Pix2Pix(**{**TINY["pix2pix"], **options}), Update(), []

    def listening(losses, *optimizers, weights=None):
        asked.append((set(losses), dict(weights or {})))
        return update(losses, *optimizers, weights=weights or {})

    model.train_step(batch_of(), 0, listening)
    return asked


def test_weights_of_the_losses():
    """Adam is invariant to the gradient's scale, so trajectories cannot show a wrong weight."""
    d, g = updates_of()
    assert d == ({"d_loss_real", "d_loss_fake"}, {})
    assert g == ({"g_loss_fake", "g_loss_l1"}, {"g_loss_fake": 1.0, "g_loss_l1": 100.0})
    assert updates_of(lambda_l1=0.0)[1] == ({"g_loss_fake"}, {"g_loss_fake": 1.0})
    assert updates_of(lambda_gan=0.0) == [({"g_loss_l1"}, {"g_loss_l1": 100.0})]
    assert updates_of(gan_mode="wgangp")[0][1] == {"d_loss_gp": 10.0}
    assert updates_of(lambda_fm=10.0)[1][1]["g_loss_fm"] == 10.0


@pytest.mark.parametrize("discriminator", ["article", "paper"])
def test_feature_matching_compares_the_hidden_layers_of_d(discriminator):
    """pix2pixHD, equation 4: the sum of the layers' mean absolute differences."""
    options = {"discriminator": discriminator, "lambda_fm": 10.0, "diff_augment": "translation"}
    model = Pix2Pix(**{**TINY["pix2pix"], **options})
    a, b = batch_of().values()
    assert model.g_losses(a, b, b)["g_loss_fm"].item() == 0.0  # the same augmentation for both
    assert model.g_losses(a, b, a)["g_loss_fm"].item() > 0.0

    model.augment.names = []
    fake, real = (model.discriminator.features(paddle.concat([a, x], axis=1)) for x in (a, b))
    assert len(real) == 5
    np.testing.assert_array_equal(real[-1], model.discriminator(paddle.concat([a, b], axis=1)))
    expected = sum(abs(f - r).mean().item() for f, r in zip(fake[:-1], real))
    assert model.g_losses(a, b, a)["g_loss_fm"].item() == pytest.approx(expected, rel=1e-5)


def test_g_learns_from_the_updated_d():
    """As in the article, G is trained against the updated D."""
    paddle.seed(0)
    model = Pix2Pix(**TINY["pix2pix"], learning_rate=0.1)
    batch, update = batch_of(), Update()
    fake = model.generator(batch["a"])
    before = model.g_losses(batch["a"], batch["b"], fake)["g_loss_fake"].item()
    after = model.train_step(batch, 0, update)["g_loss_fake"].item()
    assert abs(after - before) > 1e-3


def test_instance_mode_normalises_each_image_by_itself_and_leaves_no_trace():
    norm = Norm(3, "instance")
    x = paddle.to_tensor(np.random.default_rng(0).normal(2, 3, (2, 3, 8, 8)).astype("float32"))
    norm.eval()
    statistics = norm._mean.numpy().copy()
    y = norm(x).numpy()
    assert np.abs(y.mean((2, 3))).max() < 1e-5
    assert np.abs(y.std((2, 3)) - 1).max() < 1e-3
    np.testing.assert_array_equal(norm._mean.numpy(), statistics)
    norm.train()
    np.testing.assert_allclose(norm(x[:1]).numpy(), y[:1], atol=1e-4)  # as a batch of one trains
    running = Norm(3, "running")
    running.eval()
    np.testing.assert_allclose(running(x).numpy(), x.numpy(), atol=1e-3)  # mean 0, variance 1


def test_crop_sizes_that_do_not_fit_name_the_multiple():
    with pytest.raises(InputError, match="multiples of 256; use 256"):
        Pix2Pix(generator="unet_256", crop_size=224)
    with pytest.raises(InputError, match="multiples of 4; use 100"):
        Pix2Pix(crop_size=101)


def test_learning_rates_decay_if_asked_to():
    assert Pix2Pix(**TINY["pix2pix"]).lr_scale(10**6, 5) == 1.0
    model = Pix2Pix(**TINY["pix2pix"], decay_start_epoch=2, decay_end_epoch=4)
    assert [model.lr_scale(step, 5) for step in (0, 14, 15, 20)] == [1.0, 1.0, 0.5, 0.0]
    for wrong in ({"decay_start_epoch": 2}, {"decay_start_epoch": 4, "decay_end_epoch": 4}):
        with pytest.raises(InputError, match="--decay-end-epoch"):
            Pix2Pix(**TINY["pix2pix"], **wrong)
