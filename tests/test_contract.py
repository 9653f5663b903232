"""The contract of every model; models are found automatically.

A new file under ``paddle_gans/models`` is tested here without being named; ``TINY`` in conftest
may make it small.
"""

import numpy as np
import paddle
import pytest
from conftest import TINY

from data_reader.loader import Loader
from paddle_gans import models
from paddle_gans.fast_cpu import accelerate
from paddle_gans.inference import loading
from paddle_gans.training import checkpoint
from paddle_gans.training.model import GANModel, Update
from paddle_gans.training.options import options_of, resolve
from paddle_gans.training.trainer import step_seed, training_step
from paddle_gans.weights import formats

every_model = pytest.mark.parametrize("name", models.names())


def build(name, seed=0, **options):
    """Build a small model for the embedded data."""
    model_class = models.find(name)
    options = {**model_class.demo_options, **TINY.get(name, {}), **options}
    paddle.seed(seed)
    model = model_class(**resolve(model_class, options, name))
    accelerate(model)  # as the trainer does
    return model


def batches(model, size=2, seed=0):
    loader = Loader(model.dataset(None, train=True), size, seed=seed, workers=0)
    return lambda step: {k: paddle.to_tensor(v) for k, v in loader.batch(step).items()}


def run_steps(model, steps, first=0, size=2):
    batch, update, losses = batches(model, size), Update(), {}
    for step in range(first, first + steps):
        paddle.seed(step_seed(0, 0, step))
        losses = training_step(model, batch(step), step, update)
    return losses


def arrays(model):
    return {k: v.numpy().copy() for k, v in model.state_dict().items()}


@every_model
def test_is_a_gan_model_with_options_that_are_explained(name):
    model_class = models.find(name)
    assert issubclass(model_class, GANModel)
    for option in options_of(model_class).values():
        assert option.help, f"{name}: {option.name} has no comment beside it"
        assert option.choices == () or option.default in option.choices
    for recipe in (model_class.paper_config, model_class.demo_config):
        assert (recipe.steps is None) != (recipe.epochs is None)


@every_model
def test_one_step_moves_what_is_trained_and_nothing_else(name):
    model = build(name)
    before = {n: p.numpy().copy() for n, p in model.named_parameters()}
    losses = run_steps(model, 2)
    assert losses
    for term, value in losses.items():
        assert np.isfinite(value.item()), term
        assert value.stop_gradient, f"{term} still holds its graph"
        assert value.size == 1, term
    stepped = {p.name for o in model.optimizers.values() for p in o._parameter_list}
    for parameter_name, p in model.named_parameters():
        moved = not np.array_equal(before[parameter_name], p.numpy())
        if p.name in stepped and p.grad is not None and np.abs(p.grad.numpy()).max() > 0:
            assert moved, f"{parameter_name} has a gradient and did not move"
        if p.name not in stepped and not p.trainable and "norm" not in parameter_name:
            follows = any(part in parameter_name for part in ("_mean", "_variance", "_ema."))
            assert follows or not moved, f"{parameter_name} is frozen and moved"


@every_model
def test_every_trained_network_gets_gradients(name):
    model = build(name)
    run_steps(model, 1, size=6)  # enough for every domain to be among them
    for optimizer_name, optimizer in model.optimizers.items():
        grads = [p.grad for p in optimizer._parameter_list]
        some = [g is not None and g.abs().max().item() > 0 for g in grads]
        assert np.mean(some) > 0.5, optimizer_name


# What several models offer; those that have an option are tested with it too.
EXTRAS = [
    {},
    {"ema_decay": 0.9},
    {"upsample": "bilinear"},
    {"diff_augment": "color,translation,cutout"},
    {"d_learning_rate": 1e-3},
]


@pytest.mark.parametrize("extra", EXTRAS, ids=lambda extra: next(iter(extra), "plain"))
@every_model
def test_saved_and_loaded_it_takes_the_same_next_steps(name, extra, tmp_path):
    if not extra.keys() <= options_of(models.find(name)).keys():
        pytest.skip("this model has no such option")
    straight = build(name, **extra)
    run_steps(straight, 4)
    first = build(name, **extra)
    run_steps(first, 2)
    path = checkpoint.save_checkpoint(tmp_path, first, {"step": 2})
    # Another model was built in between, and the weights begin elsewhere.
    second = build(name, seed=7, **extra)
    checkpoint.load_checkpoint(path, second)
    run_steps(second, 2, first=2)
    expected, found = arrays(straight), arrays(second)
    assert expected.keys() == found.keys()
    for key in expected:
        assert expected[key].tobytes() == found[key].tobytes(), key


@every_model
def test_samples_are_named_images_and_leave_no_trace(name):
    model = build(name)
    run_steps(model, 1)
    before = arrays(model)
    batch = batches(model)(0)
    model.eval()
    with paddle.no_grad():
        images = model.sample(batch)
    model.train()
    assert images
    for label, image in images.items():
        assert image.ndim == 4, label
        assert image.shape[1] in (1, 3), label
        assert -1.001 <= image.min().item() <= image.max().item() <= 1.001, label
    for key, array in arrays(model).items():
        assert before[key].tobytes() == array.tobytes(), f"sampling changed {key}"


@every_model
def test_the_average_is_sampled_saved_and_translated_with(name):
    """Samples and saved weights are those of the average."""
    if "ema_decay" not in options_of(models.find(name)):
        pytest.skip("this model has no such option")
    model = build(name, ema_decay=0.9)
    run_steps(model, 1)
    assert model.ema_names
    for network in model.ema_names:
        average, live = getattr(model, f"{network}_ema"), getattr(model, network)
        assert model.averaged(network) is average
        if network in model.inference:
            assert model.inference_network(network) is average
        for tensor in live.state_dict().values():
            tensor.set_value(paddle.full_like(tensor, float("nan")))
    model.eval()
    with paddle.no_grad():
        images = model.sample(batches(model)(0))
    assert all(np.isfinite(image.numpy()).all() for image in images.values())


@every_model
def test_the_discriminator_judges_real_and_generated_images(name):
    model = build(name)
    if type(model).discriminator_outputs is GANModel.discriminator_outputs:
        pytest.skip("this model has no discriminator to show")
    model.eval()
    with paddle.no_grad():
        outputs = model.discriminator_outputs(batches(model)(0))
    assert outputs.keys() == {"real", "generated"}
    assert all(np.isfinite(value.item()) for value in outputs.values())


@every_model
def test_inference_networks_are_there(name):
    model = build(name)
    assert model.inference
    for network in model.inference:
        assert model.inference_network(network).state_dict()


@every_model
def test_loading_draws_no_random_weights(name, tmp_path):
    """All weights are those of the files; those that are in none are never made."""
    model = build(name)
    options = resolve(type(model), {**model.demo_options, **TINY.get(name, {})}, name)
    for network in model.inference:
        entry = {"model": name, "options": options, "network": network, "translate": {}, "step": 1}
        formats.save_network(
            tmp_path / f"{network}.pdparams", model.inference_network(network), entry
        )
    paddle.seed(0)
    expected = paddle.rand([4]).numpy()
    paddle.seed(0)
    loaded = loading.load(tmp_path, device="cpu").model
    assert np.array_equal(paddle.rand([4]).numpy(), expected), "random numbers were drawn"
    for network in model.inference:
        saved, found = (arrays(m.inference_network(network)) for m in (model, loaded))
        assert saved.keys() == found.keys()
        assert all(np.array_equal(saved[key], found[key]) for key in saved)


@every_model
def test_all_state_is_in_sublayers(name):
    """Checkpoints save sublayers only, not tensors of the model itself."""
    model = build(name)
    run_steps(model, 1)
    below = {f"{child}.{key}" for child, layer in model.named_children()
             for key in layer.state_dict()}  # fmt: skip
    assert set(model.state_dict()) == below
    loose = [k for k, v in vars(model).items() if isinstance(v, paddle.Tensor)]
    loose += sorted(set(dict(model.named_buffers())) - set(model.state_dict()))
    assert not loose


@every_model
def test_learning_rate_depends_on_the_step_alone(name):
    model = build(name)
    scales = [model.lr_scale(step, 100) for step in (0, 1, 10_000, 100, 10_000)]
    assert scales[2] == scales[4]
    assert scales[0] == 1.0
    assert all(0 <= s <= 1 for s in scales)
